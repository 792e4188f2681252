/** Keys on the command line: parts of a primary key by the types of its collection, and raw keys in hexadecimal digits. */
import { bytesToHex, hexToBytes } from '../bytes.ts'
import type { KeyPart, PartType, Schema, Snapshot } from '../db/index.ts'
import { INTEGER_RULE, isInteger64, normalizeInteger, type FieldValue } from '../document-model.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText, quoteText } from '../escape.ts'
import { parseJsonValue } from '../formats/json-text.ts'
import { formatLink } from '../link.ts'
import { type Entry, isValueRef, type KeyRange, RAW_VALUE_BYTES_MAX } from '../prolly/index.ts'
import { renderCounted } from './render.ts'

/** A whole primary key, one argument for each of its fields. @throws {CoppiceError} `KEY_INVALID`. */
export function parseKey(schema: Schema, texts: readonly string[]): KeyPart[] {
  if (texts.length !== schema.key.length) throw keyError(schema, renderCounted(texts.length, 'part'))
  return texts.map((text, i) => parsePart(schema, i, text))
}

/** As {@link parseKey}; undefined where `texts` are no key of the collection. */
export function tryParseKey(schema: Schema, texts: readonly string[]): KeyPart[] | undefined {
  try {
    return parseKey(schema, texts)
  } catch (error) {
    if (isCoppiceError(error, 'KEY_INVALID')) return undefined
    throw error
  }
}

/**
 * The beginning of a primary key as one argument: `NL,2759794` where no part holds a comma (the last may), or a JSON array.
 * @throws {CoppiceError} `KEY_INVALID`.
 */
export function parseKeyStart(schema: Schema, text: string): KeyPart[] {
  if (text.startsWith('[')) return parseJsonParts(text)
  const texts = text.split(',')
  const parts = schema.key.length
  const joined = texts.length <= parts ? texts : [...texts.slice(0, parts - 1), texts.slice(parts - 1).join(',')]
  return joined.map((part, i) => parsePart(schema, i, part))
}

function parseJsonParts(text: string): KeyPart[] {
  const parts = parseJsonValue(text, { line: 1, column: 1 })
  // Their types are the schema's to check.
  return parts as KeyPart[]
}

function parsePart(schema: Schema, index: number, text: string): KeyPart {
  const type = schema.key[index]?.type
  const part = type === undefined ? undefined : partOf(type, text)
  if (part === undefined) {
    const isTooLarge = type === 'integer' && /^-?\d+$/.test(text)
    throw keyError(schema, quoteText(text), isTooLarge ? INTEGER_RULE : describeKey(schema))
  }
  return part
}

function partOf(type: PartType, text: string): KeyPart | undefined {
  switch (type) {
    case 'text':
      return text
    case 'integer': {
      const integer = /^-?\d{1,20}$/.test(text) ? BigInt(text) : undefined
      return isInteger64(integer) && typeof integer === 'bigint' ? normalizeInteger(integer) : undefined
    }
    case 'number':
      return text.trim() === '' || Number.isNaN(Number(text)) ? undefined : Number(text)
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'bytes':
      return hexToBytes(text.replace(/^0x/, ''))
  }
}

/** `country:text id:integer`; escaped. */
export function describeKey(schema: Schema): string {
  return escapeText(schema.key.map(({ field, type }) => `${field}:${type}`).join(' '))
}

function keyError(schema: Schema, got: string, expected: string = describeKey(schema)): CoppiceError {
  return new CoppiceError('KEY_INVALID', `key of ${quoteText(schema.collection)}: expected ${expected}, got ${got}`)
}

/** @throws {CoppiceError} `USAGE`. */
export function parseRawKey(what: string, text: string): Uint8Array {
  const bytes = hexToBytes(text.replace(/^0x/, ''))
  if (bytes === undefined) {
    throw new CoppiceError('USAGE', `${what}: expected a key in hexadecimal digits, got ${quoteText(text)}`)
  }
  return bytes
}

/** What `--prefix`, `--start` and `--end` ask for. */
export interface RangeOptions {
  readonly prefix?: string
  readonly start?: string
  readonly end?: string
}

/** As a range of raw keys. */
export function parseRawRange({ prefix, start, end }: RangeOptions): KeyRange {
  const within = prefix === undefined ? {} : rangeOfPrefix(parseRawKey('--prefix', prefix))
  return {
    ...within,
    ...(start === undefined ? {} : { start: parseRawKey('--start', start) }),
    ...(end === undefined ? {} : { end: parseRawKey('--end', end) }),
  }
}

/** Keys that begin with `prefix`; unbounded above where nothing comes after them. */
export function rangeOfPrefix(prefix: Uint8Array): KeyRange {
  const last = prefix.findLastIndex((byte) => byte !== 0xff)
  if (last < 0) return { start: prefix }
  const end = prefix.slice(0, last + 1)
  end[last] = (end[last] ?? 0) + 1
  return { start: prefix, end }
}

export function parseDocumentRange(
  schema: Schema,
  { prefix, start, end }: RangeOptions,
): { readonly prefix?: KeyPart[]; readonly start?: KeyPart[]; readonly end?: KeyPart[] } {
  return {
    ...(prefix === undefined ? {} : { prefix: parseKeyStart(schema, prefix) }),
    ...(start === undefined ? {} : { start: parseKeyStart(schema, start) }),
    ...(end === undefined ? {} : { end: parseKeyStart(schema, end) }),
  }
}

/** A raw row as `--raw` shows it: a value beyond 1 MiB by its CID and size. */
export async function shownRow(snapshot: Snapshot, { key, value }: Entry): Promise<{ [field: string]: FieldValue }> {
  if (isValueRef(value) && value.size > RAW_VALUE_BYTES_MAX) {
    return { key: bytesToHex(key), cid: formatLink(value.link), size: value.size }
  }
  return rawRow(key, await snapshot.tree.readValue(value))
}

/** A raw row as a line that `put --raw` and `import --raw` read. */
export function rawRow(key: Uint8Array, value: Uint8Array): { [field: string]: FieldValue } {
  return { key: bytesToHex(key), value: bytesToHex(value) }
}
