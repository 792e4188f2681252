/** Questions and answers of proofs in words and as JSON, the same for `prove` and `verify`. */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { decodeDocument, type KeyPart, meaningOfBound, meaningOfKey, renderTreeKey } from '../db/index.ts'
import type { Document, FieldValue } from '../document-model.ts'
import { isCoppiceError } from '../errors.ts'
import { renderKey } from '../escape.ts'
import { formatLink } from '../link.ts'
import { type Change, isValueRef, type KeyRange, type Value } from '../prolly/index.ts'
import type { Answer, Question } from '../proof/index.ts'
import { keyJson } from './diff.ts'
import { rangeOfPrefix, rawRow } from './keys.ts'
import { renderCount, renderCounted } from './render.ts'

type Fields = { readonly [field: string]: FieldValue }

/** So many keys are listed. */
const KEYS_SHOWN_MAX = 20

/** In words; not escaped. */
export function describeQuestion(question: Question): string {
  switch (question.type) {
    case 'get':
      return listKeys(question.keys)
    case 'scan': {
      const { limit, reverse } = question
      const order = reverse === true ? ', from the last to the first' : ''
      return `${describeRange(question)}${order}${limit === undefined ? '' : `, at most ${renderCount(limit)}`}`
    }
    case 'count':
      return `the count of ${describeRange(question)}`
    case 'rank':
      return `the position of ${renderTreeKey(question.key)}`
    case 'at':
      return `the row at position ${renderCount(question.position)}`
    case 'diff':
      return `the changes of ${describeRange(question)}, at most ${renderCount(question.limit)}`
  }
}

/** The question and what is proven about it, on one line; not escaped. */
export function describeOutcome(question: Question, answer: Answer): string {
  switch (question.type) {
    case 'get':
      return describeKeys(answer as Answer<typeof question>)
    case 'scan': {
      const { rows, more } = answer as Answer<typeof question>
      const range = describeRange(question)
      const end = question.reverse === true ? 'last' : 'first'
      return more
        ? `${range}: the ${end} ${renderCounted(rows.length, 'row')}; more follow`
        : `${range}: ${renderCounted(rows.length, 'row')}, and no others`
    }
    case 'count':
      return `${describeQuestion(question)}: ${renderCount((answer as Answer<typeof question>).count)}`
    case 'rank': {
      const { rank, found } = answer as Answer<typeof question>
      return `${describeQuestion(question)}: ${renderCount(rank)}, and it is ${found ? 'there' : 'absent'}`
    }
    case 'at': {
      const { row } = answer as Answer<typeof question>
      return `${describeQuestion(question)}: ${row === undefined ? 'absent' : renderTreeKey(row.key)}`
    }
    case 'diff': {
      const { changes, through } = answer as Answer<typeof question>
      const counted = `the changes of ${describeRange(question)}: ${renderCount(changes.length)}`
      return through === undefined
        ? `${counted}, and no others`
        : `${counted}, complete through ${renderTreeKey(through)}; more may follow`
    }
  }
}

/** Whether what was asked for by its key or position is there, all of it; null for other questions. */
export function isPresent(question: Question, answer: Answer): boolean | null {
  if (question.type === 'get') {
    return (answer as Answer<typeof question>).rows.every(({ value }) => value !== undefined)
  }
  return question.type === 'at' ? (answer as Answer<typeof question>).row !== undefined : null
}

function describeKeys({ rows }: Answer<Extract<Question, { type: 'get' }>>): string {
  const keysOf = (isThere: boolean): Uint8Array[] =>
    rows.filter(({ value }) => (value !== undefined) === isThere).map(({ key }) => key)
  const [there, absent] = [keysOf(true), keysOf(false)]
  if (absent.length === 0) return `${listKeys(there)}: there`
  if (there.length === 0) return `${listKeys(absent)}: absent`
  return `${listKeys(there)}: there; ${listKeys(absent)}: absent`
}

function listKeys(keys: readonly Uint8Array[]): string {
  const shown = keys.slice(0, KEYS_SHOWN_MAX).map(renderTreeKey).join(', ')
  return keys.length > KEYS_SHOWN_MAX ? `${shown}, ... (${renderCounted(keys.length, 'key')})` : shown
}

/** A range as `--prefix`, `--start` and `--end` say it: parts of keys of one collection, or bytes. */
interface RangeWords {
  readonly collection: string | null
  readonly prefix: readonly KeyPart[] | Uint8Array | null
  readonly start: readonly KeyPart[] | Uint8Array | null
  readonly end: readonly KeyPart[] | Uint8Array | null
}

function wordsOf({ start, end }: KeyRange): RangeWords {
  const from = start === undefined ? undefined : meaningOfBound(start)
  // Behind all keys that begin with the same parts; no key ends a range of documents like this.
  const isAfter = end?.at(-1) === 0xff
  const to = end === undefined ? undefined : meaningOfBound(isAfter ? end.subarray(0, -1) : end)
  if (start === undefined || from === undefined || to === undefined || from.collection !== to.collection) {
    const next = start === undefined ? undefined : rangeOfPrefix(start).end
    if (start !== undefined && end !== undefined && next !== undefined && equalBytes(next, end)) {
      return { collection: null, prefix: start, start: null, end: null }
    }
    return { collection: null, prefix: null, start: start ?? null, end: end ?? null }
  }
  const { collection, parts } = from
  if (!isAfter) return { collection, prefix: null, start: nullIfNone(parts), end: to.parts }
  const prefix = nullIfNone(to.parts)
  const isWhole = equalBytes(end.subarray(0, -1), start)
  return { collection, prefix, start: isWhole ? null : nullIfNone(parts), end: null }
}

function nullIfNone(parts: readonly KeyPart[]): readonly KeyPart[] | null {
  return parts.length === 0 ? null : parts
}

function describeRange(range: KeyRange): string {
  const { collection, prefix, start, end } = wordsOf(range)
  const name = (bound: readonly KeyPart[] | Uint8Array): string =>
    bound instanceof Uint8Array ? renderTreeKey(bound) : `${collection}${renderKey(bound)}`
  if (start === null && end === null) {
    if (prefix instanceof Uint8Array) return `the keys whose bytes begin with 0x${bytesToHex(prefix)}`
    if (prefix !== null) return `the keys that begin with ${name(prefix)}`
    return collection === null ? 'all keys' : `all of ${collection}`
  }
  const whole = collection ?? 'the keys'
  const from = start === null ? `the start of ${whole}` : name(start)
  if (end !== null) return `${from} up to ${name(end)}, not included`
  return `${from} to ${prefix === null ? `the end of ${whole}` : `the last that begins with ${name(prefix)}`}`
}

/** As {@link describeQuestion} for programs. */
export function questionJson(question: Question): Fields {
  const { type } = question
  switch (type) {
    case 'get':
      return { type, keys: question.keys.map(placeOf) }
    case 'scan':
      return { type, ...rangeJson(question), limit: question.limit ?? null, reverse: question.reverse === true }
    case 'count':
      return { type, ...rangeJson(question) }
    case 'rank':
      return { type, ...placeOf(question.key) }
    case 'at':
      return { type, position: question.position }
    case 'diff':
      return { type, ...rangeJson(question), limit: question.limit, since: formatLink(question.from) }
  }
}

function rangeJson(range: KeyRange): Fields {
  const { collection, prefix, start, end } = wordsOf(range)
  const json = (bound: readonly KeyPart[] | Uint8Array | null): FieldValue =>
    bound === null ? null : bound instanceof Uint8Array ? bytesToHex(bound) : [...bound]
  return { collection, prefix: json(prefix), start: json(start), end: json(end) }
}

/** What besides the rows is proven, for programs. */
export function outcomeJson(question: Question, answer: Answer): Fields {
  const present = isPresent(question, answer)
  switch (question.type) {
    case 'get': {
      const { rows } = answer as Answer<typeof question>
      return { present, absent: rows.flatMap(({ key, value }) => (value === undefined ? [placeOf(key)] : [])) }
    }
    case 'scan':
      return { present, more: (answer as Answer<typeof question>).more }
    case 'diff': {
      const { through } = answer as Answer<typeof question>
      return { present, through: through === undefined ? null : placeOf(through) }
    }
    default:
      return { present }
  }
}

/** One for each row, as `get --raw` has it, with collection and key where it is a document; numbers where they were asked for. */
export function rowsOf(question: Question, answer: Answer): Fields[] {
  switch (question.type) {
    case 'get':
      return (answer as Answer<typeof question>).rows.flatMap(({ key, value }) =>
        value === undefined ? [] : [rowJson(key, value)],
      )
    case 'scan':
      return (answer as Answer<typeof question>).rows.map(({ key, value }) => rowJson(key, value))
    case 'count':
    case 'rank':
      return [{ ...(answer as Answer<typeof question>) }]
    case 'at': {
      const { row } = answer as Answer<typeof question>
      return row === undefined ? [] : [rowJson(row.key, row.value)]
    }
    case 'diff':
      return (answer as Answer<typeof question>).changes.map(changeJson)
  }
}

function placeOf(key: Uint8Array): Fields {
  const meaning = meaningOfKey(key)
  return meaning?.space === 'document'
    ? { collection: meaning.collection, key: [...meaning.parts] }
    : { key: bytesToHex(key) }
}

function rowJson(key: Uint8Array, value: Value): Fields {
  if (isValueRef(value)) return { ...placeOf(key), cid: formatLink(value.link), size: value.size }
  const document = documentOf(key, value)
  return document === undefined ? rawRow(key, value) : { ...placeOf(key), document }
}

/** Undefined where the key is none of a document, or the bytes are none. */
function documentOf(key: Uint8Array, value: Uint8Array): Document | undefined {
  if (meaningOfKey(key)?.space !== 'document') return undefined
  try {
    return decodeDocument(value)
  } catch (error) {
    if (isCoppiceError(error, 'DOCUMENT_INVALID')) return undefined
    throw error
  }
}

/** As `diff --json` has it. */
function changeJson(change: Change): Fields {
  const { type, key } = change
  const side = (value: Value): FieldValue =>
    isValueRef(value) ? { cid: formatLink(value.link), size: value.size } : (documentOf(key, value) ?? value)
  const from = change.type === 'add' ? null : side(change.from)
  const to = change.type === 'remove' ? null : side(change.to)
  return { ...keyJson(type, key, meaningOfKey(key)), from, to }
}
