/**
 * Frames on a byte stream: a 32-bit big-endian length of 1..max, then that many bytes (protocol.md, 2). Pure: bytes
 * in, frames out, however the stream was cut into chunks. Frames are taken one by one, so that a flood of tiny ones
 * costs no more memory than its bytes.
 */

import { CoppiceError } from '../errors.ts'
import { FRAME_BYTES_MAX } from '../limits.ts'
import { FRAME_HEADER_BYTES } from '../sync/channel.ts'

/** Chunks below this are gathered into segments: a view object per received byte would cost a hundred times its size. */
const GATHER_BYTES_MAX = 1024
const SEGMENT_BYTES = 4096

/** The frames one after the other, each behind its length; of all that, at most the first `bytesMax` bytes. */
export function encodeFrames(frames: readonly Uint8Array[], bytesMax: number = Infinity): Uint8Array {
  let bytes = 0
  for (const frame of frames) bytes += FRAME_HEADER_BYTES + frame.length
  const out = new Uint8Array(Math.min(bytes, bytesMax))
  const view = new DataView(out.buffer)
  let at = 0
  for (const frame of frames) {
    view.setUint32(at, frame.length)
    at += FRAME_HEADER_BYTES
    out.set(frame.subarray(0, out.length - at), at)
    at += frame.length
  }
  return out
}

export class FrameDecoder {
  readonly #frameBytesMax: number
  readonly #chunks: Uint8Array[] = []
  #bytes = 0
  /** Length announced by the header already consumed. */
  #announced: number | undefined
  #segment: Uint8Array = new Uint8Array(0)
  #segmentUsed = 0

  /** `frameBytesMax`: what a frame may have, checked before anything is allocated for it. */
  constructor(frameBytesMax: number = FRAME_BYTES_MAX) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Bytes held and not yet taken as a frame. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether the stream may end here: no part of a frame is held. */
  get atBoundary(): boolean {
    return this.#bytes === 0 && this.#announced === undefined
  }

  /** Whether take() has an answer, a frame or an error, without more bytes. */
  get ready(): boolean {
    const announced = this.#readHeader()
    return announced !== undefined && (!this.#isAllowed(announced) || this.#bytes >= announced)
  }

  /** Appends what the stream gave. Large chunks are kept as they are until taken, so they must not change. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#bytes += chunk.length
    if (chunk.length >= GATHER_BYTES_MAX) this.#chunks.push(chunk)
    else this.#gather(chunk)
  }

  /**
   * The next whole frame in memory of its own, undefined when more bytes are needed.
   * @throws {CoppiceError} `PEER_PROTOCOL` for a forbidden length; the stream cannot be read further.
   */
  take(): Uint8Array | undefined {
    const announced = this.#readHeader()
    if (announced === undefined) return undefined
    if (!this.#isAllowed(announced)) {
      throw new CoppiceError('PEER_PROTOCOL', `frame: expected 1..${this.#frameBytesMax} bytes, got ${announced}`, {
        details: { frameBytes: announced, frameBytesMax: this.#frameBytesMax },
      })
    }
    if (this.#bytes < announced) return undefined
    this.#announced = undefined
    return this.#shift(announced)
  }

  #isAllowed(announced: number): boolean {
    return announced >= 1 && announced <= this.#frameBytesMax
  }

  #readHeader(): number | undefined {
    if (this.#announced === undefined && this.#bytes >= FRAME_HEADER_BYTES) {
      this.#announced = new DataView(this.#shift(FRAME_HEADER_BYTES).buffer).getUint32(0)
    }
    return this.#announced
  }

  #gather(chunk: Uint8Array): void {
    if (this.#segmentUsed + chunk.length > this.#segment.length) {
      this.#segment = new Uint8Array(SEGMENT_BYTES)
      this.#segmentUsed = 0
    }
    const start = this.#segmentUsed
    this.#segment.set(chunk, start)
    this.#segmentUsed += chunk.length
    const tail = this.#chunks.at(-1)
    const grows = tail !== undefined && tail.buffer === this.#segment.buffer && tail.byteOffset + tail.length === start
    if (grows) this.#chunks[this.#chunks.length - 1] = this.#segment.subarray(tail.byteOffset, this.#segmentUsed)
    else this.#chunks.push(this.#segment.subarray(start, this.#segmentUsed))
  }

  /** Removes and copies the first `count` bytes, which are there. */
  #shift(count: number): Uint8Array {
    const out = new Uint8Array(count)
    let at = 0
    let used = 0
    while (at < count) {
      const chunk = this.#chunks[used] as Uint8Array
      const part = chunk.subarray(0, count - at)
      out.set(part, at)
      at += part.length
      if (part.length === chunk.length) used++
      else this.#chunks[used] = chunk.subarray(part.length)
    }
    this.#chunks.splice(0, used)
    this.#bytes -= count
    return out
  }
}
