/**
 * The DAG-CBOR of signed roots and of the pointer's own state: arrays, unsigned integers, byte strings, text, links and
 * null, nothing else (record.md, 1); and the maps of IPNS records (7). Reading is a walk over known shapes, not a decode into values: every head
 * must have its shortest form and every length must fit what is left, so what is read is canonical, nothing is
 * allocated on a sender's word, and no depth of nesting is followed.
 */
import { compareBytes, concatBytes } from '../bytes.ts'
import { isLink, LINK_BYTES, type Link } from '../link.ts'

const MAJOR_UINT = 0
const MAJOR_BYTES = 2
const MAJOR_TEXT = 3
const MAJOR_ARRAY = 4
const MAJOR_MAP = 5
const MAJOR_TAG = 6
const NULL_BYTE = 0xf6
/** Before an integer of 64 bits. */
const UINT64_BYTE = 0x1b
/** Tag 42, a byte string of 37 bytes, the historical 0x00 before a CID. */
const LINK_HEAD: Uint8Array = Uint8Array.of(0xd8, 0x2a, 0x58, 0x25, 0x00)

/** Makes the error that a reader throws: `what: expected X, got Y`, at a byte offset. */
export type FailureFactory = (message: string, offset: number) => Error

export const CBOR_NULL: Uint8Array = Uint8Array.of(NULL_BYTE)

function encodeHead(major: number, value: number): Uint8Array {
  const high = major << 5
  if (value < 24) return Uint8Array.of(high | value)
  if (value < 2 ** 8) return Uint8Array.of(high | 24, value)
  const bits = value < 2 ** 16 ? 16 : value < 2 ** 32 ? 32 : 64
  const out = new Uint8Array(1 + bits / 8)
  const view = new DataView(out.buffer)
  out[0] = high | (bits === 16 ? 25 : bits === 32 ? 26 : 27)
  if (bits === 16) view.setUint16(1, value)
  else if (bits === 32) view.setUint32(1, value)
  else view.setBigUint64(1, BigInt(value))
  return out
}

/** `value` is 0..2^53-1. */
export function cborUint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`integer: expected 0..2^53-1, got ${value}`)
  return encodeHead(MAJOR_UINT, value)
}

export function cborBytes(bytes: Uint8Array): Uint8Array {
  return concatBytes(encodeHead(MAJOR_BYTES, bytes.length), bytes)
}

export function cborText(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text)
  return concatBytes(encodeHead(MAJOR_TEXT, bytes.length), bytes)
}

export function cborLink(link: Link): Uint8Array {
  return concatBytes(LINK_HEAD, link)
}

/** `items` are already encoded. */
export function cborArray(items: readonly Uint8Array[]): Uint8Array {
  return concatBytes(encodeHead(MAJOR_ARRAY, items.length), ...items)
}

/** `values` are already encoded, and stand in the order of DAG-CBOR: shorter keys first. */
export function cborMap(values: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const pairs = [...values]
    .map(([key, value]) => [cborText(key), value] as const)
    .toSorted(([a], [b]) => compareBytes(a, b))
  return concatBytes(encodeHead(MAJOR_MAP, pairs.length), ...pairs.flat())
}

/** `encode(value)`, or null. */
export function cborNullable<T>(value: T | null, encode: (value: T) => Uint8Array): Uint8Array {
  return value === null ? CBOR_NULL : encode(value)
}

/**
 * Walks `bytes` from the front. Each method reads one item of the kind its name says and fails with the error of
 * `failure` on anything else; `field` names the item in the message. Byte strings and links are views into `bytes`.
 */
export class CborReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #failure: FailureFactory
  #at = 0

  constructor(bytes: Uint8Array, failure: FailureFactory) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#failure = failure
  }

  get offset(): number {
    return this.#at
  }

  fail(message: string, offset: number = this.#at): never {
    throw this.#failure(message, offset)
  }

  /** The number of items of an array, `min`..`max`. */
  array(field: string, min: number, max: number): number {
    const start = this.#at
    const length = this.#head(field, MAJOR_ARRAY, 'an array')
    if (length < min || length > max) {
      const expected = min === max ? `${min}` : `${min}..${max}`
      this.fail(`${field}: expected ${expected} elements, got ${length}`, start)
    }
    return length
  }

  /**
   * A map of at most `max` entries whose keys stand in their order, each once. `read` reads the value of each, whatever it is.
   */
  map(field: string, max: number, read: (key: string) => void): void {
    const start = this.#at
    const length = this.#head(field, MAJOR_MAP, 'a map')
    if (length > max) this.fail(`${field}: expected at most ${max} entries, got ${length}`, start)
    let last: Uint8Array | undefined
    for (let i = 0; i < length; i++) {
      const at = this.#at
      const key = this.text(`${field} key`, this.#bytes.length)
      const encoded = this.#bytes.subarray(at, this.#at)
      if (last !== undefined && compareBytes(last, encoded) >= 0) this.fail(`${field}: expected keys in order`, at)
      last = encoded
      read(key)
    }
  }

  /** An integer of `min`..`max`. */
  uint(field: string, min: number, max: number): number {
    const start = this.#at
    const value = this.#head(field, MAJOR_UINT, 'an unsigned integer')
    if (value < min || value > max) this.fail(`${field}: expected ${min}..${max}, got ${value}`, start)
    return value
  }

  /** A byte string of `min`..`max` bytes. */
  bytes(field: string, min: number, max: number): Uint8Array {
    const start = this.#at
    const length = this.#head(field, MAJOR_BYTES, 'a byte string')
    if (length < min || length > max) {
      const expected = min === max ? `${min}` : `${min}..${max}`
      this.fail(`${field}: expected ${expected} bytes, got ${length}`, start)
    }
    return this.#take(field, length)
  }

  /** Text of at most `max` bytes of valid UTF-8. */
  text(field: string, max: number): string {
    const start = this.#at
    const length = this.#head(field, MAJOR_TEXT, 'text')
    if (length > max) this.fail(`${field}: expected at most ${max} bytes of text, got ${length}`, start)
    const text = decodeUtf8(this.#take(field, length))
    if (text === undefined) this.fail(`${field}: expected valid UTF-8`, start)
    return text
  }

  /** Of 64 bits, as formats of others have them: above the safe integers the highest of these. */
  saturatedUint(field: string): number {
    const [start, limit] = [this.#at, Number.MAX_SAFE_INTEGER]
    const isLarge = this.#bytes[start] === UINT64_BYTE && start + 9 <= this.#bytes.length
    if (!isLarge || this.#view.getBigUint64(start + 1) <= BigInt(limit)) return this.uint(field, 0, limit)
    this.#at += 9
    return limit
  }

  /** A link whose codec is `codec`. */
  link(field: string, codec: number): Link {
    const start = this.#at
    const head = this.#take(field, LINK_HEAD.length)
    for (let i = 0; i < LINK_HEAD.length; i++)
      if (head[i] !== LINK_HEAD[i]) this.fail(`${field}: expected a link`, start)
    const link = this.#take(field, LINK_BYTES)
    if (!isLink(link) || link[1] !== codec)
      this.fail(`${field}: expected a CIDv1 of codec 0x${codec.toString(16)}, sha2-256`, start)
    return link
  }

  /** Null as null, or else what `read` reads. */
  nullable<T>(read: () => T): T | null {
    if (this.#bytes[this.#at] !== NULL_BYTE) return read()
    this.#at++
    return null
  }

  /** Whether the next item has this major type; reads nothing. */
  nextIsBytes(): boolean {
    const head = this.#bytes[this.#at]
    return head !== undefined && head >> 5 === MAJOR_BYTES
  }

  /** One item of any kind that DAG-CBOR has, without building it. Needs no stack: nesting only adds to a count. */
  skip(field: string): void {
    for (let open = 1; open > 0; open--) {
      const start = this.#at
      const first = this.#bytes[start]
      if (first === undefined) this.fail(`${field}: expected more bytes`)
      const major = first >> 5
      if (major === 7) {
        this.#skipSimple(field, first)
        continue
      }
      const value = this.#head(field, major, 'an item')
      if (major === MAJOR_BYTES || major === MAJOR_TEXT) this.#take(field, value)
      else if (major === MAJOR_ARRAY) open += value
      else if (major === MAJOR_MAP) open += 2 * value
      else if (major === MAJOR_TAG) open += 1
      if (open > this.#bytes.length) this.fail(`${field}: expected fewer items than bytes`, start)
    }
  }

  /** Nothing may follow. */
  end(field: string): void {
    if (this.#at !== this.#bytes.length)
      this.fail(`${field}: expected no more bytes, got ${this.#bytes.length - this.#at}`)
  }

  #skipSimple(field: string, first: number): void {
    // false, true, null, and floats of 64 bits: all that DAG-CBOR keeps of major type 7
    if (first === 0xf4 || first === 0xf5 || first === NULL_BYTE) this.#at += 1
    else if (first === 0xfb) this.#take(field, 9)
    else this.fail(`${field}: expected an item of DAG-CBOR`)
  }

  #head(field: string, major: number, expected: string): number {
    const start = this.#at
    const first = this.#bytes[start]
    if (first === undefined) this.fail(`${field}: expected ${expected}, got the end`)
    if (first >> 5 !== major) this.fail(`${field}: expected ${expected}`)
    const info = first & 31
    if (info < 24) {
      this.#at = start + 1
      return info
    }
    if (info > 27) this.fail(`${field}: expected a definite length`)
    const size = 2 ** (info - 24)
    if (start + 1 + size > this.#bytes.length) this.fail(`${field}: expected ${expected}, got the end`)
    const value = this.#readUint(field, start + 1, size)
    if (value < (size === 1 ? 24 : 2 ** (size * 4))) this.fail(`${field}: expected the shortest form of ${value}`)
    this.#at = start + 1 + size
    return value
  }

  #readUint(field: string, at: number, size: number): number {
    if (size === 1) return this.#view.getUint8(at)
    if (size === 2) return this.#view.getUint16(at)
    if (size === 4) return this.#view.getUint32(at)
    const value = this.#view.getBigUint64(at)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${field}: expected at most 2^53-1, got ${value}`)
    return Number(value)
  }

  #take(field: string, length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) this.fail(`${field}: expected ${length} bytes, got ${this.#bytes.length - this.#at}`)
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

/** The text, undefined where `bytes` are not valid UTF-8. A byte order mark is text like any other. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
