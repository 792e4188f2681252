/**
 * A node of the network: listens, dials, and turns libp2p streams into channels. Whatever a peer or a handler does ends
 * a channel at worst, never the process.
 */

import type { Connection, Stream } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { CoppiceError } from '../errors.ts'
import { FRAME_BYTES_MAX } from '../limits.ts'
import type { Log } from '../log.ts'
import { serveChannel, type Channel, type ChannelHandler, type ChannelDialer } from '../sync/channel.ts'
import type { VouchedAddress } from '../sync/index.ts'
import { hostOf, isRelayed, parseDialAddress, peerIdOf, relayOf } from './address.ts'
import { dialError } from './dial-error.ts'
import type { DialGuard } from './dial-guard.ts'
import { directConnection } from './direct-connection.ts'
import type { ValueNetwork } from '../carriers/value-network.ts'
import type { Dht } from './discovery/dht.ts'
import type { Discovery } from './discovery/discovery.ts'
import type { LazyRelaying } from './lazy-relaying.ts'
import { judgeAddresses, reachOfPeer, vouchFor } from './learned-addresses.ts'
import type { Libp2pParts } from './libp2p.ts'
import { STOP_GRACE_MS } from './limits.ts'
import { createLogger } from './log.ts'
import { hostKey } from './reach.ts'
import { StreamChannel } from './stream-channel.ts'

/** The sync protocol's id (protocol.md, 1): a change that old peers cannot follow takes a new one. */
export const SYNC_PROTOCOL = '/coppice/sync/1.0.0'

export interface NodeLimits {
  readonly connectionsMax: number
  /** Incoming channels: of all peers, and of one. */
  readonly channelsMax: number
  readonly channelsPerPeerMax: number
  readonly dialTimeoutMs: number
  /** How long a peer that was reached through a relay may take until it is reached directly. */
  readonly upgradeTimeoutMs: number
  /** How long a peer may take nothing of what waits for it, and stay silent after our close. */
  readonly sendStallMs: number
  readonly lingerMs: number
}

export interface HandleOptions {
  /** Protocol id, SYNC_PROTOCOL where absent. */
  readonly protocol?: string
  /** What a peer may send in one frame: a server whose requests are small says so. FRAME_BYTES_MAX where absent. */
  readonly frameBytesMax?: number
}

export interface DialerOptions {
  /** Protocol ids, the preferred first; SYNC_PROTOCOL where absent. */
  readonly protocols?: readonly string[]
  readonly frameBytesMax?: number
  /** For small talk alone: a channel through a relay will do, over which nobody answers requests for data. */
  readonly isSmallTalk?: boolean
}

/** What a node is made of besides libp2p. */
export interface NodeExtras {
  readonly limits: NodeLimits
  readonly relaying: LazyRelaying
  readonly discovery: Discovery
  /** Another network's DHT that is asked for IPNS records. */
  readonly ipns: Dht | undefined
}

export class NetworkNode implements AsyncDisposable {
  readonly peerId: string
  /** Finds who serves a database, and says what this node serves. */
  readonly discovery: Discovery
  readonly #ipns: Dht | undefined
  readonly #libp2p: Libp2p
  readonly #guard: DialGuard
  readonly #relaying: LazyRelaying
  readonly #limits: NodeLimits
  readonly #log: Log = createLogger('net')
  readonly #channels = new Set<StreamChannel>()
  /** Incoming channels by peer, each until its stream is closed and its handler has returned. */
  readonly #incoming = new Map<string, number>()
  #incomingTotal = 0
  #stopping: Promise<void> | undefined

  /** For `createNode`: takes over a libp2p node that has started. */
  constructor({ libp2p, guard }: Libp2pParts, { limits, relaying, discovery, ipns }: NodeExtras) {
    this.#libp2p = libp2p
    this.#guard = guard
    this.#relaying = relaying
    this.#limits = limits
    this.discovery = discovery
    this.#ipns = ipns
    this.peerId = libp2p.peerId.toString()
    this.#log('node %s listens on %s', this.peerId, this.addresses().join(' ') || 'nothing')
  }

  /** The DHT that signed roots are left in; undefined where this node takes no part in it. */
  get values(): ValueNetwork | undefined {
    return this.discovery.values
  }

  /** Another network's DHT that IPNS records are left in; undefined where this node asks none. */
  get ipnsValues(): ValueNetwork | undefined {
    return this.#ipns?.values
  }

  /** Addresses others can dial, each with our peer id. */
  addresses(): readonly string[] {
    return this.#libp2p.getMultiaddrs().map((address) => address.toString())
  }

  /** Peers connected now. */
  peers(): readonly string[] {
    return this.#libp2p.getPeers().map((peer) => peer.toString())
  }

  /** Hands every incoming channel of the protocol to `handler`, up to the limits; one above them is reset. */
  async handle(handler: ChannelHandler, options: HandleOptions = {}): Promise<void> {
    const onStream = (stream: Stream, connection: Connection): void => {
      void this.#serve(stream, connection, handler, options)
    }
    const maxInboundStreams = this.#limits.channelsPerPeerMax
    const protocol = options.protocol ?? SYNC_PROTOCOL
    // Through a relay, too: the channel knows, and its provider gives no data.
    await this.#libp2p.handle(protocol, onStream, { maxInboundStreams, runOnLimitedConnection: true })
  }

  /**
   * Opens channels to the peer at `address`, over one connection. Nothing is dialed yet. A peer behind a relay is waited for
   * until it is reached directly.
   * @throws {CoppiceError} `ADDRESS_INVALID`.
   */
  dialer(address: string, options: DialerOptions = {}): ChannelDialer {
    const target = parseDialAddress(address)
    let connection: Connection | undefined
    const open = async (signal: AbortSignal): Promise<Channel> => {
      signal.throwIfAborted()
      const timeoutMs = this.#limits.dialTimeoutMs + (isRelayed(target) ? this.#limits.upgradeTimeoutMs : 0)
      const timeout = AbortSignal.timeout(timeoutMs)
      const either = AbortSignal.any([signal, timeout])
      // What the user or the judge of learned addresses chose may be dialled, wherever it is.
      const forbid = this.#guard.permit(target)
      try {
        // An address without a peer id would get a connection of its own for every channel.
        if (connection?.status !== 'open') connection = await this.#connect(target, options, either)
        const stream = await connection.newStream([...(options.protocols ?? [SYNC_PROTOCOL])], {
          signal: either,
          runOnLimitedConnection: true,
        })
        return this.#adopt(stream, connection, options.frameBytesMax)
      } catch (error) {
        connection = undefined
        signal.throwIfAborted()
        this.#log.error('dialing %s failed: %s', address, error)
        const cause = timeout.aborted && !this.#isStopping() ? (timeout.reason as unknown) : error
        throw dialError(address, cause, peerIdOf(target))
      } finally {
        forbid()
      }
    }
    return { name: address, open }
  }

  /** Of the addresses by which a connected peer says it is reached, those that may be handed on. */
  vouch(peer: string, addresses: readonly string[]): VouchedAddress[] {
    const connections = this.#connectionsWith(peer)
    const hasPlaceHere = (address: Multiaddr): boolean =>
      relayOf(address).endsWith(`/p2p/${this.peerId}`) &&
      connections.some(({ remotePeer }) => this.#relaying.hasPlace(remotePeer))
    return vouchFor(peer, addresses, connections, hasPlaceHere)
  }

  /** Of addresses that a connected peer named, those that may be dialled. Never rejects. */
  async judge(teller: string, addresses: readonly string[], signal: AbortSignal): Promise<string[]> {
    const judged = await judgeAddresses(addresses, reachOfPeer(this.#connectionsWith(teller)), signal)
    return judged.filter((address) => peerIdOf(multiaddr(address)) !== this.peerId)
  }

  /**
   * Closes everything: channels that are closing may flush for STOP_GRACE_MS, others are aborted (a peer must not take
   * our leaving for a proper end), then connections and listeners. Idempotent.
   */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #connectionsWith(peer: string): Connection[] {
    return this.#libp2p.getConnections().filter(({ remotePeer }) => remotePeer.toString() === peer)
  }

  async #connect(target: Multiaddr, { isSmallTalk }: DialerOptions, signal: AbortSignal): Promise<Connection> {
    if (isRelayed(target)) await this.#relaying.require()
    const connection = await this.#libp2p.dial(target, { signal })
    if (connection.limits === undefined || isSmallTalk === true) return connection
    return await directConnection(this.#libp2p, connection.remotePeer, this.#limits.upgradeTimeoutMs, signal)
  }

  #isStopping(): boolean {
    return this.#stopping !== undefined
  }

  async #stop(): Promise<void> {
    // Until the peer has ended its side, too: closing the connection under what it still reads would reset it.
    const closing = [...this.#channels].filter((channel) => channel.isClosing).map((channel) => channel.closed)
    await withinGrace(Promise.all(closing))
    const reason = new CoppiceError('PEER_UNREACHABLE', 'this node is stopped', { details: { peer: this.peerId } })
    for (const channel of this.#channels) if (!channel.isClosing) channel.abort(reason)
    this.discovery.stop()
    this.#ipns?.stop()
    await withinGrace(this.#relaying.stop())
    await withinGrace(Promise.resolve(this.#libp2p.stop()))
    for (const channel of this.#channels) channel.abort(reason)
    this.#log('node %s is stopped', this.peerId)
  }

  #adopt(stream: Stream, connection: Connection, frameBytesMax: number = FRAME_BYTES_MAX): StreamChannel {
    const { sendStallMs, lingerMs } = this.#limits
    const isLimited = connection.limits !== undefined
    const host = hostKey(hostOf(connection.remoteAddr))
    const options = { frameBytesMax, sendStallMs, lingerMs, host, isLimited }
    const channel = new StreamChannel(stream, connection.remotePeer.toString(), options)
    this.#channels.add(channel)
    void channel.closed.then(() => this.#channels.delete(channel))
    if (this.#isStopping()) channel.abort(new CoppiceError('PEER_UNREACHABLE', 'this node is stopped'))
    return channel
  }

  /** Runs the handler on one incoming stream. Never rejects. */
  async #serve(stream: Stream, connection: Connection, handler: ChannelHandler, options: HandleOptions): Promise<void> {
    const peer = connection.remotePeer.toString()
    const ofPeer = this.#incoming.get(peer) ?? 0
    if (ofPeer >= this.#limits.channelsPerPeerMax || this.#incomingTotal >= this.#limits.channelsMax) {
      this.#log('channel of %s refused: %d of its own open, %d in all', peer, ofPeer, this.#incomingTotal)
      stream.abort(new CoppiceError('PEER_PROTOCOL', `peer ${peer}: too many channels`, { details: { peer } }))
      return
    }
    this.#incoming.set(peer, ofPeer + 1)
    this.#incomingTotal++
    const channel = this.#adopt(stream, connection, options.frameBytesMax)
    const error = await serveChannel(channel, handler)
    if (error !== undefined) this.#log.error('channel of %s failed: %s', peer, error)
    await channel.closed
    this.#incomingTotal--
    const left = (this.#incoming.get(peer) ?? 1) - 1
    if (left === 0) this.#incoming.delete(peer)
    else this.#incoming.set(peer, left)
  }
}

/** Waits for `work`, whatever becomes of it, but not for ever and not keeping the process alive. */
async function withinGrace(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const grace = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_GRACE_MS)))
  await Promise.race([work.catch(() => undefined), grace])
  clearTimeout(timer)
}
