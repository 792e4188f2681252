/**
 * A node of the network: listens, dials, and turns libp2p streams into channels. Whatever a peer or a handler does ends
 * a channel at worst, never the process.
 */

import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { CoppiceError } from '../errors.ts'
import { FRAME_BYTES_MAX } from '../limits.ts'
import type { Log } from '../log.ts'
import { serveChannel, type Channel, type ChannelHandler, type ChannelDialer } from '../sync/channel.ts'
import { parseDialAddress, parseListenAddress, peerIdOf } from './address.ts'
import { dialError } from './dial-error.ts'
import { createLibp2pNode } from './libp2p.ts'
import {
  CHANNELS_MAX,
  CHANNELS_PER_PEER_MAX,
  CONNECTIONS_MAX,
  DIAL_TIMEOUT_MS,
  LINGER_MS,
  SEND_STALL_MS,
  STOP_GRACE_MS,
} from './limits.ts'
import { createLogger } from './log.ts'
import { StreamChannel } from './stream-channel.ts'

/** The sync protocol's id (protocol.md, 1): a change that old peers cannot follow takes a new one. */
export const SYNC_PROTOCOL = '/coppice/sync/1.0.0'

const PEER_KEY_BYTES = 32

export interface NodeLimits {
  readonly connectionsMax: number
  /** Incoming channels: of all peers, and of one. */
  readonly channelsMax: number
  readonly channelsPerPeerMax: number
  readonly dialTimeoutMs: number
  /** How long a peer may take nothing of what waits for it, and stay silent after our close. */
  readonly sendStallMs: number
  readonly lingerMs: number
}

export interface NodeOptions {
  /** 32 random bytes, kept secret: the network identity. Never an author key. */
  readonly peerKey: Uint8Array
  /** Multiaddrs, `/ip4/0.0.0.0/tcp/4001`; none makes a node that only dials. */
  readonly listen?: readonly string[]
  /** Further addresses to tell others, when this machine is reached by other ones than it has. */
  readonly announce?: readonly string[]
  readonly limits?: Partial<NodeLimits>
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
}

/**
 * Starts a node.
 * @throws {CoppiceError} `ADDRESS_INVALID`, `LISTEN_FAILED`.
 */
export async function createNode(options: NodeOptions): Promise<NetworkNode> {
  if (options.peerKey.length !== PEER_KEY_BYTES) {
    throw new RangeError(`peerKey: expected ${PEER_KEY_BYTES} bytes, got ${options.peerKey.length}`)
  }
  const listen = options.listen ?? []
  const announce = options.announce ?? []
  for (const address of [...listen, ...announce]) parseListenAddress(address)
  const limits: NodeLimits = {
    connectionsMax: CONNECTIONS_MAX,
    channelsMax: CHANNELS_MAX,
    channelsPerPeerMax: CHANNELS_PER_PEER_MAX,
    dialTimeoutMs: DIAL_TIMEOUT_MS,
    sendStallMs: SEND_STALL_MS,
    lingerMs: LINGER_MS,
    ...options.limits,
  }
  const { connectionsMax } = limits
  const libp2p = await createLibp2pNode({ listen, announce, peerKey: options.peerKey, connectionsMax })
  try {
    await libp2p.start()
  } catch (error) {
    throw listenError(listen, error)
  }
  return new NetworkNode(libp2p, limits)
}

export class NetworkNode implements AsyncDisposable {
  readonly peerId: string
  readonly #libp2p: Libp2p
  readonly #limits: NodeLimits
  readonly #log: Log = createLogger('net')
  readonly #channels = new Set<StreamChannel>()
  /** Incoming channels by peer, each until its stream is closed and its handler has returned. */
  readonly #incoming = new Map<string, number>()
  #incomingTotal = 0
  #stopping: Promise<void> | undefined

  /** For {@link createNode}: takes over a started libp2p node. */
  constructor(libp2p: Libp2p, limits: NodeLimits) {
    this.#libp2p = libp2p
    this.#limits = limits
    this.peerId = libp2p.peerId.toString()
    this.#log('node %s listens on %s', this.peerId, this.addresses().join(' ') || 'nothing')
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
      void this.#serve(stream, connection.remotePeer.toString(), handler, options)
    }
    const { channelsPerPeerMax } = this.#limits
    await this.#libp2p.handle(options.protocol ?? SYNC_PROTOCOL, onStream, { maxInboundStreams: channelsPerPeerMax })
  }

  /**
   * Opens channels to the peer at `address`, over one connection. Nothing is dialed yet.
   * @throws {CoppiceError} `ADDRESS_INVALID`.
   */
  dialer(address: string, options: DialerOptions = {}): ChannelDialer {
    const target = parseDialAddress(address)
    const expectedPeer = peerIdOf(target)
    let connection: Connection | undefined
    const open = async (signal: AbortSignal): Promise<Channel> => {
      signal.throwIfAborted()
      const timeout = AbortSignal.timeout(this.#limits.dialTimeoutMs)
      const either = { signal: AbortSignal.any([signal, timeout]) }
      try {
        // An address without a peer id would get a connection of its own for every channel.
        if (connection?.status !== 'open') connection = await this.#libp2p.dial(target, either)
        const stream = await connection.newStream([...(options.protocols ?? [SYNC_PROTOCOL])], either)
        return this.#adopt(stream, connection.remotePeer.toString(), options.frameBytesMax)
      } catch (error) {
        connection = undefined
        signal.throwIfAborted()
        this.#log.error('dialing %s failed: %s', address, error)
        const cause = timeout.aborted && !this.#isStopping() ? (timeout.reason as unknown) : error
        throw dialError(address, cause, expectedPeer)
      }
    }
    return { name: address, open }
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

  #isStopping(): boolean {
    return this.#stopping !== undefined
  }

  async #stop(): Promise<void> {
    const closing = [...this.#channels].filter((channel) => channel.isClosing).map((channel) => channel.close())
    await withinGrace(Promise.all(closing))
    const reason = new CoppiceError('PEER_UNREACHABLE', 'this node is stopped', { details: { peer: this.peerId } })
    for (const channel of this.#channels) if (!channel.isClosing) channel.abort(reason)
    await withinGrace(Promise.resolve(this.#libp2p.stop()))
    for (const channel of this.#channels) channel.abort(reason)
    this.#log('node %s is stopped', this.peerId)
  }

  #adopt(stream: Stream, peer: string, frameBytesMax: number = FRAME_BYTES_MAX): StreamChannel {
    const { sendStallMs, lingerMs } = this.#limits
    const channel = new StreamChannel(stream, peer, { frameBytesMax, sendStallMs, lingerMs })
    this.#channels.add(channel)
    void channel.closed.then(() => this.#channels.delete(channel))
    if (this.#isStopping()) channel.abort(new CoppiceError('PEER_UNREACHABLE', 'this node is stopped'))
    return channel
  }

  /** Runs the handler on one incoming stream. Never rejects. */
  async #serve(stream: Stream, peer: string, handler: ChannelHandler, options: HandleOptions): Promise<void> {
    const ofPeer = this.#incoming.get(peer) ?? 0
    if (ofPeer >= this.#limits.channelsPerPeerMax || this.#incomingTotal >= this.#limits.channelsMax) {
      this.#log('channel of %s refused: %d of its own open, %d in all', peer, ofPeer, this.#incomingTotal)
      stream.abort(new CoppiceError('PEER_PROTOCOL', `peer ${peer}: too many channels`, { details: { peer } }))
      return
    }
    this.#incoming.set(peer, ofPeer + 1)
    this.#incomingTotal++
    const channel = this.#adopt(stream, peer, options.frameBytesMax)
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

/** libp2p joins the reasons of all its listeners into one text. */
function listenError(listen: readonly string[], error: unknown): CoppiceError {
  const text = error instanceof Error ? error.message : String(error)
  const reasons: readonly (readonly [string, string])[] = [
    ['EADDRINUSE', 'the port is in use'],
    ['EADDRNOTAVAIL', 'not an address of this machine'],
    ['EACCES', 'not permitted; ports below 1024 are reserved'],
    ['ENOTFOUND', 'the host name does not resolve'],
  ]
  const reason = reasons.find(([code]) => text.includes(code))?.[1] ?? text
  return new CoppiceError('LISTEN_FAILED', `cannot listen on ${listen.join(', ')}: ${reason}`, {
    cause: error,
    details: { addresses: listen, reason },
  })
}
