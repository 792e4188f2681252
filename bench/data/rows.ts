/**
 * Rows held in one flat buffer and handed out as views. Every engine of a comparison reads the same bytes, and neither
 * pays for making them nor for a million small buffers on the heap.
 */
import type { Put } from '../../src/prolly/index.ts'

const BYTES_AT_FIRST = 1024 * 1024
const PLACES_AT_FIRST = 16 * 1024

export class Rows {
  readonly length: number
  /** Keys and values one after the other. */
  readonly bytes: number
  readonly #buffer: ArrayBuffer
  /** Where row `i` starts, where its value starts, where row `i + 1` starts. */
  readonly #places: Uint32Array

  private constructor(buffer: ArrayBuffer, places: Uint32Array, length: number) {
    this.#buffer = buffer
    this.#places = places
    this.length = length
    this.bytes = places[2 * length] ?? 0
  }

  /** Copies rows, which may be the same object each time; at most 4 GiB of them. */
  static collect(puts: Iterable<Put>): Rows {
    let bytes = new Uint8Array(BYTES_AT_FIRST)
    let places = new Uint32Array(PLACES_AT_FIRST)
    let end = 0
    let length = 0
    for (const { key, value } of puts) {
      const next = end + key.length + value.length
      if (next > 0xffff_ffff) throw new RangeError('rows: expected at most 4 GiB')
      if (next > bytes.length) bytes = enlarged(bytes, Math.max(next, bytes.length * 2))
      if (2 * length + 2 >= places.length) places = enlargedPlaces(places)
      bytes.set(key, end)
      bytes.set(value, end + key.length)
      places[2 * length + 1] = end + key.length
      places[2 * length + 2] = next
      end = next
      length++
    }
    return new Rows(bytes.buffer, places, length)
  }

  key(i: number): Uint8Array {
    const start = this.#place(2 * i)
    return new Uint8Array(this.#buffer, start, this.#place(2 * i + 1) - start)
  }

  value(i: number): Uint8Array {
    const start = this.#place(2 * i + 1)
    return new Uint8Array(this.#buffer, start, this.#place(2 * i + 2) - start)
  }

  /** The same as a Buffer, for engines that would make one of it: a view costs the same either way. */
  keyBuffer(i: number): Buffer {
    const start = this.#place(2 * i)
    return Buffer.from(this.#buffer, start, this.#place(2 * i + 1) - start)
  }

  valueBuffer(i: number): Buffer {
    const start = this.#place(2 * i + 1)
    return Buffer.from(this.#buffer, start, this.#place(2 * i + 2) - start)
  }

  *[Symbol.iterator](): Generator<Put, void, undefined> {
    for (let i = 0; i < this.length; i++) yield { key: this.key(i), value: this.value(i) }
  }

  #place(n: number): number {
    return this.#places[n] as number
  }
}

function enlarged(bytes: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(size)
  larger.set(bytes)
  return larger
}

function enlargedPlaces(places: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(places.length * 2)
  larger.set(places)
  return larger
}
