/** Documents to bytes. documents.md, 2. */
import { DOCUMENT_DEPTH_MAX, isInteger64 } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText, excerptOf } from '../../escape.ts'
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

const BUFFER_BYTES = 64 * 1024
/** Of one number, or of a head. */
const HEAD_BYTES_MAX = 9
/** Up to this many UTF-16 units a loop beats the call into the runtime's encoder. */
const SHORT_TEXT_UNITS = 48

const utf8Encoder = new TextEncoder()

/**
 * The bytes of `document`: a plain object of null, booleans, numbers, bigints within 64 bits, text, byte strings,
 * arrays and plain objects. Its own enumerable fields count, symbols do not. The bytes belong to the caller.
 * @throws {CoppiceError} `DOCUMENT_INVALID` with `details.path`, a JSON pointer to what a document cannot hold;
 *   `VALUE_TOO_LARGE` over 16 MiB.
 */
export function encodeDocument(document: unknown): Uint8Array {
  // A getter of the caller may come back here while the encoder is busy: that call gets an encoder of its own.
  const encoder = idle ?? new Encoder()
  idle = undefined
  try {
    return encoder.encode(document)
  } finally {
    idle = encoder
  }
}

let idle: Encoder | undefined

class Encoder {
  #bytes = new Uint8Array(BUFFER_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  /** The fields and indexes from the document to the value being written, its first `depth` elements. */
  readonly #path: (string | number)[] = []

  encode(document: unknown): Uint8Array {
    this.#at = 0
    if (!isPlainObject(document)) throw this.#invalid(document, 'a plain object', 0)
    this.#map(document, 0)
    if (this.#at > DOCUMENT_BYTES_MAX) throw tooLarge(this.#at)
    const out = this.#bytes.slice(0, this.#at)
    if (this.#bytes.length > BUFFER_BYTES) this.#allocate(BUFFER_BYTES)
    return out
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        if (!this.#text(value)) throw this.#invalid(value, 'well-formed Unicode (no lone surrogates)', depth)
        return
      case 'number':
        return this.#number(value, depth)
      case 'boolean':
        this.#reserve(1)
        this.#bytes[this.#at++] = value ? SIMPLE_TRUE : SIMPLE_FALSE
        return
      case 'bigint':
        return this.#bigint(value, depth)
      case 'object':
        return this.#object(value, depth)
      default:
        throw this.#invalid(value, 'a value of a document', depth)
    }
  }

  #object(value: object | null, depth: number): void {
    if (value === null) {
      this.#reserve(1)
      this.#bytes[this.#at++] = SIMPLE_NULL
    } else if (Array.isArray(value)) {
      this.#array(value, depth)
    } else if (value instanceof Uint8Array) {
      this.#head(MAJOR_BYTES, value.length)
      this.#reserve(value.length)
      this.#bytes.set(value, this.#at)
      this.#at += value.length
    } else if (isPlainObject(value)) {
      this.#map(value, depth)
    } else {
      throw this.#invalid(value, 'a value of a document', depth)
    }
  }

  #array(values: readonly unknown[], depth: number): void {
    this.#checkDepth(values, depth)
    this.#head(MAJOR_ARRAY, values.length)
    for (let i = 0; i < values.length; i++) {
      this.#path[depth] = i
      this.#value(values[i], depth + 1)
    }
  }

  #map(map: Readonly<Record<string, unknown>>, depth: number): void {
    this.#checkDepth(map, depth)
    const names = Object.keys(map)
    if (names.length > 1) sortNames(names)
    else if (names.length === 1 && isReservedMap(names[0] as string, map[names[0] as string])) {
      throw this.#invalid(map, 'a map other than {"/":{"bytes":...}}, which stands for a byte string', depth)
    }
    this.#head(MAJOR_MAP, names.length)
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string
      this.#path[depth] = name
      if (!this.#text(name)) throw this.#invalid(name, 'a field name of well-formed Unicode', depth + 1)
      this.#value(map[name], depth + 1)
    }
  }

  #checkDepth(value: object, depth: number): void {
    if (depth >= DOCUMENT_DEPTH_MAX) {
      throw this.#invalid(value, `at most ${DOCUMENT_DEPTH_MAX} levels and no cycle`, depth)
    }
  }

  #number(value: number, depth: number): void {
    if (Number.isSafeInteger(value)) {
      if (value >= 0) this.#head(MAJOR_UNSIGNED, value)
      else this.#head(MAJOR_NEGATIVE, -1 - value)
      return
    }
    if (!Number.isFinite(value)) throw this.#invalid(value, 'a finite number', depth)
    this.#reserve(HEAD_BYTES_MAX)
    this.#bytes[this.#at] = SIMPLE_DOUBLE
    this.#view.setFloat64(this.#at + 1, value)
    this.#at += 9
  }

  #bigint(value: bigint, depth: number): void {
    if (!isInteger64(value)) throw this.#invalid(value, 'an integer within 64 bits', depth)
    const number = Number(value)
    if (Number.isSafeInteger(number)) return this.#number(number, depth)
    this.#reserve(HEAD_BYTES_MAX)
    this.#bytes[this.#at] = (value < 0n ? MAJOR_NEGATIVE : MAJOR_UNSIGNED) | 27
    this.#view.setBigUint64(this.#at + 1, value < 0n ? -1n - value : value)
    this.#at += 9
  }

  /** False, with nothing written, where `text` has a lone surrogate. */
  #text(text: string): boolean {
    const units = text.length
    if (units <= SHORT_TEXT_UNITS) {
      this.#head(MAJOR_TEXT, units)
      this.#reserve(units)
      const bytes = this.#bytes
      let at = this.#at
      let i = 0
      for (; i < units; i++) {
        const code = text.charCodeAt(i)
        if (code >= 0x80) break
        bytes[at++] = code
      }
      if (i === units) {
        this.#at = at
        return true
      }
      this.#at -= headBytes(units)
    }
    return text.isWellFormed() && this.#longText(text)
  }

  #longText(text: string): true {
    // A unit takes at most three bytes. The head is as long as the text's bytes need, known only afterwards.
    this.#reserve(HEAD_BYTES_MAX + text.length * 3)
    const guess = headBytes(text.length)
    const begin = this.#at
    const { written } = utf8Encoder.encodeInto(text, this.#bytes.subarray(begin + guess))
    const needed = headBytes(written)
    if (needed !== guess) this.#bytes.copyWithin(begin + needed, begin + guess, begin + guess + written)
    this.#head(MAJOR_TEXT, written)
    this.#at += written
    return true
  }

  /** `n` is a safe integer >= 0. */
  #head(major: number, n: number): void {
    this.#reserve(HEAD_BYTES_MAX)
    const bytes = this.#bytes
    if (n < 24) {
      bytes[this.#at++] = major | n
    } else if (n < 2 ** 8) {
      bytes[this.#at++] = major | 24
      bytes[this.#at++] = n
    } else if (n < 2 ** 16) {
      bytes[this.#at++] = major | 25
      bytes[this.#at++] = n >>> 8
      bytes[this.#at++] = n
    } else if (n < 2 ** 32) {
      bytes[this.#at++] = major | 26
      this.#view.setUint32(this.#at, n)
      this.#at += 4
    } else {
      bytes[this.#at++] = major | 27
      this.#view.setUint32(this.#at, Math.floor(n / 2 ** 32))
      this.#view.setUint32(this.#at + 4, n >>> 0)
      this.#at += 8
    }
  }

  /** Room for `count` bytes more. What is far over the limit stops here, before it takes any memory. */
  #reserve(count: number): void {
    const needed = this.#at + count
    if (needed <= this.#bytes.length) return
    if (this.#at > DOCUMENT_BYTES_MAX || count > 4 * DOCUMENT_BYTES_MAX) throw tooLarge(needed)
    const old = this.#bytes
    this.#allocate(Math.max(needed, 2 * old.length))
    this.#bytes.set(old.subarray(0, this.#at))
  }

  #allocate(count: number): void {
    this.#bytes = new Uint8Array(count)
    this.#view = new DataView(this.#bytes.buffer)
  }

  #invalid(value: unknown, expected: string, depth: number): CoppiceError {
    const path = documentPath(this.#path.slice(0, depth))
    return new CoppiceError(
      'DOCUMENT_INVALID',
      `document: expected ${expected}, got ${describe(value)} (at ${escapeText(path) || 'the top'})`,
      { details: { path } },
    )
  }
}

function tooLarge(bytes: number): CoppiceError {
  return new CoppiceError(
    'VALUE_TOO_LARGE',
    `document: expected at most ${DOCUMENT_BYTES_MAX} bytes, got ${bytes} or more`,
    {
      details: { bytesMax: DOCUMENT_BYTES_MAX },
    },
  )
}

function headBytes(n: number): number {
  return n < 24 ? 1 : n < 2 ** 8 ? 2 : n < 2 ** 16 ? 3 : 5
}

/** Object literals, JSON's objects and objects without a prototype, also those of another realm; no class instances. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || isForeignObjectPrototype(prototype as object)
}

function isForeignObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** Shorter names first, equally long ones by their bytes: the order of DAG-CBOR. Most maps have few fields, in order. */
function sortNames(names: string[]): void {
  if (names.length > 32) {
    names.sort(compareNames)
    return
  }
  for (let i = 1; i < names.length; i++) {
    const name = names[i] as string
    let j = i
    for (; j > 0 && compareNames(names[j - 1] as string, name) > 0; j--) names[j] = names[j - 1] as string
    names[j] = name
  }
}

function compareNames(a: string, b: string): number {
  if (!isAscii(a) || !isAscii(b)) return compareUtf8(a, b)
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}

function isAscii(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) >= 0x80) return false
  return true
}

function compareUtf8(a: string, b: string): number {
  const x = utf8Encoder.encode(a)
  const y = utf8Encoder.encode(b)
  if (x.length !== y.length) return x.length - y.length
  for (let i = 0; i < x.length; i++) {
    const difference = (x[i] as number) - (y[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `"${excerptOf(value)}"`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  const name: unknown = (Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null)?.constructor?.name
  return typeof name === 'string' && name !== '' && name !== 'Object' ? `an instance of ${excerptOf(name)}` : 'a map'
}
