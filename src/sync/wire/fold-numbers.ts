/** The numbers of a folded answer: LEB128, each in its shortest form and at most 2^53-1 (protocol.md, 15). */
import { DecodeFailure } from '../../prolly/cbor.ts'

/** 53 bits, seven in each byte. */
const NUMBER_BYTES_MAX = 8

export class NumberWriter {
  #bytes: Uint8Array = new Uint8Array(4096)
  #at = 0

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  write(n: number): void {
    if (this.#at + NUMBER_BYTES_MAX > this.#bytes.length) this.#grow()
    let rest = n
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#bytes.length)
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

export class NumberReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bytes read so far. */
  get at(): number {
    return this.#at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  read(): number {
    const first = this.#bytes[this.#at]
    if (first === undefined) throw new DecodeFailure('expected a number, got the end')
    this.#at++
    if (first < 0x80) return first
    let n = first - 0x80
    for (let i = 1, scale = 0x80; i < NUMBER_BYTES_MAX; i++, scale *= 0x80) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new DecodeFailure('expected the rest of a number, got the end')
      n += (byte & 0x7f) * scale
      if (byte >= 0x80) continue
      if (byte === 0 || n > Number.MAX_SAFE_INTEGER) break
      return n
    }
    throw new DecodeFailure('expected a number of at most 2^53-1 in its shortest form')
  }

  /** @throws {DecodeFailure} for one above `max`. */
  upTo(max: number, what: string): number {
    const n = this.read()
    if (n > max) throw new DecodeFailure(`expected ${what} of at most ${max}, got ${n}`)
    return n
  }
}
