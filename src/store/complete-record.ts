/**
 * Completeness records as bytes: what a store keeps under a subtree's link, so the link is the key and not in here.
 *
 *     version and spine   0x10, or 0x11 where the spine is closed
 *     level + 1           one byte, 0 for a value, at most 33
 *     entries, bytes      unsigned LEB128, shortest form, at most 2^53-1
 *     first key           LEB128 length, bytes
 *     last key            LEB128 length of the prefix it shares with the first key (as long as possible), then of the rest; the rest
 *
 * Decoding is total and strict: exactly the encoder's bytes or undefined. A record is only ever our own work, but a
 * damaged one would let a sync skip what is not there, so nothing doubtful is believed.
 */
import type { Link } from '../link.ts'
import type { CompleteRecord } from './interface.ts'

const RECORD_VERSION = 0x10
const SPINE_CLOSED = 0x01
/** Level -1 is a value; trees are at most 32 levels high (tree.md, 2). */
const LEVEL_MIN = -1
const LEVEL_MAX = 32
const KEY_BYTES_MAX = 1024

/** @throws {RangeError} where a field is outside its bounds: a record is made from a verified node, so that is a bug of the caller. */
export function encodeCompleteRecord(record: CompleteRecord): Uint8Array {
  const { level, entries, bytes, firstKey, lastKey } = record
  if (!Number.isInteger(level) || level < LEVEL_MIN || level > LEVEL_MAX) {
    throw new RangeError(`completeness record: level ${level}`)
  }
  if (firstKey.length > KEY_BYTES_MAX || lastKey.length > KEY_BYTES_MAX) {
    throw new RangeError(`completeness record: keys of ${firstKey.length} and ${lastKey.length} bytes`)
  }
  const shared = sharedPrefix(firstKey, lastKey)
  const rest = lastKey.length - shared
  const numbers = numberLength(entries) + numberLength(bytes) + numberLength(firstKey.length)
  const out = new Uint8Array(2 + numbers + firstKey.length + numberLength(shared) + numberLength(rest) + rest)
  out[0] = RECORD_VERSION | (record.spineClosed ? SPINE_CLOSED : 0)
  out[1] = level + 1
  let at = putNumber(out, 2, entries)
  at = putNumber(out, at, bytes)
  at = putNumber(out, at, firstKey.length)
  out.set(firstKey, at)
  at = putNumber(out, at + firstKey.length, shared)
  at = putNumber(out, at, rest)
  for (let i = shared; i < lastKey.length; i++) out[at++] = lastKey[i] as number
  return out
}

/** The record kept under `link`, undefined where `encoded` is not exactly what {@link encodeCompleteRecord} writes. */
export function decodeCompleteRecord(link: Link, encoded: Uint8Array): CompleteRecord | undefined {
  const head = encoded[0]
  const level = encoded[1]
  if (head === undefined || level === undefined) return undefined
  if ((head & ~SPINE_CLOSED) !== RECORD_VERSION || level > LEVEL_MAX + 1) return undefined
  const cursor: Cursor = { bytes: encoded, at: 2 }
  const entries = takeNumber(cursor)
  const bytes = takeNumber(cursor)
  const firstKey = takeKey(cursor, 0)
  const shared = takeNumber(cursor)
  if (entries === undefined || bytes === undefined || firstKey === undefined || shared === undefined) return undefined
  const rest = takeKey(cursor, shared)
  if (rest === undefined || shared > firstKey.length || cursor.at !== encoded.length) return undefined
  const lastKey = new Uint8Array(shared + rest.length)
  lastKey.set(firstKey.subarray(0, shared))
  lastKey.set(rest, shared)
  if (sharedPrefix(firstKey, lastKey) !== shared) return undefined
  return { link, level: level - 1, entries, bytes, firstKey, lastKey, spineClosed: (head & SPINE_CLOSED) !== 0 }
}

interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

function sharedPrefix(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length)
  let at = 0
  while (at < end && a[at] === b[at]) at++
  return at
}

function numberLength(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`completeness record: number ${value}`)
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++
  return length
}

/** Gives the offset behind it. */
function putNumber(out: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = value
  while (rest >= 0x80) {
    out[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  out[at] = rest
  return at + 1
}

function takeNumber(cursor: Cursor): number | undefined {
  let value = 0
  for (let scale = 1; ; scale *= 0x80) {
    const byte = cursor.bytes[cursor.at++]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * scale
    if (value > Number.MAX_SAFE_INTEGER) return undefined
    // A last group of zero is a longer form of the same number.
    if (byte < 0x80) return byte === 0 && scale > 1 ? undefined : value
  }
}

/** A length and as many bytes, `before` of the key's bound being used up. */
function takeKey(cursor: Cursor, before: number): Uint8Array | undefined {
  const length = takeNumber(cursor)
  if (length === undefined || before + length > KEY_BYTES_MAX || cursor.at + length > cursor.bytes.length)
    return undefined
  return cursor.bytes.slice(cursor.at, (cursor.at += length))
}
