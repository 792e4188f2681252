/**
 * Writes frames to a libp2p stream, in order, small ones joined into batches, with back-pressure counted in bytes.
 * A batch leaves when it is full or when the event loop comes round, so a single request is not delayed and a loop of
 * sends makes few writes.
 *
 * Of libp2p's own back-pressure only the state (`writableNeedsDrain`, `writeBufferLength`) and the events are used:
 * `onDrain()` resolves at once from its second use on. Nothing is written inside an event: a stream that is just
 * sending queues what is added then, and forgets it.
 */

import type { Stream } from '@libp2p/interface'
import { CoppiceError } from '../errors.ts'
import { assertFrame, FRAME_HEADER_BYTES } from '../sync/channel.ts'
import { encodeFrames } from './frames.ts'
import { SEND_STALL_BYTES, UNSENT_BYTES_MAX, WRITE_BATCH_BYTES } from './limits.ts'

export interface StreamWriterOptions {
  readonly peer: string
  /** Called once when the peer stopped reading: the owner aborts the channel. */
  readonly onStall: (error: CoppiceError) => void
  /** The peer takes at least SEND_STALL_BYTES, or all that waits, in this time. */
  readonly stallMs: number
}

export class StreamWriter {
  readonly #stream: Stream
  readonly #options: StreamWriterOptions
  #queue: Uint8Array[] = []
  /** What is left of a large frame whose first bytes have been handed over: as it is, since a copy would be another mebibyte. */
  #rest: Uint8Array | undefined
  #queuedBytes = 0
  #flushing = false
  #immediate: NodeJS.Immediate | undefined
  /** Settles when less than UNSENT_BYTES_MAX waits; shared by all who wait for it. */
  #room: PromiseWithResolvers<void> | undefined
  /** Settles when the queue has been handed to the stream. */
  #flushed: PromiseWithResolvers<void> | undefined
  #failure: Error | undefined
  #ending: Promise<void> | undefined
  #stallTimer: NodeJS.Timeout | undefined
  #bytesSent = 0

  constructor(stream: Stream, options: StreamWriterOptions) {
    this.#stream = stream
    this.#options = options
    const flushSoon = (): void => queueMicrotask(this.#flush)
    stream.addEventListener('drain', flushSoon)
    stream.addEventListener('idle', flushSoon)
    stream.addEventListener('close', (event) => this.fail(this.#lost(event.error)))
    if (stream.status !== 'open') this.fail(this.#lost(undefined))
  }

  /** Bytes taken by send(), headers included. */
  get bytesSent(): number {
    return this.#bytesSent
  }

  /** Not async, which would keep `frame` in memory, besides its copy in the stream, for as long as the peer takes. */
  send(frame: Uint8Array): Promise<void> {
    try {
      this.#enqueue(frame)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#unsentBytes() < UNSENT_BYTES_MAX) return Promise.resolve()
    this.#watchForStall()
    return (this.#room ??= Promise.withResolvers()).promise
  }

  #enqueue(frame: Uint8Array): void {
    assertFrame(frame)
    if (this.#failure !== undefined) throw this.#failure
    if (this.#ending !== undefined) throw this.#lost('closed by this side')
    this.#queue.push(frame)
    this.#queuedBytes += FRAME_HEADER_BYTES + frame.length
    this.#bytesSent += FRAME_HEADER_BYTES + frame.length
    if (this.#queuedBytes >= WRITE_BATCH_BYTES) this.#flush()
    else this.#immediate ??= setImmediate(this.#flush)
  }

  /** Hands over everything queued and ends our side. Idempotent; never rejects. */
  end(): Promise<void> {
    return (this.#ending ??= this.#end())
  }

  /** Drops what is queued; pending and later sends reject with `reason`. */
  fail(reason: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    this.#queue = []
    this.#rest = undefined
    this.#queuedBytes = 0
    clearImmediate(this.#immediate)
    clearTimeout(this.#stallTimer)
    this.#room?.reject(reason)
    this.#flushed?.resolve()
  }

  async #end(): Promise<void> {
    this.#flush()
    if (this.#queuedBytes > 0) await (this.#flushed ??= Promise.withResolvers()).promise
    if (this.#failure !== undefined) return
    this.#watchForStall()
    try {
      await this.#stream.close()
    } catch {
      // Lost while closing: 'close' told the reader, and our user learns from the missing answer.
    } finally {
      clearTimeout(this.#stallTimer)
    }
  }

  readonly #flush = (): void => {
    if (this.#flushing || this.#failure !== undefined) return
    this.#flushing = true
    try {
      while (this.#queuedBytes > 0 && !this.#stream.writableNeedsDrain) this.#stream.send(this.#takeBatch())
    } catch (error) {
      this.fail(this.#lost(error))
    } finally {
      this.#flushing = false
    }
    if (this.#queuedBytes === 0) {
      clearImmediate(this.#immediate)
      this.#immediate = undefined
      this.#flushed?.resolve()
    } else {
      this.#watchForStall()
    }
    if (this.#room !== undefined && this.#unsentBytes() < UNSENT_BYTES_MAX) {
      this.#room.resolve()
      this.#room = undefined
    }
  }

  /** Small frames joined and copied, or the rest of a large one, which begins in a batch of its own size. */
  #takeBatch(): Uint8Array {
    const batch = this.#rest ?? this.#joinFrames()
    if (batch === this.#rest) this.#rest = undefined
    this.#queuedBytes -= batch.length
    return batch
  }

  #joinFrames(): Uint8Array {
    let bytes = 0
    let count = 0
    while (count < this.#queue.length && bytes < WRITE_BATCH_BYTES) {
      bytes += FRAME_HEADER_BYTES + (this.#queue[count] as Uint8Array).length
      count++
    }
    const frames = this.#queue.splice(0, count)
    const excess = bytes - 2 * WRITE_BATCH_BYTES
    if (excess <= 0) return encodeFrames(frames)
    const last = frames.at(-1) as Uint8Array
    this.#rest = last.subarray(last.length - excess)
    return encodeFrames(frames, 2 * WRITE_BATCH_BYTES)
  }

  /** Taken by send() and not yet within the peer's window. */
  #unsentBytes(): number {
    return this.#queuedBytes + this.#stream.writeBufferLength
  }

  /** Looks every `stallMs`, while something waits, whether the peer took its share since. */
  #watchForStall(): void {
    if (this.#stallTimer !== undefined || this.#failure !== undefined) return
    const leftBefore = this.#bytesSent - this.#unsentBytes()
    this.#stallTimer = setTimeout(() => {
      this.#stallTimer = undefined
      const unsent = this.#unsentBytes()
      if (unsent === 0) return
      if (this.#bytesSent - unsent - leftBefore >= SEND_STALL_BYTES) return this.#watchForStall()
      this.#options.onStall(
        new CoppiceError('PEER_TIMEOUT', `peer ${this.#options.peer} stopped reading: ${unsent} bytes wait for it`, {
          details: { peer: this.#options.peer, unsentBytes: unsent },
        }),
      )
    }, this.#options.stallMs)
    this.#stallTimer.unref()
  }

  #lost(cause: unknown): CoppiceError {
    const { peer } = this.#options
    return new CoppiceError('PEER_UNREACHABLE', `channel to peer ${peer} is closed`, { cause, details: { peer } })
  }
}
