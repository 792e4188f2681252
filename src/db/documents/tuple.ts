/**
 * Typed keys: FoundationDB's tuple encoding (https://github.com/apple/foundationdb/blob/main/design/tuple.md), of which
 * keys use byte strings, text, integers of up to 8 bytes, doubles and booleans. The order of the encoded bytes is the
 * order of the values, part by part. documents.md, 1.
 *
 * Every part has a declared type, because the encoding sorts all integers before all doubles: a key whose parts
 * changed between the two would be out of order, and one value would have two keys. Encoding and decoding are
 * inverse: one tuple of given types has one encoding, and whatever else arrives is refused.
 */
import { INTEGER_MAX, INTEGER_MIN, isInteger64, normalizeInteger } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import { excerptOf } from '../../escape.ts'
import { KEY_BYTES_MAX } from '../../prolly/format.ts'

/**
 * `integer`: safe integers and bigints within 64 bits. `number`: any number but NaN, always a double, -0 as 0.
 * `text`: UTF-8 as it is, without normalisation. `bytes`, `boolean`: as they are, false before true.
 */
export type PartType = 'integer' | 'number' | 'text' | 'boolean' | 'bytes'
export const PART_TYPES: readonly PartType[] = ['integer', 'number', 'text', 'boolean', 'bytes']

/** An integer that is not safe comes as a bigint, all others as a number. */
export type KeyPart = number | bigint | string | boolean | Uint8Array

/** Half-open, as all ranges of keys. */
export interface KeyRange {
  readonly start: Uint8Array
  readonly end: Uint8Array
}

const CODE_BYTES = 0x01
const CODE_TEXT = 0x02
const CODE_INTEGER_ZERO = 0x14
const INTEGER_BYTES_MAX = 8
const CODE_DOUBLE = 0x21
const CODE_FALSE = 0x26
const CODE_TRUE = 0x27
/** Follows a zero byte inside a string; no type code, so a string's terminator is never followed by it. */
const ESCAPE = 0xff

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// Encoding is synchronous and calls nobody back, so one buffer serves all. Writes past its end are dropped by the
// language while `length` goes on counting, which is how a key that is too long learns its length.
const buffer = new Uint8Array(KEY_BYTES_MAX)
const doubleBytes = new Uint8Array(8)
const doubleView = new DataView(doubleBytes.buffer)
let length = 0

/**
 * The key of `parts`, one for each of `types`.
 * @throws {CoppiceError} `KEY_INVALID` with `details.part`, the index of a part that is not of its type; `KEY_TOO_LONG`.
 */
export function encodeTuple(parts: readonly KeyPart[], types: readonly PartType[]): Uint8Array {
  if (parts.length !== types.length) {
    throw new CoppiceError(
      'KEY_INVALID',
      `key: expected ${types.length} parts (${types.join(', ')}), got ${parts.length}`,
    )
  }
  return encodeTuplePrefix(parts, types)
}

/** As {@link encodeTuple} for the first parts of a key: what {@link rangeOf} takes. */
export function encodeTuplePrefix(parts: readonly KeyPart[], types: readonly PartType[]): Uint8Array {
  if (parts.length > types.length) {
    throw new CoppiceError(
      'KEY_INVALID',
      `key: expected at most ${types.length} parts (${types.join(', ')}), got ${parts.length}`,
    )
  }
  length = 0
  for (let i = 0; i < parts.length; i++) writePart(parts[i], types[i] as PartType, i)
  if (length > KEY_BYTES_MAX) {
    throw new CoppiceError('KEY_TOO_LONG', `key: expected at most ${KEY_BYTES_MAX} bytes, got ${length}`, {
      details: { bytes: length, bytesMax: KEY_BYTES_MAX },
    })
  }
  return buffer.slice(0, length)
}

/**
 * The keys that begin with the parts encoded in `prefix`, that key itself included: `[prefix, prefix ff)`. Not every
 * key with these first bytes: a text that goes on with a zero byte continues `... 00 ff`, and is another text.
 */
export function rangeOf(prefix: Uint8Array): KeyRange {
  const end = new Uint8Array(prefix.length + 1)
  end.set(prefix)
  end[prefix.length] = ESCAPE
  return { start: prefix, end }
}

function writePart(part: unknown, type: PartType, index: number): void {
  switch (type) {
    case 'integer':
      if (!isInteger64(part)) throw wrongPart(part, 'an integer within 64 bits', index)
      return writeInteger(part)
    case 'number':
      if (typeof part !== 'number' || Number.isNaN(part)) throw wrongPart(part, 'a number', index)
      return writeDouble(part)
    case 'text':
      if (typeof part !== 'string') throw wrongPart(part, 'text', index)
      return writeText(part, index)
    case 'boolean':
      if (typeof part !== 'boolean') throw wrongPart(part, 'true or false', index)
      buffer[length++] = part ? CODE_TRUE : CODE_FALSE
      return
    case 'bytes':
      if (!(part instanceof Uint8Array)) throw wrongPart(part, 'bytes', index)
      buffer[length++] = CODE_BYTES
      return writeEscaped(part, part.length)
  }
}

function wrongPart(part: unknown, expected: string, index: number): CoppiceError {
  const got = describePart(part)
  return new CoppiceError('KEY_INVALID', `key part ${index + 1}: expected ${expected}, got ${got}`, {
    details: { part: index },
  })
}

function describePart(part: unknown): string {
  if (typeof part === 'string') return `text "${excerptOf(part)}"`
  if (part instanceof Uint8Array) return 'bytes'
  if (part === null) return 'null'
  if (typeof part === 'number' || typeof part === 'bigint' || typeof part === 'boolean') return String(part)
  return Array.isArray(part) ? 'an array' : typeof part
}

/** The fewest big-endian bytes of the absolute value, complemented below zero; their number is in the type code. */
function writeInteger(value: number | bigint): void {
  const negative = value < 0
  let high: number
  let low: number
  if (typeof value === 'number') {
    const absolute = Math.abs(value)
    high = Math.floor(absolute / 2 ** 32)
    low = absolute >>> 0
  } else {
    const absolute = negative ? -value : value
    high = Number(absolute >> 32n)
    low = Number(absolute & 0xffffffffn)
  }
  const bytes = high > 0 ? 4 + bytesOf(high) : bytesOf(low)
  buffer[length++] = CODE_INTEGER_ZERO + (negative ? -bytes : bytes)
  const flip = negative ? 0xff : 0
  for (let i = bytes - 1; i >= 0; i--) {
    buffer[length++] = ((i >= 4 ? high >>> (8 * (i - 4)) : low >>> (8 * i)) & 0xff) ^ flip
  }
}

function bytesOf(word: number): number {
  return word >= 2 ** 24 ? 4 : word >= 2 ** 16 ? 3 : word >= 2 ** 8 ? 2 : word > 0 ? 1 : 0
}

/** IEEE 754, big-endian; all bits complemented below zero, else the sign bit, so that bytes sort as numbers do. */
function writeDouble(value: number): void {
  doubleView.setFloat64(0, value === 0 ? 0 : value)
  buffer[length++] = CODE_DOUBLE
  const first = doubleBytes[0] as number
  const flip = first >= 0x80 ? 0xff : 0
  buffer[length++] = first ^ (flip | 0x80)
  for (let i = 1; i < 8; i++) buffer[length++] = (doubleBytes[i] as number) ^ flip
}

function writeText(text: string, index: number): void {
  const begin = length
  buffer[length++] = CODE_TEXT
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0 || code >= 0x80) {
      if (!text.isWellFormed()) throw wrongPart(text, 'well-formed Unicode (no lone surrogates)', index)
      const bytes = utf8Encoder.encode(text)
      length = begin + 1
      return writeEscaped(bytes, bytes.length)
    }
    buffer[length++] = code
  }
  buffer[length++] = 0
}

function writeEscaped(bytes: Uint8Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const byte = bytes[i] as number
    buffer[length++] = byte
    if (byte === 0) buffer[length++] = ESCAPE
  }
  buffer[length++] = 0
}

/**
 * The parts of a key, exactly those of `types`.
 * @throws {CoppiceError} `KEY_INVALID` for every byte string that {@link encodeTuple} does not give for these types.
 */
export function decodeTuple(bytes: Uint8Array, types: readonly PartType[]): KeyPart[] {
  const reader = new TupleReader(bytes)
  const parts: KeyPart[] = []
  for (const type of types) {
    const at = reader.at
    const part = reader.part()
    if (reader.type !== type) throw malformed(`expected a part of type ${type}, got ${reader.type}`, at)
    parts.push(part)
  }
  if (reader.at !== bytes.length) throw malformed(`expected the end of the key after ${types.length} parts`, reader.at)
  return parts
}

/** The parts of a key of unknown types and the types they have; undefined where it is no tuple of ours. */
export function inspectTuple(bytes: Uint8Array): { parts: KeyPart[]; types: PartType[] } | undefined {
  if (bytes.length > KEY_BYTES_MAX) return undefined
  const reader = new TupleReader(bytes)
  const parts: KeyPart[] = []
  const types: PartType[] = []
  try {
    while (reader.at < bytes.length) {
      parts.push(reader.part())
      types.push(reader.type)
    }
  } catch (error) {
    if (error instanceof CoppiceError) return undefined
    throw error
  }
  return { parts, types }
}

function malformed(what: string, at: number): CoppiceError {
  return new CoppiceError('KEY_INVALID', `encoded key: ${what} (byte ${at})`, { details: { at } })
}

class TupleReader {
  at = 0
  /** Of the part read last. */
  type: PartType = 'bytes'
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    if (bytes.length > KEY_BYTES_MAX) throw malformed(`expected at most ${KEY_BYTES_MAX} bytes`, KEY_BYTES_MAX)
    this.#bytes = bytes
  }

  part(): KeyPart {
    const at = this.at
    const code = this.#byte()
    switch (code) {
      case CODE_BYTES:
        this.type = 'bytes'
        return this.#escaped()
      case CODE_TEXT:
        this.type = 'text'
        return this.#text()
      case CODE_DOUBLE:
        this.type = 'number'
        return this.#double()
      case CODE_FALSE:
      case CODE_TRUE:
        this.type = 'boolean'
        return code === CODE_TRUE
    }
    const size = code - CODE_INTEGER_ZERO
    if (Math.abs(size) > INTEGER_BYTES_MAX) throw malformed('expected a type code of a key', at)
    this.type = 'integer'
    return this.#integer(size)
  }

  #byte(): number {
    const byte = this.#bytes[this.at]
    if (byte === undefined) throw malformed('cut short', this.at)
    this.at++
    return byte
  }

  #integer(size: number): number | bigint {
    const begin = this.at
    const flip = size < 0 ? 0xff : 0
    let absolute = 0
    for (let i = 0; i < Math.abs(size); i++) absolute = absolute * 256 + (this.#byte() ^ flip)
    if (size !== 0 && ((this.#bytes[begin] as number) ^ flip) === 0)
      throw malformed('integer with a leading zero', begin)
    if (absolute <= Number.MAX_SAFE_INTEGER) return size < 0 ? -absolute : absolute
    let exact = 0n
    for (let i = begin; i < this.at; i++) exact = (exact << 8n) | BigInt((this.#bytes[i] as number) ^ flip)
    if (size < 0) exact = -exact
    if (exact < INTEGER_MIN || exact > INTEGER_MAX) throw malformed('integer beyond 64 bits', begin)
    return normalizeInteger(exact)
  }

  #double(): number {
    const begin = this.at
    for (let i = 0; i < 8; i++) doubleBytes[i] = this.#byte()
    const first = doubleBytes[0] as number
    if (first >= 0x80) doubleBytes[0] = first ^ 0x80
    else for (let i = 0; i < 8; i++) doubleBytes[i] = (doubleBytes[i] as number) ^ 0xff
    const value = doubleView.getFloat64(0)
    if (Number.isNaN(value) || Object.is(value, -0)) throw malformed('expected a number other than NaN and -0', begin)
    return value
  }

  #text(): string {
    const begin = this.at
    try {
      return utf8Decoder.decode(this.#escaped())
    } catch (error) {
      if (error instanceof CoppiceError) throw error
      throw malformed('text that is not UTF-8', begin)
    }
  }

  /** The bytes up to the terminator, in memory of their own. */
  #escaped(): Uint8Array {
    const begin = this.at
    let zeros = 0
    for (;;) {
      if (this.#byte() !== 0) continue
      if (this.#bytes[this.at] !== ESCAPE) break
      this.at++
      zeros++
    }
    const out = new Uint8Array(this.at - 1 - begin - zeros)
    for (let i = 0, from = begin; i < out.length; i++, from++) {
      const byte = this.#bytes[from] as number
      out[i] = byte
      if (byte === 0) from++
    }
    return out
  }
}
