/**
 * Documents as JSON text, exactly. documents.md, 4. A number written with digits alone is an integer and exact within 64
 * bits; one with a point or an exponent is a double; byte strings are DAG-JSON's `{"/":{"bytes":"base64"}}`. Reading what
 * was written gives an equal document. Refused: equal names in one map, integers beyond 64 bits, doubles out of range.
 */
import { DOCUMENT_DEPTH_MAX, type Document, type FieldValue } from '../document-model.ts'
import { assert } from '../errors.ts'
import { endOfString, hasEscapedName, readValidJson } from './json-read.ts'
import { findJsonProblem } from './json-scan.ts'
import { describeCharacter, placeIn, syntaxError, type Place } from './place.ts'

/** Only a text with one of these can hold a number that `JSON.parse` rounds or turns into infinity. */
const NEEDS_EXACT_NUMBERS = /[0-9]{16}|[0-9][eE]\+?[0-9]{3}/
const MAY_HOLD_BYTES = /"(?:\/|\\\/|\\u002[fF])"/
const DIGITS = /^-?[0-9]+$/
const BASE64 = /^[A-Za-z0-9+/]*$/

/**
 * The JSON object in `text`, which begins at `place` in its input.
 * @throws {CoppiceError} `INPUT_SYNTAX` with line and column of the first problem.
 */
export function parseJsonDocument(text: string, place: Place): Document {
  const value = parseJsonValue(text, place)
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)) {
    return value as Document
  }
  const at = text.search(/[^ \t\n\r]/)
  throw syntaxError(placeIn(place, text, at), 'a JSON object', describeCharacter(text, at), text, at)
}

/** As {@link parseJsonDocument} for any JSON value. */
export function parseJsonValue(text: string, place: Place): FieldValue {
  let value: unknown
  try {
    value = NEEDS_EXACT_NUMBERS.test(text) ? JSON.parse(text, reviveExactly as Reviver) : JSON.parse(text)
  } catch {
    throw problemIn(text, place)
  }
  let fields = countFields(value, 0)
  if (fields === undefined) {
    throw syntaxError(place, `at most ${DOCUMENT_DEPTH_MAX} levels of maps and arrays`, 'more', text)
  }
  if (fields > 0 && hasEscapedName(text)) {
    value = readValidJson(text, (source) => JSON.parse(source, reviveExactly as Reviver))
    fields = countFields(value, 0)
  }
  if (fields !== 0 && fields !== countNames(text)) throw problemIn(text, place)
  return MAY_HOLD_BYTES.test(text) ? withBytes(value as FieldValue, place) : (value as FieldValue)
}

function problemIn(text: string, place: Place): Error {
  const problem = findJsonProblem(text)
  assert(problem !== undefined, 'JSON.parse refused a text in which nothing is wrong')
  return syntaxError(placeIn(place, text, problem.at), problem.expected, problem.got, text, problem.at)
}

type Reviver = (name: string, value: unknown) => unknown

/** Throws on numbers that cannot be exact; the scanner then says where. */
function reviveExactly(_name: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined) return value
  if (!Number.isFinite(value)) throw new RangeError('out of range')
  if (Number.isSafeInteger(value) || !DIGITS.test(context.source)) return value
  if (context.source.length > 20) throw new RangeError('beyond 64 bits')
  const integer = BigInt(context.source)
  if (BigInt.asUintN(64, integer) !== integer && BigInt.asIntN(64, integer) !== integer) {
    throw new RangeError('beyond 64 bits')
  }
  return integer
}

/** Fields of all maps in `value`; undefined where it is too deep. */
function countFields(value: unknown, depth: number): number | undefined {
  if (typeof value !== 'object' || value === null) return 0
  if (depth >= DOCUMENT_DEPTH_MAX) return undefined
  const isMap = !Array.isArray(value)
  const values: readonly unknown[] = isMap ? Object.values(value) : value
  let fields = isMap ? values.length : 0
  for (const each of values) {
    if (typeof each !== 'object' || each === null) continue
    const below = countFields(each, depth + 1)
    if (below === undefined) return undefined
    fields += below
  }
  return fields
}

/** Names in all maps of a valid JSON text: its colons outside of strings. */
function countNames(text: string): number {
  let names = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x3a) names++
    else if (code === 0x22) i = endOfString(text, i + 1)
  }
  return names
}

/** `value` with every `{"/":{"bytes":text}}` as the byte string it stands for. */
function withBytes(value: FieldValue, place: Place): FieldValue {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map((each: FieldValue) => withBytes(each, place))
  const map = value as Document
  const encoded = bytesTextOf(map)
  if (encoded !== undefined) {
    const bytes = Buffer.from(encoded, 'base64')
    if (!BASE64.test(encoded) || toBase64(bytes) !== encoded) {
      throw syntaxError(place, 'base64 without padding in {"/":{"bytes":...}}', 'other text', encoded)
    }
    return new Uint8Array(bytes)
  }
  for (const name of Object.keys(map)) {
    const field = map[name] as FieldValue
    const replaced = withBytes(field, place)
    if (replaced !== field) Object.defineProperty(map, name, { value: replaced })
  }
  return map
}

function bytesTextOf(map: Document): string | undefined {
  const names = Object.keys(map)
  const inner = map['/']
  if (names.length !== 1 || typeof inner !== 'object' || inner === null || Array.isArray(inner)) return undefined
  const innerNames = Object.keys(inner)
  const text = (inner as { bytes?: unknown }).bytes
  return innerNames.length === 1 && typeof text === 'string' ? text : undefined
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64').replace(/=+$/, '')
}

/** `value` on one line, such that {@link parseJsonValue} gives an equal one. Fields in the order they have. */
export function stringifyJson(value: FieldValue): string {
  return isPlainJson(value) ? JSON.stringify(value) : stringifyExactly(value)
}

/** Whether `JSON.stringify` writes all of `value` as it should stand. */
function isPlainJson(value: FieldValue): boolean {
  if (typeof value === 'bigint') return false
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return true
  if (value instanceof Uint8Array) return false
  return (Array.isArray(value) ? value : Object.values(value)).every(isPlainJson)
}

function stringifyExactly(value: FieldValue): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return stringifyNumber(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (value instanceof Uint8Array) return `{"/":{"bytes":"${toBase64(value)}"}}`
  if (Array.isArray(value)) return `[${value.map(stringifyExactly).join(',')}]`
  const fields = Object.entries(value as Document)
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${stringifyExactly(field)}`).join(',')}}`
}

/** An integral double beyond 2^53 gets a point, so that it does not come back as an integer. */
export function stringifyNumber(value: number): string {
  const text = JSON.stringify(value)
  return Number.isInteger(value) && !Number.isSafeInteger(value) && DIGITS.test(text) ? `${text}.0` : text
}
