/**
 * Questions: what a proof is about (proof.md, 2). They are named as the methods of a tree that answer them. A question has
 * one encoding, and a proof is checked against the question that was asked, byte for byte: a proof of something else,
 * with other bounds for instance, is no proof.
 */
import { compareBytes, equalBytes } from '../bytes.ts'
import { CODEC_DAG_CBOR, isLink, type Link, linkCodec } from '../link.ts'
import { cborArray, cborBytes, cborLink, cborNullable, type CborReader, cborText, cborUint } from '../pointer/cbor.ts'
import type { Change } from '../prolly/diff.ts'
import { KEY_BYTES_MAX } from '../prolly/format.ts'
import type { Entry, Value } from '../prolly/node.ts'
import type { KeyRange } from '../prolly/range.ts'

/** Keys of one question: what one answer can hold, with room to spare. */
export const QUESTION_KEYS_MAX = 4096
/** The longest key and a byte after it: what excludes the key above, or ends the range of all that begin with it. */
const BOUND_BYTES_MAX: number = KEY_BYTES_MAX + 1
const TYPE_BYTES_MAX = 8

interface ValuesOption {
  /** Carry the bytes of values out of line that are one block (at most 1 MiB); else their links and sizes are shown. */
  readonly values?: boolean | undefined
}

/** The values of keys, or that there are none. */
export interface GetQuestion extends ValuesOption {
  readonly type: 'get'
  /** 1 to {@link QUESTION_KEYS_MAX}; answered in key order, repetitions once. */
  readonly keys: readonly Uint8Array[]
}

/** The rows of a range: all of them, or with `limit` the first so many (with `reverse` the last) and whether more follow. */
export interface ScanQuestion extends KeyRange, ValuesOption {
  readonly type: 'scan'
  readonly limit?: number | undefined
  readonly reverse?: boolean | undefined
}

/** How many rows a range has. */
export interface CountQuestion extends KeyRange {
  readonly type: 'count'
}

/** How many rows stand before a key, and whether it is there. */
export interface RankQuestion {
  readonly type: 'rank'
  readonly key: Uint8Array
}

/** The row at a position, 0 being the first. */
export interface AtQuestion extends ValuesOption {
  readonly type: 'at'
  readonly position: number
}

/** The first changes within a range that lead from another root to this one. */
export interface DiffQuestion extends KeyRange, ValuesOption {
  readonly type: 'diff'
  readonly from: Link
  readonly limit: number
}

export type Question = GetQuestion | ScanQuestion | CountQuestion | RankQuestion | AtQuestion | DiffQuestion

interface Answers {
  /** In key order; `value` undefined where the key is absent. */
  readonly get: { readonly rows: readonly { readonly key: Uint8Array; readonly value: Value | undefined }[] }
  readonly scan: {
    readonly rows: readonly Entry[]
    /** Whether the range has rows beyond the `limit`. */
    readonly more: boolean
  }
  readonly count: { readonly count: number }
  readonly rank: { readonly rank: number; readonly found: boolean }
  /** Undefined beyond the last row. */
  readonly at: { readonly row: Entry | undefined }
  readonly diff: {
    readonly changes: readonly Change[]
    /** The changes are complete up to this key, itself included; undefined where they are up to the end of the range. */
    readonly through: Uint8Array | undefined
  }
}

/** Keys and values are views of the proof's bytes. */
export type Answer<Q extends Question = Question> = Answers[Q['type']]

/** @throws {RangeError} for a question that cannot be asked. */
export function encodeQuestion(question: Question): Uint8Array {
  const type = cborText(question.type)
  switch (question.type) {
    case 'get':
      return cborArray([type, encodeFlag(question.values), encodeKeys(question.keys)])
    case 'scan': {
      const { limit = null, reverse, values } = question
      const bound = cborNullable(limit, encodeLimit)
      return cborArray([type, encodeFlag(values), ...encodeRange(question), bound, encodeFlag(reverse)])
    }
    case 'count':
      return cborArray([type, ...encodeRange(question)])
    case 'rank':
      return cborArray([type, encodeKey(question.key)])
    case 'at':
      return cborArray([type, encodeFlag(question.values), cborUint(question.position)])
    case 'diff': {
      const { from, limit, values } = question
      if (!isNodeLink(from)) throw new RangeError('from: expected the link of a root')
      const parts = [cborLink(from), ...encodeRange(question), encodeLimit(limit)]
      return cborArray([type, encodeFlag(values), ...parts])
    }
  }
}

export function equalQuestions(a: Question, b: Question): boolean {
  return equalBytes(encodeQuestion(a), encodeQuestion(b))
}

/** Reads the one encoding of a question; fails with the reader's error. */
export function readQuestion(reader: CborReader): Question {
  const length = reader.array('question', 2, 6)
  const type = reader.text('question', TYPE_BYTES_MAX)
  const elements = (expected: number): void => {
    if (length !== expected) reader.fail(`question ${type}: expected ${expected} elements, got ${length}`)
  }
  switch (type) {
    case 'get':
      elements(3)
      return { type, values: readFlag(reader, 'values'), keys: readKeys(reader) }
    case 'scan': {
      elements(6)
      const values = readFlag(reader, 'values')
      const range = readRange(reader)
      const limit = reader.nullable(() => readLimit(reader)) ?? undefined
      return { type, values, ...range, limit, reverse: readFlag(reader, 'reverse') }
    }
    case 'count':
      elements(3)
      return { type, ...readRange(reader) }
    case 'rank':
      elements(2)
      return { type, key: reader.bytes('key', 0, KEY_BYTES_MAX) }
    case 'at':
      elements(3)
      return { type, values: readFlag(reader, 'values'), position: reader.uint('position', 0, Number.MAX_SAFE_INTEGER) }
    case 'diff': {
      elements(6)
      const values = readFlag(reader, 'values')
      const from = reader.link('from', CODEC_DAG_CBOR)
      const range = readRange(reader)
      return { type, values, from, ...range, limit: readLimit(reader) }
    }
    default:
      return reader.fail('question: expected get, scan, count, rank, at or diff')
  }
}

function encodeFlag(flag: boolean | undefined): Uint8Array {
  return cborUint(flag === true ? 1 : 0)
}

function readFlag(reader: CborReader, field: string): boolean {
  return reader.uint(field, 0, 1) === 1
}

function encodeKey(key: Uint8Array): Uint8Array {
  if (key.length > KEY_BYTES_MAX)
    throw new RangeError(`key: expected at most ${KEY_BYTES_MAX} bytes, got ${key.length}`)
  return cborBytes(key)
}

/** In order and each once. */
function encodeKeys(keys: readonly Uint8Array[]): Uint8Array {
  const sorted = keys.toSorted(compareBytes)
  const distinct = sorted.filter((key, i) => i === 0 || !equalBytes(key, sorted[i - 1] as Uint8Array))
  if (distinct.length === 0 || distinct.length > QUESTION_KEYS_MAX) {
    throw new RangeError(`keys: expected 1 to ${QUESTION_KEYS_MAX}, got ${distinct.length}`)
  }
  return cborArray(distinct.map(encodeKey))
}

function readKeys(reader: CborReader): Uint8Array[] {
  const count = reader.array('keys', 1, QUESTION_KEYS_MAX)
  const keys: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const key = reader.bytes(`keys[${i}]`, 0, KEY_BYTES_MAX)
    const before = keys.at(-1)
    if (before !== undefined && compareBytes(before, key) >= 0) reader.fail('keys: expected them in order, each once')
    keys.push(key)
  }
  return keys
}

function encodeRange({ start, end }: KeyRange): [Uint8Array, Uint8Array] {
  if (start !== undefined && end !== undefined && compareBytes(start, end) >= 0) {
    throw new RangeError('range: expected a start below the end')
  }
  return [cborNullable(start ?? null, encodeBound), cborNullable(end ?? null, encodeBound)]
}

function encodeBound(bound: Uint8Array): Uint8Array {
  if (bound.length > BOUND_BYTES_MAX) {
    throw new RangeError(`range: expected bounds of at most ${BOUND_BYTES_MAX} bytes, got ${bound.length}`)
  }
  return cborBytes(bound)
}

function readRange(reader: CborReader): KeyRange {
  const start = reader.nullable(() => reader.bytes('start', 0, BOUND_BYTES_MAX)) ?? undefined
  const end = reader.nullable(() => reader.bytes('end', 0, BOUND_BYTES_MAX)) ?? undefined
  if (start !== undefined && end !== undefined && compareBytes(start, end) >= 0) {
    reader.fail('range: expected a start below the end')
  }
  return { start, end }
}

function encodeLimit(limit: number): Uint8Array {
  if (limit < 1) throw new RangeError(`limit: expected at least 1, got ${limit}`)
  return cborUint(limit)
}

function readLimit(reader: CborReader): number {
  return reader.uint('limit', 1, Number.MAX_SAFE_INTEGER)
}

function isNodeLink(link: Uint8Array): link is Link {
  return isLink(link) && linkCodec(link) === CODEC_DAG_CBOR
}
