/**
 * Channels within one process, for tests, simulation and peers that share it. They keep the contract of channel.ts to
 * the byte count, so that what runs on them runs on a network, and use no timer or randomness: a run depends only on
 * the order in which its promises settle.
 */

import { copyBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import {
  assertFrame,
  FRAME_HEADER_BYTES,
  serveChannel,
  type Channel,
  type ChannelHandler,
  type ChannelDialer,
} from './channel.ts'

/** Unread bytes of one direction after which a sender waits. */
const UNREAD_BYTES_MAX: number = 1024 * 1024

export interface ChannelPairOptions {
  /** What the first and the second channel say of each other. */
  readonly names?: readonly [first: string, second: string]
  readonly unreadBytesMax?: number
}

/** The two ends of a new channel. */
export function createChannelPair(options: ChannelPairOptions = {}): [Channel, Channel] {
  const [firstName, secondName] = options.names ?? ['first', 'second']
  const unreadBytesMax = options.unreadBytesMax ?? UNREAD_BYTES_MAX
  const first = new MemoryChannel(secondName, unreadBytesMax)
  const second = new MemoryChannel(firstName, unreadBytesMax)
  first.connect(second)
  second.connect(first)
  return [first, second]
}

export interface MemoryDialerOptions {
  /** The dialing side, as the handler's channels name their peer. */
  readonly from?: string
  readonly unreadBytesMax?: number
}

/** A peer in this process: each open() makes a channel whose other end `handler` serves. */
export function createMemoryDialer(
  name: string,
  handler: ChannelHandler,
  options: MemoryDialerOptions = {},
): ChannelDialer {
  return {
    name,
    open(signal: AbortSignal): Promise<Channel> {
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      const { from = 'dialer', ...rest } = options
      const [ours, theirs] = createChannelPair({ names: [from, name], ...rest })
      void serveChannel(theirs, handler)
      return Promise.resolve(ours)
    },
  }
}

class MemoryChannel implements Channel {
  readonly peer: string
  readonly #unreadBytesMax: number
  #other: MemoryChannel | undefined
  /** Frames of the other side, not yet received. */
  #inbox: Uint8Array[] = []
  #inboxBytes = 0
  #wake: (() => void) | undefined
  /** Settles when the inbox has room again; what the other side's senders wait for. */
  #room: PromiseWithResolvers<void> | undefined
  #receiving = false
  #closed = false
  #otherClosed = false
  #otherAborted = false
  #failure: Error | undefined
  #bytesReceived = 0
  #bytesSent = 0

  constructor(peer: string, unreadBytesMax: number) {
    this.peer = peer
    this.#unreadBytesMax = unreadBytesMax
  }

  connect(other: MemoryChannel): void {
    this.#other = other
  }

  get bytesReceived(): number {
    return this.#bytesReceived
  }

  get bytesSent(): number {
    return this.#bytesSent
  }

  async send(frame: Uint8Array): Promise<void> {
    assertFrame(frame)
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closed || this.#otherAborted || this.#other === undefined) throw this.#lost()
    this.#bytesSent += FRAME_HEADER_BYTES + frame.length
    await this.#other.#deliver(copyBytes(frame))
  }

  async receive(): Promise<Uint8Array | undefined> {
    if (this.#receiving) throw new TypeError('receive: expected one reader at a time')
    this.#receiving = true
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure
        const frame = this.#takeFrame()
        if (frame !== undefined) return frame
        if (this.#otherClosed) return undefined
        if (this.#otherAborted) throw this.#lost()
        await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.#receiving = false
    }
  }

  close(): Promise<void> {
    if (!this.#closed && this.#failure === undefined && this.#other !== undefined) {
      this.#closed = true
      this.#other.#otherClosed = true
      this.#other.#wake?.()
    }
    return Promise.resolve()
  }

  abort(reason: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    this.#inbox = []
    this.#inboxBytes = 0
    this.#wake?.()
    const other = this.#other
    if (other === undefined) return
    this.#room?.reject(other.#lost())
    other.#room?.reject(reason)
    other.#otherAborted = true
    other.#wake?.()
  }

  /** Resolves when there is room for more. */
  #deliver(frame: Uint8Array): Promise<void> {
    this.#inbox.push(frame)
    this.#inboxBytes += frame.length
    this.#bytesReceived += FRAME_HEADER_BYTES + frame.length
    this.#wake?.()
    if (this.#inboxBytes < this.#unreadBytesMax) return Promise.resolve()
    return (this.#room ??= Promise.withResolvers()).promise
  }

  #takeFrame(): Uint8Array | undefined {
    const frame = this.#inbox.shift()
    if (frame === undefined) return undefined
    this.#inboxBytes -= frame.length
    if (this.#room !== undefined && this.#inboxBytes < this.#unreadBytesMax) {
      this.#room.resolve()
      this.#room = undefined
    }
    return frame
  }

  #lost(): CoppiceError {
    const what = this.#closed ? 'is closed by this side' : 'is closed'
    return new CoppiceError('PEER_UNREACHABLE', `channel to peer ${this.peer} ${what}`, {
      details: { peer: this.peer },
    })
  }
}
