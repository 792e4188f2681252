/**
 * What the sync engine needs of a network: channels that carry frames in order. src/net implements them over libp2p
 * streams, src/sync/memory-channel.ts in one process for tests and simulation. The engine knows no addresses, sockets
 * or clocks of its own. What both must do alike is held by test/conformance/channel.ts.
 */

import { FRAME_BYTES_MAX } from '../limits.ts'

/** Before each frame on the wire: its length, 32 bits, big-endian (protocol.md, 2). */
export const FRAME_HEADER_BYTES = 4

/** @throws {RangeError} when `frame` may not be sent: it is empty or larger than FRAME_BYTES_MAX. */
export function assertFrame(frame: Uint8Array): void {
  if (frame.length >= 1 && frame.length <= FRAME_BYTES_MAX) return
  throw new RangeError(`frame: expected 1..${FRAME_BYTES_MAX} bytes, got ${frame.length}`)
}

/** A duplex of frames between this process and one peer, for one database. */
export interface Channel {
  /** The peer as its users name it: a libp2p peer id, or a test's label. For reports; never parsed. */
  readonly peer: string
  /** What counts as the machine it comes from, since peer ids cost nothing; that of the relay, where it leads through one. Absent: unknown. */
  readonly host?: string
  /** Whether it leads through a relay, which others pay for: small talk only, no data (protocol.md, 14). Absent: it does not. */
  readonly isLimited?: boolean
  /**
   * Sends one frame of 1..FRAME_BYTES_MAX bytes and takes them over: they must not change afterwards. Frames leave in
   * the order of the calls. Resolves when the channel takes more (back-pressure), not when the peer has it; awaiting
   * each send keeps what waits in memory bounded.
   * @throws {RangeError} an empty or oversized frame, which is never sent and does not harm the channel.
   * @throws {CoppiceError} `PEER_UNREACHABLE` once the channel is closed by us or lost, `PEER_TIMEOUT` when the peer
   * stopped reading. After abort() the reason given there.
   */
  send(frame: Uint8Array): Promise<void>
  /**
   * The next frame, whose bytes are the caller's own; undefined, for ever, after a clean end by the other side. One
   * reader at a time. Unread frames stop the sender. Frames that arrived whole before the channel was lost may still
   * be read; a lost channel never looks like a clean end.
   * @throws {TypeError} when an earlier receive is still pending.
   * @throws {CoppiceError} `PEER_UNREACHABLE` after a reset or a lost connection, `PEER_PROTOCOL` for a frame that
   * is empty, oversized or cut (the channel is aborted then). After abort() the reason given there.
   */
  receive(): Promise<Uint8Array | undefined>
  /**
   * Ends our side and waits for what is sent to leave; what the peer still sends can be received. Idempotent, never
   * rejects: whether the peer got everything, only its answer can tell. A peer that does not end its side in turn
   * is cut off after a while.
   */
  close(): Promise<void>
  /** Tears the channel down at once: pending and later sends and receives reject with `reason`. Idempotent. */
  abort(reason: Error): void
  /** Bytes of this channel so far, frame headers included, transport overhead not: arrived here, and sent or queued. */
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** Opens channels to one known peer. Channels share a connection where the network has such. */
export interface ChannelDialer {
  /** As shown before a connection exists: a multiaddr or a label. */
  readonly name: string
  /** @throws {CoppiceError} `PEER_UNREACHABLE`; the signal's own reason when it aborts. */
  open(signal: AbortSignal): Promise<Channel>
}

/**
 * Serves one incoming channel. When it returns the channel is closed, when it rejects the channel is aborted with that
 * error; either way nothing escapes to the process.
 */
export type ChannelHandler = (channel: Channel) => Promise<void>

/**
 * Runs `handler` on an incoming channel and closes or aborts it as {@link ChannelHandler} says. Never rejects; gives
 * back what the handler rejected with, for a log.
 */
export async function serveChannel(channel: Channel, handler: ChannelHandler): Promise<Error | undefined> {
  try {
    await handler(channel)
    await channel.close()
    return undefined
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    channel.abort(error)
    return error
  }
}
