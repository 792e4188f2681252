/**
 * Providers of a database, by a DHT of coppice's own (protocol.md, 13): kad-dht under an own protocol id, so that it never
 * joins another network's. There are no built-in nodes to begin with: whoever takes part names some. It keeps signed roots, too,
 * and IPNS records; for the latter a node may ask another network's DHT beside it, as a client (record.md, 7).
 *
 * Nothing found here is believed: a provider record is an address that somebody claims, judged before it is dialled, and
 * the peer there proves what it has block by block (THREATS rows 12, 21, 29, 32).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type KadDHT, kadDHT, type KadDHTComponents, type KadDHTInit } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { DHT_RULES } from '../../carriers/dht/value.ts'
import { IPNS_RULES } from '../../carriers/ipns/rules.ts'
import type { ValueNetwork } from '../../carriers/value-network.ts'
import type { Log } from '../../log.ts'
import { hostOf, isRelayed, parseDialAddress, parseListenAddress, peerIdOf } from '../address.ts'
import type { DialGuard } from '../dial-guard.ts'
import type { ValueDht } from '../libp2p.ts'
import { REACH, type Reach, reachOf } from '../reach.ts'
import type { BoundedDatastore } from './bounded-datastore.ts'
import { KadValues, Senders, valueInit } from './kad-values.ts'
import { ValueFloors } from './value-floors.ts'

export const KAD_PROTOCOL = '/coppice/kad/1.0.0'
/** Of the public DHT of IPFS. */
const IPFS_KAD_PROTOCOL = '/ipfs/kad/1.0.0'

/** Provider records live for so long, in the memory of other nodes... */
export const RECORD_MS: number = 24 * 60 * 60 * 1000
/** ...and are made anew this often, since these nodes come, go and forget. */
const PROVIDE_INTERVAL_MS = 30 * 60 * 1000
/** While nobody has taken a record, and while no bootstrap node is connected. */
const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 60_000
const PROVIDE_TIMEOUT_MS = 60_000
/** Before a search that found nobody is repeated, at first. */
const SEARCH_AGAIN_MS_MIN = 250
/** Providers taken from one search: more than a pull asks. */
const PROVIDERS_MAX = 32
const ADDRESSES_PER_PROVIDER_MAX = 16
/** A request is one small message on a stream of its own. libp2p's 32 would let a peer make us hold 32 times 4 MiB. */
const INBOUND_STREAMS_MAX = 8
const ROUTING_QUEUE_MAX = 1024
/** A node that stays silent holds a search up for so long; libp2p's 5 s doubles with each that does. */
const ANSWER_TIMEOUT: NonNullable<KadDHTInit['networkDialTimeout']> = { minTimeout: 2_000, maxTimeout: 4_000 }
/** Nothing is asked before libp2p has looked for its own neighbours: as soon as it knows a node. */
const SELF_QUERY_DELAY_MS = 50

export interface DhtOptions {
  /** Addresses of nodes to begin with; none for the first node of a network. */
  readonly bootstrap: readonly string[]
  /** Answers others. A node that nobody can dial only asks. */
  readonly isServer: boolean
}

/** Another network's DHT. */
export interface IpnsDhtOptions {
  /** Addresses of nodes to begin with. */
  readonly bootstrap: readonly string[]
  /** IPFS_KAD_PROTOCOL where absent. */
  readonly protocol?: string | undefined
}

/**
 * The least reach of addresses that nodes of this DHT may name: that of the farthest bootstrap node, or for the first node
 * that of where it listens. A DHT on one machine or in one network names its own places, one of the Internet only public ones.
 */
export function reachOfDht(bootstrap: readonly string[], listen: readonly string[]): Reach {
  const told = (bootstrap.length > 0 ? bootstrap.map(parseDialAddress) : listen.map(parseListenAddress)).map(hostOf)
  const reaches = told.map((host) => reachOf(host) ?? REACH.public)
  return reaches.length === 0 ? REACH.public : (Math.max(...reaches) as Reach)
}

/** What of the node its DHTs need. */
interface NodeParts {
  readonly guard: DialGuard
  readonly memory: BoundedDatastore
  /** Our own peer id. */
  readonly self: string
}

/** The libp2p service of coppice's own DHT. */
export function ownDht(
  components: KadDHTComponents,
  { guard, memory, self }: NodeParts,
  options: DhtOptions,
): ValueDht {
  const floors = new ValueFloors([DHT_RULES, IPNS_RULES], Date.now)
  const senders = new Senders()
  // On loopback machines are not told apart.
  const sourceOf = (peer: string): string => memory.hostOf(peer) ?? peer
  memory.currentSource = () => (senders.current === undefined ? undefined : sourceOf(senders.current))
  const init: KadDHTInit = {
    ...commonInit(guard),
    ...valueInit(floors, senders, sourceOf),
    protocol: KAD_PROTOCOL,
    clientMode: !options.isServer,
    reprovide: { validity: RECORD_MS, threshold: 0 },
  }
  const service = kadDHT(init)(senders.watch(components))
  return { service, floors, values: new KadValues({ service, floors, memory, self }) }
}

/** The service that asks another network's DHT for IPNS records, and answers nothing there. */
export function ipnsDht(
  components: KadDHTComponents,
  { guard, memory, self }: NodeParts,
  { protocol = IPFS_KAD_PROTOCOL }: IpnsDhtOptions,
): ValueDht {
  const floors = new ValueFloors([IPNS_RULES], Date.now)
  const init: KadDHTInit = {
    ...commonInit(guard),
    ...valueInit(floors, new Senders(), (peer) => peer),
    protocol,
    clientMode: true,
    logPrefix: 'libp2p:ipns-dht',
    datastorePrefix: '/ipns-dht',
    metricsPrefix: 'libp2p_ipns_dht',
  }
  const service = kadDHT(init)(components)
  return { service, floors, values: new KadValues({ service, floors, memory, self }) }
}

function commonInit(guard: DialGuard): KadDHTInit {
  return {
    maxInboundStreams: INBOUND_STREAMS_MAX,
    routingTableUpdateMaxQueueSize: ROUTING_QUEUE_MAX,
    networkDialTimeout: ANSWER_TIMEOUT,
    initialQuerySelfInterval: SELF_QUERY_DELAY_MS,
    // Instead of libp2p's two mappers, for public or for all addresses: names never, and what is near only in a near DHT.
    peerInfoMapper: ({ id, multiaddrs }) => ({ id, multiaddrs: multiaddrs.filter((each) => guard.allows(each)) }),
  }
}

export interface DhtComponents {
  readonly service: KadDHT
  readonly values: KadValues
  readonly guard: DialGuard
  readonly log: Log
  /** Rejects where there is no connection. */
  readonly connect: (address: Multiaddr, signal: AbortSignal) => Promise<unknown>
  readonly isConnected: (address: Multiaddr) => boolean
}

export class Dht {
  readonly #components: DhtComponents
  readonly #bootstrap: readonly Multiaddr[]
  readonly #over = new AbortController()
  /** What is provided, with how to end it. */
  readonly #provided = new Map<string, AbortController>()

  constructor(components: DhtComponents, bootstrap: readonly string[]) {
    this.#components = components
    this.#bootstrap = bootstrap.map(parseDialAddress)
    // For good: nodes of the DHT are dialled by libp2p, too, whenever it looks after its table.
    for (const address of this.#bootstrap) components.guard.permit(address)
  }

  /** Connects to bootstrap nodes, and again whenever none is left. */
  start(): void {
    if (this.#bootstrap.length > 0) void this.#keepConnected()
  }

  stop(): void {
    this.#over.abort()
    this.#components.values.stop()
  }

  /** What it keeps beside providers. */
  get values(): ValueNetwork {
    return this.#components.values
  }

  /** Says from now on that this node has what is looked for under `key`. The function returned ends that. */
  provide(key: CID): () => void {
    const name = key.toString()
    this.#provided.get(name)?.abort()
    const ended = new AbortController()
    this.#provided.set(name, ended)
    void this.#keepProviding(key, AbortSignal.any([ended.signal, this.#over.signal]))
    return () => {
      ended.abort()
      if (this.#provided.get(name) === ended) this.#provided.delete(name)
      // Records that others hold run out by themselves.
      this.#components.service.cancelReprovide(key).catch(() => {})
    }
  }

  /**
   * One address of each provider, as they are found, until there are no more or the signal aborts. While there is none, it looks
   * again: who has only begun to serve is not in the DHT yet. Never rejects.
   */
  async *find(key: CID, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const either = AbortSignal.any([signal, this.#over.signal])
    const found = new Set<string>()
    let retryMs = SEARCH_AGAIN_MS_MIN
    do {
      yield* this.#search(key, found, either)
      if (found.size > 0) return
      retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
    } while (await this.#pause(retryMs, either))
  }

  async *#search(key: CID, found: Set<string>, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    try {
      for await (const event of this.#components.service.findProviders(key, { signal })) {
        if (event.name !== 'PROVIDER') continue
        for (const { id, multiaddrs } of event.providers) {
          const address = this.#choose(multiaddrs)
          if (address === undefined || found.has(id.toString())) continue
          found.add(id.toString())
          const isNamed = peerIdOf(address) !== undefined
          yield isNamed ? address.toString() : `${address.toString()}/p2p/${id.toString()}`
          if (found.size >= PROVIDERS_MAX) return
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#components.log.error('looking for providers failed: %s', error)
    }
  }

  /** The one that reaches farthest; one through a relay only where there is no other. */
  #choose(multiaddrs: readonly Multiaddr[]): Multiaddr | undefined {
    const rank = (address: Multiaddr): number =>
      (isRelayed(address) ? 0 : 8) +
      2 * (reachOf(hostOf(address)) ?? 0) +
      (address.toString().startsWith('/ip4/') ? 1 : 0)
    return multiaddrs
      .slice(0, ADDRESSES_PER_PROVIDER_MAX)
      .filter((address) => this.#components.guard.allows(address))
      .sort((a, b) => rank(b) - rank(a))
      .at(0)
  }

  async #keepConnected(): Promise<void> {
    const { connect, isConnected, log } = this.#components
    let retryMs = RETRY_MS_MIN
    for (;;) {
      if (this.#bootstrap.some(isConnected)) {
        retryMs = RETRY_MS_MIN
      } else {
        const dials = this.#bootstrap.map((address) => connect(address, this.#over.signal))
        for (const result of await Promise.allSettled(dials)) {
          if (result.status === 'rejected') log('a bootstrap node cannot be reached: %s', result.reason)
        }
        retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
      }
      if (!(await this.#pause(retryMs, this.#over.signal))) return
    }
  }

  async #keepProviding(key: CID, signal: AbortSignal): Promise<void> {
    let retryMs = RETRY_MS_MIN
    while (!signal.aborted) {
      const taken = await this.#provideOnce(key, signal)
      this.#components.log('%d nodes of the DHT took the record of %s', taken, key.toString())
      const ms = taken > 0 ? PROVIDE_INTERVAL_MS : retryMs
      retryMs = taken > 0 ? RETRY_MS_MIN : Math.min(RETRY_MS_MAX, retryMs * 2)
      if (!(await this.#pause(ms, signal))) return
    }
  }

  /** How many nodes took the record. */
  async #provideOnce(key: CID, signal: AbortSignal): Promise<number> {
    const either = AbortSignal.any([signal, AbortSignal.timeout(PROVIDE_TIMEOUT_MS)])
    let taken = 0
    try {
      for await (const event of this.#components.service.provide(key, { signal: either })) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') taken++
      }
    } catch (error) {
      if (!signal.aborted) this.#components.log('providing %s failed: %s', key.toString(), error)
    }
    return taken
  }

  /** Whether the time has passed. Keeps no process alive. */
  async #pause(ms: number, signal: AbortSignal): Promise<boolean> {
    return await sleep(ms, true, { signal, ref: false }).catch(() => false)
  }
}
