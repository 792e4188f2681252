/**
 * The network of an opened database: a node that only dials, started when the first peer is asked, since reading needs none;
 * or the node that serves the database, while there is one, so that a process which follows and serves has one node, one
 * identity, and one connection with each peer.
 */
import { randomBytes } from 'node:crypto'
import type { CarrierSettings, ValueNetwork } from './carriers/index.ts'
import type { Dialing, Finding } from './db/index.ts'
import { CoppiceError } from './errors.ts'
import type { NetworkNode, NodeOptions } from './net/index.ts'
import { httpDialerOf } from './peer-addresses.ts'
import { SEED_BYTES } from './pointer/index.ts'
import type { PeerDialer } from './sync/index.ts'

/** How peers are found beside those that are named. What each tells others is in docs/guides/network.md. */
export interface DiscoveryOptions {
  /** Looks for peers on this network, by mDNS. */
  readonly lan?: boolean | undefined
  /** Looks for peers in the DHT that begins with these nodes: multiaddrs with peer ids; `[]` begins a new one. */
  readonly dht?: readonly string[] | undefined
}

/** Of a node, the options that these are; what was asked for now goes before what is configured. */
export function discoveryOf(
  { lan, dht: asked }: DiscoveryOptions,
  settings: CarrierSettings = {},
): Pick<NodeOptions, 'lan' | 'dht' | 'ipns'> {
  const dht = asked ?? settings.dht?.bootstrap
  const { ipns } = settings
  return {
    ...(lan === true ? { lan: {} } : {}),
    ...(dht === undefined ? {} : { dht }),
    ...(ipns === undefined || isOwnIpns(settings, asked) ? {} : { ipns: { bootstrap: ipns.bootstrap } }),
  }
}

/** Whether IPNS records are left in coppice's own DHT: where those that are named for them are nodes of it. */
export function isOwnIpns({ dht, ipns }: CarrierSettings, asked: readonly string[] = []): boolean {
  const own = new Set([...asked, ...(dht?.bootstrap ?? [])])
  return ipns !== undefined && ipns.bootstrap.every((node) => own.has(node))
}

interface DatabaseNamed {
  readonly author: Uint8Array
  readonly name: string
}

export class LazyNetwork implements Dialing {
  readonly finding: Finding
  readonly #discovery: DiscoveryOptions
  readonly #settings: () => Promise<CarrierSettings>
  #own: Promise<NetworkNode> | undefined
  #serving: NetworkNode | undefined

  /** `settings`: of carriers, for a node of their networks. */
  constructor(discovery: DiscoveryOptions = {}, settings: () => Promise<CarrierSettings> = () => Promise.resolve({})) {
    this.#discovery = discovery
    this.#settings = settings
    const serving = (): NetworkNode | undefined => this.#serving
    this.finding = {
      get isDiscovering() {
        return serving()?.discovery.isOn ?? (discovery.lan === true || discovery.dht !== undefined)
      },
      find: (database, signal) => this.#find(database, signal),
      servedAt: () => this.#serving?.addresses() ?? [],
      judge: async (teller, addresses, signal) => (await this.#node()).judge(teller, addresses, signal),
    }
  }

  /** A URL needs no node. */
  async dialer(address: string): Promise<PeerDialer> {
    return (await httpDialerOf(address)) ?? (await this.#node()).dialer(address)
  }

  /** The DHT of a carrier, as whatever node there is takes part in it; nothing is started before it is asked. */
  values(kind: 'dht' | 'ipns'): ValueNetwork {
    const node = async (): Promise<ValueNetwork> => {
      const { values, ipnsValues } = await this.#node()
      const network = kind === 'dht' || isOwnIpns(await this.#settings()) ? values : ipnsValues
      if (network !== undefined) return network
      throw new CoppiceError(
        'PEER_UNREACHABLE',
        `${kind}: expected a node of that DHT, got one that was started without it; start it again`,
      )
    }
    return {
      get: async function* (key, signal) {
        yield* (await node()).get(key, signal)
      },
      put: async function* (key, value, signal) {
        yield* (await node()).put(key, value, signal)
      },
    }
  }

  /** From now on peers are asked over `node`, which serves the database, until the function returned is called. */
  lend(node: NetworkNode): () => void {
    this.#serving = node
    return () => {
      if (this.#serving === node) this.#serving = undefined
    }
  }

  async close(): Promise<void> {
    const node = await this.#own?.catch(() => undefined)
    await node?.stop()
  }

  async *#find(database: DatabaseNamed, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    yield* (await this.#node()).discovery.find(database, signal)
  }

  async #node(): Promise<NetworkNode> {
    if (this.#serving !== undefined) return this.#serving
    this.#own ??= this.#start().catch((error: unknown) => {
      // The next pull may find the disk in a better state.
      this.#own = undefined
      throw error
    })
    return await this.#own
  }

  /** Under an identity of its own: that of the directory belongs to whoever serves it, another process perhaps, which could not be asked by itself. */
  async #start(): Promise<NetworkNode> {
    const { createNode } = await import('./net/index.ts')
    return await createNode({
      peerKey: randomBytes(SEED_BYTES),
      ...discoveryOf(this.#discovery, await this.#settings()),
    })
  }
}
