/**
 * What the sync engine needs of a network: channels that carry frames in order. src/net implements them over libp2p
 * streams, src/sync/memory-channel.ts in one process for tests and simulation. The engine knows no addresses, sockets
 * or clocks of its own.
 */

/** A duplex of frames between this process and one peer, for one database. */
export interface Channel {
  /** The peer as its users name it: a libp2p peer id, or a test's label. For reports; never parsed. */
  readonly peer: string
  /**
   * Sends one frame of at most FRAME_BYTES_MAX bytes; resolves when the channel takes more (back-pressure).
   * Rejects with PEER_UNREACHABLE once the channel is closed or aborted.
   */
  send(frame: Uint8Array): Promise<void>
  /**
   * The next frame, undefined after a clean end by the other side. One reader at a time. Unread frames stop the sender.
   * @throws {CoppiceError} `PEER_UNREACHABLE` after a reset, `PEER_PROTOCOL` for an oversized or cut frame.
   */
  receive(): Promise<Uint8Array | undefined>
  /** Ends our side and waits for what is sent to leave. Idempotent. */
  close(): Promise<void>
  /** Tears the channel down at once: pending sends and receives reject with `reason`. Idempotent. */
  abort(reason: Error): void
  /** Bytes on the wire of this channel so far, frame headers included: received and sent. */
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** Opens channels to one known peer. */
export interface PeerDialer {
  /** As shown before a connection exists: a multiaddr or a label. */
  readonly name: string
  /** @throws {CoppiceError} `PEER_UNREACHABLE`. */
  open(signal: AbortSignal): Promise<Channel>
}

/** Hands every incoming channel to `handle`. */
export type ChannelHandler = (channel: Channel) => Promise<void>
