/** Bytes to documents: total and strict, since they may come from anybody. documents.md, 2. */
import { copyBytes } from '../../bytes.ts'
import { DOCUMENT_DEPTH_MAX, INTEGER_MIN, type Document, type FieldValue } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText } from '../../escape.ts'
import {
  DOCUMENT_BYTES_MAX,
  documentPath,
  isReservedMap,
  MAJOR_ARRAY,
  MAJOR_BYTES,
  MAJOR_MAP,
  MAJOR_NEGATIVE,
  MAJOR_TEXT,
  MAJOR_UNSIGNED,
  SIMPLE_DOUBLE,
  SIMPLE_FALSE,
  SIMPLE_NULL,
  SIMPLE_TRUE,
} from './document-format.ts'

/** Up to this many bytes a loop beats the call into the runtime's decoder. */
const SHORT_TEXT_BYTES = 24

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The document in `bytes`, sharing no memory with them. Integers beyond 2^53 are bigints, its fields stand in stored order.
 * @throws {CoppiceError} `DOCUMENT_INVALID` with `details.at`, an offset, and `details.path`, for all bytes that
 *   `encodeDocument` does not give.
 */
export function decodeDocument(bytes: Uint8Array): Document {
  const decoder = new Decoder(bytes)
  if (bytes.length > DOCUMENT_BYTES_MAX) throw decoder.invalid(`expected at most ${DOCUMENT_BYTES_MAX} bytes`, 0)
  if (((bytes[0] ?? 0) & 0xe0) !== MAJOR_MAP) throw decoder.invalid('expected a map', 0)
  const document = decoder.value(0) as Document
  if (decoder.at !== bytes.length) throw decoder.invalid('expected its end', 0)
  return document
}

class Decoder {
  at = 0
  readonly #bytes: Uint8Array
  readonly #path: (string | number)[] = []

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  value(depth: number): FieldValue {
    const head = this.#bytes[this.at]
    if (head === undefined) throw this.invalid('cut short', depth)
    this.at++
    switch (head & 0xe0) {
      case MAJOR_UNSIGNED:
        return this.#unsigned(head, depth)
      case MAJOR_NEGATIVE:
        return this.#negative(head, depth)
      case MAJOR_BYTES:
        return copyBytes(this.#take(this.#size(head, depth), depth))
      case MAJOR_TEXT:
        return this.#text(this.#size(head, depth), depth)
      case MAJOR_ARRAY:
        return this.#array(this.#size(head, depth), depth)
      case MAJOR_MAP:
        return this.#map(this.#size(head, depth), depth)
    }
    switch (head) {
      case SIMPLE_FALSE:
        return false
      case SIMPLE_TRUE:
        return true
      case SIMPLE_NULL:
        return null
      case SIMPLE_DOUBLE:
        return this.#double(depth)
    }
    throw this.invalid('expected no tag, no simple value but false, true and null, no float but of 64 bits', depth)
  }

  /** The number of a head, which must stand in its shortest form; beyond 2^53 a bigint. */
  #argument(head: number, depth: number): number | bigint {
    const info = head & 0x1f
    if (info < 24) return info
    const count = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0
    if (count === 0) throw this.invalid('expected a definite length', depth)
    const view = this.#take(count, depth)
    let n = 0
    for (let i = 0; i < count; i++) n = n * 256 + (view[i] as number)
    if (n < (count === 1 ? 24 : 2 ** (4 * count))) throw this.invalid('expected the shortest form of a number', depth)
    if (n <= Number.MAX_SAFE_INTEGER) return n
    let exact = 0n
    for (let i = 0; i < 8; i++) exact = (exact << 8n) | BigInt(view[i] as number)
    return exact
  }

  #unsigned(head: number, depth: number): number | bigint {
    return this.#argument(head, depth)
  }

  #negative(head: number, depth: number): number | bigint {
    const n = this.#argument(head, depth)
    if (typeof n === 'number' && n < Number.MAX_SAFE_INTEGER) return -1 - n
    const value = -1n - BigInt(n)
    if (value < INTEGER_MIN) throw this.invalid('expected an integer within 64 bits', depth)
    return value
  }

  /** A length or count: never more than the bytes that are left. */
  #size(head: number, depth: number): number {
    const n = this.#argument(head, depth)
    if (n > this.#bytes.length - this.at) throw this.invalid('cut short', depth)
    return Number(n)
  }

  #take(count: number, depth: number): Uint8Array {
    const end = this.at + count
    if (end > this.#bytes.length) throw this.invalid('cut short', depth)
    const taken = this.#bytes.subarray(this.at, end)
    this.at = end
    return taken
  }

  #double(depth: number): number {
    const eight = this.#take(8, depth)
    const value = new DataView(eight.buffer, eight.byteOffset, 8).getFloat64(0)
    if (!Number.isFinite(value)) throw this.invalid('expected a finite number', depth)
    if (Number.isSafeInteger(value)) throw this.invalid('expected an integral number to stand as an integer', depth)
    return value
  }

  #text(count: number, depth: number): string {
    const begin = this.at
    if (count <= SHORT_TEXT_BYTES) {
      const text = this.#shortAscii(begin, count)
      if (text !== undefined) return text
    }
    try {
      return utf8Decoder.decode(this.#take(count, depth))
    } catch (error) {
      if (error instanceof CoppiceError) throw error
      throw this.invalid('expected UTF-8', depth)
    }
  }

  #shortAscii(begin: number, count: number): string | undefined {
    const end = begin + count
    for (let i = begin; i < end; i++) if ((this.#bytes[i] as number) >= 0x80) return undefined
    this.at = end
    return String.fromCharCode.apply(null, this.#bytes.subarray(begin, end) as unknown as number[])
  }

  #array(count: number, depth: number): FieldValue[] {
    this.#checkDepth(depth)
    const values: FieldValue[] = []
    for (let i = 0; i < count; i++) {
      this.#path[depth] = i
      values.push(this.value(depth + 1))
    }
    return values
  }

  #map(count: number, depth: number): Document {
    this.#checkDepth(depth)
    const map: Record<string, FieldValue> = {}
    let previousBegin = 0
    let previousEnd = 0
    let name = ''
    for (let i = 0; i < count; i++) {
      const begin = this.at
      name = this.#name(depth)
      const end = this.at
      if (i > 0 && !this.#ascends(previousBegin, previousEnd, begin, end)) {
        throw this.invalid('expected ascending field names, each once', depth)
      }
      previousBegin = begin
      previousEnd = end
      this.#path[depth] = name
      setField(map, name, this.value(depth + 1))
    }
    if (count === 1 && isReservedMap(name, map[name])) {
      throw this.invalid('expected no map {"/":{"bytes":...}}, which stands for a byte string', depth)
    }
    return map
  }

  #name(depth: number): string {
    const head = this.#bytes[this.at]
    if (head === undefined) throw this.invalid('cut short', depth)
    if ((head & 0xe0) !== MAJOR_TEXT) throw this.invalid('expected a field name', depth)
    this.at++
    return this.#text(this.#size(head, depth), depth)
  }

  /** Encoded names compare as DAG-CBOR sorts them, since a longer one has a larger head. */
  #ascends(aBegin: number, aEnd: number, bBegin: number, bEnd: number): boolean {
    const bytes = this.#bytes
    for (let a = aBegin, b = bBegin; a < aEnd && b < bEnd; a++, b++) {
      const difference = (bytes[a] as number) - (bytes[b] as number)
      if (difference !== 0) return difference < 0
    }
    return false
  }

  #checkDepth(depth: number): void {
    if (depth >= DOCUMENT_DEPTH_MAX) throw this.invalid(`expected at most ${DOCUMENT_DEPTH_MAX} levels`, depth)
  }

  invalid(what: string, depth: number): CoppiceError {
    const path = documentPath(this.#path.slice(0, depth))
    const place = `byte ${this.at}, at ${escapeText(path) || 'the top'}`
    return new CoppiceError('DOCUMENT_INVALID', `encoded document: ${what} (${place})`, {
      details: { path, at: this.at },
    })
  }
}

/** Own data fields whatever their names: `__proto__` is a field like any other. */
function setField(map: Record<string, FieldValue>, name: string, value: FieldValue): void {
  if (name !== '__proto__') map[name] = value
  else Object.defineProperty(map, name, { value, writable: true, enumerable: true, configurable: true })
}
