/**
 * Peers that cannot be dialled: they keep a place at a relay, are reached through it, and go over to a direct connection
 * as soon as one comes about (protocol.md, 14). A relay moves small talk, never data: channels over it are limited, and
 * whoever dials waits for the direct connection.
 *
 * Added to a running node when an address or an option asks for it. libp2p's relay client lets any connected peer make
 * this node take a place with it and announce its address; here only relays that the user named may (THREATS rows 12, 20).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { autoNAT, type AutoNATComponents } from '@libp2p/autonat'
import {
  circuitRelayServer,
  type CircuitRelayServerComponents,
  type CircuitRelayService,
  circuitRelayTransport,
  type CircuitRelayTransportComponents,
  RELAY_V2_HOP_CODEC,
  RELAY_V2_STOP_CODEC,
} from '@libp2p/circuit-relay-v2'
import { dcutr, type DCUtRServiceComponents } from '@libp2p/dcutr'
import {
  type Connection,
  type Listener,
  type PeerId,
  start,
  stop,
  type Stream,
  type Transport,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Log } from '../log.ts'
import { hostOf } from './address.ts'
import { hostKey, REACH, reachOf } from './reach.ts'

/** Places that a relay gives, and of these to one host. libp2p's 15 are for a browser. */
export const RESERVATIONS_MAX = 128
export const RESERVATIONS_PER_HOST_MAX = 8
/** A place is held for so long, and renewed by whoever holds it. */
const RESERVATION_MS = 60 * 60 * 1000
/** What one relayed connection may move, and how long it may last: hellos, roots, and finding a direct way. */
export const RELAYED_BYTES_MAX: number = 128 * 1024
const RELAYED_MS_MAX = 120_000
/** Relayed connections that one peer asked for, and all together. */
export const RELAYED_PER_PEER_MAX = 4
export const RELAYED_MAX = 128
const HOP_TIMEOUT_MS = 10_000
const STOP_STREAMS_MAX = 16
/** How soon a relay is asked again when it gave no place, or was lost; doubled up to a minute. */
const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 60_000
/** How long a node that starts waits for its places. */
const FIRST_PLACE_MS = 3_000
/** How often it is seen whether the place is still there. */
const WATCH_MS = 2_000

/** What libp2p hands to the parts it is made of. */
export type NodeComponents = CircuitRelayTransportComponents &
  CircuitRelayServerComponents &
  DCUtRServiceComponents &
  AutoNATComponents

export interface RelayOptions {
  /** Relays for others. */
  readonly isRelay: boolean
  /** Addresses of relays where this node wants a place, each ending in `/p2p-circuit`. */
  readonly listen: readonly Multiaddr[]
  readonly log: Log
}

/** The relay client's own handler, which libp2p's types do not show. */
type Client = Transport & { onStop(stream: Stream, connection: Connection): Promise<void> }

export class Relaying {
  readonly #components: NodeComponents
  readonly #options: RelayOptions
  readonly #client: Client
  readonly #services: readonly unknown[]
  readonly #server: CircuitRelayService | undefined
  readonly #over = new AbortController()

  private constructor(components: NodeComponents, options: RelayOptions) {
    this.#components = components
    this.#options = options
    this.#client = circuitRelayTransport({ maxInboundStopStreams: STOP_STREAMS_MAX })(components) as Client
    this.#server = options.isRelay ? relayServer(components) : undefined
    const isHidden = options.listen.length > 0
    // Whether an address of theirs can be dialled, those behind a translator ask a relay, which is public.
    const autonat = options.isRelay || isHidden ? [autoNAT()(components)] : []
    this.#services = [dcutr()(components), ...autonat, ...(this.#server === undefined ? [] : [this.#server])]
  }

  /** Adds what relayed connections need to a node that has started. */
  static async start(components: NodeComponents, options: RelayOptions): Promise<Relaying> {
    const relaying = new Relaying(components, options)
    components.transportManager.add(relaying.#client)
    await start(relaying.#client, ...relaying.#services)
    await relaying.#guardStop()
    const first = options.listen.map(
      (address) => new Promise<void>((tried) => void relaying.#keepPlace(address, tried)),
    )
    // So that addresses are complete where relays answer; those that do not are asked again.
    await Promise.race([Promise.all(first), sleep(FIRST_PLACE_MS, undefined, { ref: false })])
    return relaying
  }

  async stop(): Promise<void> {
    this.#over.abort()
    await stop(...this.#services, this.#client)
  }

  /** Whether the peer has a place here. */
  hasPlace(peer: PeerId): boolean {
    return this.#server?.reservations.has(peer) === true
  }

  /** Whether a peer is to get no place here. */
  deniesPlace(peer: PeerId): boolean {
    if (this.hasPlace(peer)) return false
    const [connection] = this.#components.connectionManager.getConnections(peer)
    const held = [...(this.#server?.reservations.values() ?? [])].map(({ addr }) => hostOf(addr))
    return connection === undefined || hasManyPlaces(hostOf(connection.remoteAddr), held)
  }

  /** Whether a peer is to get no further connection through this relay. The one it asks for is counted already. */
  deniesConnection(source: PeerId): boolean {
    let [ofSource, all] = [0, 0]
    for (const { remotePeer, streams } of this.#components.connectionManager.getConnections()) {
      const relayed = streams.filter(({ protocol }) => protocol === RELAY_V2_HOP_CODEC).length
      all += relayed
      if (remotePeer.equals(source)) ofSource += relayed
    }
    return ofSource > RELAYED_PER_PEER_MAX || all > RELAYED_MAX
  }

  /** Only relays of ours may bring connections. */
  async #guardStop(): Promise<void> {
    const { registrar } = this.#components
    await registrar.unhandle(RELAY_V2_STOP_CODEC)
    const relays = new Set(this.#options.listen.map(relayIdOf))
    if (relays.size === 0) return
    const onStop = async (stream: Stream, connection: Connection): Promise<void> => {
      const relay = connection.remotePeer.toString()
      if (relays.has(relay)) return await this.#client.onStop(stream, connection)
      this.#options.log('%s is no relay of ours, and wanted to bring a connection', relay)
      stream.abort(new Error('not a relay of ours'))
    }
    await registrar.handle(RELAY_V2_STOP_CODEC, onStop, {
      maxInboundStreams: STOP_STREAMS_MAX,
      runOnLimitedConnection: true,
    })
  }

  /** Takes a place at a relay, and another one whenever it is lost. */
  async #keepPlace(address: Multiaddr, onTried: () => void): Promise<void> {
    const signal = this.#over.signal
    const { listener, begun } = this.#listen(address)
    let attempt: Promise<void> | undefined = begun
    let retryMs = RETRY_MS_MIN
    while (!signal.aborted) {
      const hasPlace = listener.getAddrs().length > 0 || (await this.#hasTaken(listener, address, attempt))
      attempt = undefined
      onTried()
      const ms = hasPlace ? WATCH_MS : retryMs
      retryMs = hasPlace ? RETRY_MS_MIN : Math.min(RETRY_MS_MAX, retryMs * 2)
      await sleep(ms, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  /** The transport manager announces only what its own listeners have, and keeps one whose first attempt fails. */
  #listen(address: Multiaddr): { readonly listener: Listener; readonly begun: Promise<void> } {
    const { transportManager } = this.#components
    const before = new Set(transportManager.getListeners())
    const begun = transportManager.listen([address])
    const listener = transportManager.getListeners().find((each) => !before.has(each))
    if (listener === undefined) throw new TypeError('relay: expected a listener')
    return { listener, begun }
  }

  async #hasTaken(listener: Listener, address: Multiaddr, attempt?: Promise<void>): Promise<boolean> {
    try {
      await (attempt ?? listener.listen(address))
      this.#options.log('has a place at %s', address.toString())
      return listener.getAddrs().length > 0
    } catch (error) {
      if (!this.#over.signal.aborted) this.#options.log('no place at %s: %s', address.toString(), error)
      return false
    }
  }
}

/** Whether a host has all the places it may have: peer ids cost nothing. `held`: the host of each place that is taken. */
export function hasManyPlaces(host: string, held: readonly string[]): boolean {
  if (reachOf(host) === REACH.loopback) return false
  return held.filter((each) => hostKey(each) === hostKey(host)).length >= RESERVATIONS_PER_HOST_MAX
}

/** The peer id of the relay that an address leads through. */
function relayIdOf(address: Multiaddr): string {
  return address.getComponents().find(({ name }) => name === 'p2p')?.value ?? ''
}

function relayServer(components: NodeComponents): CircuitRelayService {
  return circuitRelayServer({
    hopTimeout: HOP_TIMEOUT_MS,
    maxInboundHopStreams: 2 * RELAYED_PER_PEER_MAX,
    reservations: {
      maxReservations: RESERVATIONS_MAX,
      reservationTtl: RESERVATION_MS,
      defaultDurationLimit: RELAYED_MS_MAX,
      defaultDataLimit: BigInt(RELAYED_BYTES_MAX),
    },
  })(components)
}
