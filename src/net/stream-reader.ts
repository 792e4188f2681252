/**
 * Reads frames from a libp2p stream with back-pressure: when frames wait unread the stream is paused, its muxer sends
 * no window updates, and the peer stops after at most STREAM_WINDOW_BYTES_MAX more.
 *
 * Three properties of libp2p 3 streams shape it:
 * - Data and FIN may arrive before anybody listens, so waiting for an event can wait for ever: what happens next is
 *   decided from the stream's state, events only wake the reader up.
 * - A dropped connection closes streams without an error, exactly like a clean end. Only a FIN seen while the stream
 *   was open is an end; everything else is a loss.
 * - pause() inside the delivery that resume() triggers is forgotten by the muxer, so it comes after.
 */

import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { CoppiceError } from '../errors.ts'
import { FrameDecoder } from './frames.ts'
import { UNREAD_BYTES_MAX } from './limits.ts'

export class StreamReader {
  readonly #stream: Stream
  readonly #peer: string
  readonly #decoder: FrameDecoder
  /** The peer ended its side properly. */
  #finished: boolean
  #failure: Error | undefined
  #lossCause: unknown
  #resuming = false
  #wake: (() => void) | undefined
  #receiving = false
  #bytesReceived = 0

  constructor(stream: Stream, peer: string, frameBytesMax: number) {
    this.#stream = stream
    this.#peer = peer
    this.#decoder = new FrameDecoder(frameBytesMax)
    this.#finished = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
    stream.addEventListener('remoteCloseWrite', () => {
      this.#finished = true
      this.#wake?.()
    })
    stream.addEventListener('close', (event) => {
      this.#lossCause = event.error
      this.#wake?.()
    })
    stream.addEventListener('message', this.#onMessage)
  }

  get bytesReceived(): number {
    return this.#bytesReceived
  }

  /** The next frame, undefined after a clean end; as {@link Channel.receive}, which aborts where this rejects. */
  async receive(): Promise<Uint8Array | undefined> {
    if (this.#receiving) throw new TypeError('receive: expected one reader at a time')
    this.#receiving = true
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure
        const frame = this.#decoder.take()
        if (frame === undefined || this.#decoder.bytes <= UNREAD_BYTES_MAX / 2 || !this.#decoder.ready) this.#resume()
        if (frame !== undefined) return frame
        if (this.#decoder.ready) continue
        if (this.#isOver()) return this.#requireCleanEnd()
        await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.#receiving = false
    }
  }

  /** Makes the pending and every later receive reject with `reason`. */
  fail(reason: Error): void {
    this.#failure ??= reason
    this.#wake?.()
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    if (event.data instanceof Uint8Array) this.#decoder.push(event.data)
    else for (const chunk of event.data) this.#decoder.push(chunk)
    this.#bytesReceived += event.data.byteLength
    if (!this.#resuming) this.#pauseIfFull()
    this.#wake?.()
  }

  /** A frame larger than what may wait unread is still read to its end: only whole unread frames stop the peer. */
  #pauseIfFull(): void {
    if (this.#decoder.bytes < UNREAD_BYTES_MAX || !this.#decoder.ready) return
    if (this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  /** Lets the stream deliver what it holds, now, and the peer send more. */
  #resume(): void {
    if (this.#stream.readStatus !== 'paused') return
    this.#resuming = true
    try {
      this.#stream.resume()
    } catch {
      // The connection is gone and took no window update; what it had delivered is here.
    } finally {
      this.#resuming = false
    }
    this.#pauseIfFull()
  }

  /** Whether the stream will deliver nothing more. */
  #isOver(): boolean {
    const { readStatus, readBufferLength, status } = this.#stream
    if (readBufferLength > 0 && (readStatus === 'readable' || readStatus === 'paused')) return false
    return this.#finished || (status !== 'open' && status !== 'closing')
  }

  #requireCleanEnd(): undefined {
    const details = { peer: this.#peer }
    if (!this.#finished) {
      const how = this.#stream.status === 'reset' ? 'reset the channel' : 'was lost: the connection closed'
      throw new CoppiceError('PEER_UNREACHABLE', `peer ${this.#peer} ${how}`, { cause: this.#lossCause, details })
    }
    if (this.#decoder.atBoundary) return undefined
    throw new CoppiceError('PEER_PROTOCOL', `frame: expected the rest of it, got the end (peer ${this.#peer})`, {
      details,
    })
  }
}
