/**
 * The network of an opened database: a node that only dials, started when the first peer is asked, since reading needs none;
 * or the node that serves the database, while there is one, so that a process which follows and serves has one node, one
 * identity, and one connection with each peer.
 */
import type { Dialing, Finding } from './db/index.ts'
import type { NetworkNode, NodeOptions } from './net/index.ts'
import { httpDialerOf } from './peer-addresses.ts'
import type { PeerDialer } from './sync/index.ts'

/** How peers are found beside those that are named. What each tells others is in docs/guides/network.md. */
export interface DiscoveryOptions {
  /** Looks for peers on this network, by mDNS. */
  readonly lan?: boolean | undefined
  /** Looks for peers in the DHT that begins with these nodes: multiaddrs with peer ids; `[]` begins a new one. */
  readonly dht?: readonly string[] | undefined
}

/** Of a node, the options that these are. */
export function discoveryOf({ lan, dht }: DiscoveryOptions): Pick<NodeOptions, 'lan' | 'dht'> {
  return { ...(lan === true ? { lan: {} } : {}), ...(dht === undefined ? {} : { dht }) }
}

interface DatabaseNamed {
  readonly author: Uint8Array
  readonly name: string
}

export class LazyNetwork implements Dialing {
  readonly finding: Finding
  readonly #peerKey: () => Promise<Uint8Array>
  readonly #discovery: DiscoveryOptions
  #own: Promise<NetworkNode> | undefined
  #serving: NetworkNode | undefined

  constructor(peerKey: () => Promise<Uint8Array>, discovery: DiscoveryOptions = {}) {
    this.#peerKey = peerKey
    this.#discovery = discovery
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

  async #start(): Promise<NetworkNode> {
    const { createNode } = await import('./net/index.ts')
    return await createNode({ peerKey: await this.#peerKey(), ...discoveryOf(this.#discovery) })
  }
}
