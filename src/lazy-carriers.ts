/**
 * The carriers of an opened database, made when they are first asked for: its peers and mirrors, and what its directory and whoever
 * opened it configured beside them (record.md, 7). What another process configures meanwhile counts from the next question on.
 */
import { randomBytes } from 'node:crypto'
import type { Carrier, CarrierSettings } from './carriers/index.ts'
import type { Carriers } from './db/index.ts'
import { isOwnIpns, type LazyNetwork } from './lazy-network.ts'
import type { Signer } from './pointer/index.ts'
import { surroundings } from './surroundings.ts'

/** What is configured now. */
export interface Configured {
  readonly settings: CarrierSettings
  /** Multiaddrs and URLs. */
  readonly peers: readonly string[]
}

/** What carriers are reached over and put with. */
export interface CarrierContext {
  readonly network: LazyNetwork
  /** Keys at hand: envelopes of some carriers only the one that signed the root can make. */
  readonly signers: readonly Signer[]
}

interface Made {
  /** What they were made of. */
  readonly of: string
  readonly besidePeers: readonly Carrier[]
  readonly peers: readonly Carrier[]
}

export class LazyCarriers implements Carriers {
  readonly #configured: () => Promise<Configured>
  readonly #context: CarrierContext
  #made: Promise<Made> | undefined
  #isClosed = false

  constructor(configured: () => Promise<Configured>, context: CarrierContext) {
    this.#configured = configured
    this.#context = context
  }

  async list({ besidePeers = false }: { readonly besidePeers?: boolean } = {}): Promise<readonly Carrier[]> {
    const configured = await this.#configured()
    if (this.#isClosed) return []
    const made = await this.#make(configured)
    return besidePeers ? made.besidePeers : [...made.peers, ...made.besidePeers]
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const made = this.#made
    this.#made = undefined
    await closeAll(made)
  }

  /** One after the other: two that ask at the same time get the same. */
  #make(configured: Configured): Promise<Made> {
    const before = this.#made
    const of = JSON.stringify(configured)
    const next = (async () => {
      const made = await before?.catch(() => undefined)
      if (made?.of === of) return made
      await closeAll(before)
      return { of, ...(await makeCarriers(configured, this.#context)) }
    })()
    this.#made = next
    return next
  }
}

async function closeAll(made: Promise<Made> | undefined): Promise<void> {
  const { peers = [], besidePeers = [] } = (await made?.catch(() => undefined)) ?? {}
  await Promise.all([...peers, ...besidePeers].map((carrier) => carrier.close().catch(() => {})))
}

async function peerOrMirror(address: string, network: LazyNetwork): Promise<Carrier> {
  const { clock } = surroundings
  const { isHttpUrl, openHttp } = await import('./http/index.ts')
  if (isHttpUrl(address)) return (await import('./mirror/index.ts')).mirrorCarrier(openHttp(address, { clock }))
  return (await import('./carriers/index.ts')).peerCarrier(address, network, clock)
}

/** Nothing is dialled. */
async function makeCarriers(
  { settings, peers }: Configured,
  { network, signers }: CarrierContext,
): Promise<Omit<Made, 'of'>> {
  const carriers = await import('./carriers/index.ts')
  const { clock } = surroundings
  const besidePeers: Carrier[] = []
  if (settings.dht !== undefined) besidePeers.push(carriers.dhtCarrier(network.values('dht'), { clock }))
  if (settings.ipns !== undefined) {
    const source = isOwnIpns(settings) ? 'dht' : undefined
    besidePeers.push(carriers.ipnsCarrier(network.values('ipns'), { clock, signers, source }))
  }
  if (settings.bep44 !== undefined) {
    const { bootstrap } = settings.bep44
    const { mayAskNode, resolveNodes, UdpSocket } = await import('./net/udp.ts')
    const trusted = new Set<string>()
    besidePeers.push(
      carriers.bep44Carrier({
        socket: new UdpSocket({ clock, isTrustedHost: (host) => trusted.has(host) }),
        clock,
        randomBytes: (length) => new Uint8Array(randomBytes(length)),
        bootstrap: async () => {
          const nodes = await resolveNodes(bootstrap)
          for (const { host } of nodes) trusted.add(host)
          return nodes
        },
        mayAsk: mayAskNode,
        signers,
      }),
    )
  }
  return { besidePeers, peers: await Promise.all(peers.map((address) => peerOrMirror(address, network))) }
}
