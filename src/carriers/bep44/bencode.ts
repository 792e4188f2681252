/**
 * Bencoding, as BitTorrent's DHT speaks it (bep_0003), in its one canonical form: integers without leading zeros, keys of a
 * dictionary ascending and unique, nothing behind the end. Decoding is total: size and depth are bounded before anything else,
 * and whatever bytes come, there is a value or undefined.
 */
import { compareBytes, concatBytes } from '../../bytes.ts'

export type BencodeValue = bigint | Uint8Array | readonly BencodeValue[] | BencodeDictionary

/** Keys are byte strings, here as text of one character for each byte. */
export type BencodeDictionary = ReadonlyMap<string, BencodeValue>

/** What a datagram can carry. */
export const DATAGRAM_BYTES_MAX: number = 64 * 1024 - 1
/** A message of the DHT has a depth of 3. */
const DEPTH_MAX = 8
/** Digits of a 64-bit integer. */
const INTEGER_DIGITS_MAX = 19
/** Digits of the length of a byte string. */
const LENGTH_DIGITS_MAX = 5

const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const DICTIONARY = 0x64
const END = 0x65
const INTEGER = 0x69
const LIST = 0x6c

/** A dictionary that is decoded remembers the bytes of its values: signatures are over them. */
const rawValues = new WeakMap<BencodeDictionary, ReadonlyMap<string, Uint8Array>>()

/** The one value that `bytes` are the bencoding of; undefined where they are none. Byte strings are views. */
export function decodeBencode(bytes: Uint8Array): BencodeValue | undefined {
  if (bytes.length > DATAGRAM_BYTES_MAX) return undefined
  const reader = new Reader(bytes)
  const value = reader.value(0)
  return value !== undefined && reader.at === bytes.length ? value : undefined
}

/** The bytes of a decoded dictionary's value, as they were received. A view. */
export function rawValue(dictionary: BencodeDictionary, key: string): Uint8Array | undefined {
  return rawValues.get(dictionary)?.get(key)
}

/** Each reading gives undefined where the bytes are not canonical; what is read after that has no meaning. */
class Reader {
  readonly #bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  value(depth: number): BencodeValue | undefined {
    if (depth > DEPTH_MAX) return undefined
    switch (this.#bytes[this.at]) {
      case INTEGER:
        return this.#integer()
      case LIST:
        return this.#list(depth)
      case DICTIONARY:
        return this.#dictionary(depth)
      default:
        return this.#string()
    }
  }

  #integer(): bigint | undefined {
    this.at++
    const isNegative = this.#bytes[this.at] === MINUS
    if (isNegative) this.at++
    const digits = this.#digits(INTEGER_DIGITS_MAX)
    if (digits === undefined || this.#bytes[this.at++] !== END) return undefined
    if (isNegative && digits === '0') return undefined
    return isNegative ? -BigInt(digits) : BigInt(digits)
  }

  /** Without leading zeros. */
  #digits(max: number): string | undefined {
    const start = this.at
    while (isDigit(this.#bytes[this.at])) this.at++
    const length = this.at - start
    if (length === 0 || length > max || (length > 1 && this.#bytes[start] === ZERO)) return undefined
    return String.fromCharCode(...this.#bytes.subarray(start, this.at))
  }

  #string(): Uint8Array | undefined {
    const digits = this.#digits(LENGTH_DIGITS_MAX)
    if (digits === undefined || this.#bytes[this.at++] !== COLON) return undefined
    const end = this.at + Number(digits)
    if (end > this.#bytes.length) return undefined
    const bytes = this.#bytes.subarray(this.at, end)
    this.at = end
    return bytes
  }

  #list(depth: number): readonly BencodeValue[] | undefined {
    this.at++
    const values: BencodeValue[] = []
    while (this.#bytes[this.at] !== END) {
      const value = this.value(depth + 1)
      if (value === undefined) return undefined
      values.push(value)
    }
    this.at++
    return values
  }

  #dictionary(depth: number): BencodeDictionary | undefined {
    this.at++
    const values = new Map<string, BencodeValue>()
    const raw = new Map<string, Uint8Array>()
    let last: Uint8Array | undefined
    while (this.#bytes[this.at] !== END) {
      const key = this.#string()
      if (key === undefined || (last !== undefined && compareBytes(last, key) >= 0)) return undefined
      last = key
      const start = this.at
      const value = this.value(depth + 1)
      if (value === undefined) return undefined
      const name = latin1(key)
      values.set(name, value)
      raw.set(name, this.#bytes.subarray(start, this.at))
    }
    this.at++
    rawValues.set(values, raw)
    return values
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
}

/** Encodes a value; the keys of dictionaries are put in order. */
export function encodeBencode(value: BencodeValue): Uint8Array {
  return concatBytes(...partsOf(value))
}

function* partsOf(value: BencodeValue): Generator<Uint8Array, void, undefined> {
  if (typeof value === 'bigint') {
    yield ascii(`i${value}e`)
  } else if (value instanceof Uint8Array) {
    yield ascii(`${value.length}:`)
    yield value
  } else if (isDictionary(value)) {
    yield ascii('d')
    const entries = [...value].map(([key, each]) => [ascii(key), each] as const)
    for (const [key, each] of entries.toSorted(([a], [b]) => compareBytes(a, b))) {
      yield* partsOf(key)
      yield* partsOf(each)
    }
    yield ascii('e')
  } else {
    yield ascii('l')
    for (const each of value) yield* partsOf(each)
    yield ascii('e')
  }
}

export function isDictionary(value: BencodeValue | undefined): value is BencodeDictionary {
  return value instanceof Map
}

/** One byte for each character below 256. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
