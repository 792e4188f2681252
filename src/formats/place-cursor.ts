/** Places by byte offset in a stream whose parser only tells offsets. Holds what lies between the cursor and the end. */
import type { Place } from './place.ts'

const LINE_FEED = 0x0a

/** Offsets count from the first byte pushed. They may only ascend. */
export class PlaceCursor {
  #chunks: Uint8Array[] = []
  #offset = 0
  #line = 1
  #column = 1

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
  }

  /** Moves to `offset`, which must have been pushed, and forgets the bytes before it. */
  advance(offset: number): Place {
    while (this.#offset < offset) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) break
      const count = Math.min(chunk.length, offset - this.#offset)
      this.#count(chunk, count)
      this.#offset += count
      if (count === chunk.length) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(count)
    }
    return { line: this.#line, column: this.#column }
  }

  /** Up to `bytesMax` bytes from the cursor on. */
  ahead(bytesMax: number): Uint8Array {
    const taken: Uint8Array[] = []
    let count = 0
    for (const chunk of this.#chunks) {
      if (count >= bytesMax) break
      taken.push(chunk.subarray(0, bytesMax - count))
      count += chunk.length
    }
    return Buffer.concat(taken)
  }

  #count(chunk: Uint8Array, count: number): void {
    let line = this.#line
    let column = this.#column
    for (let i = 0; i < count; i++) {
      const byte = chunk[i] as number
      if (byte === LINE_FEED) {
        line++
        column = 1
      } else if ((byte & 0xc0) !== 0x80) column++
    }
    this.#line = line
    this.#column = column
  }
}
