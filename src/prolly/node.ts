/**
 * Nodes: the blocks of a tree (tree.md, 2), read in place.
 *
 *     leaf     = [0,     [key...], [value...]]                           value = bytes | [CID, size]
 *     internal = [level, [key...], [CID...], [count...], [bytes...]]     level >= 1
 *
 * A Node is a view: offsets into the block, no object per entry. Decoding is strict, so a block that decodes is the
 * one encoding of what it says. It checks the shape only; where a node may stand is verify.ts.
 */
import { compareBytes, equalRanges } from '../bytes.ts'
import { CODEC_DAG_CBOR, CODEC_DAG_PB, CODEC_RAW, LINK_BYTES, type Link } from '../link.ts'
import {
  DecodeFailure,
  hasLinkHead,
  HeadReader,
  headLength,
  LINK_ENCODED_BYTES,
  LINK_HEAD,
  MAJOR_ARRAY,
  MAJOR_BYTES,
  MAJOR_UINT,
} from './cbor.ts'
import { KEY_BYTES_MAX, LEVEL_MAX, NODE_BYTES_MAX } from './format.ts'

/** A value that stands out of line: the link of its bytes and their length. */
export interface ValueRef {
  readonly link: Link
  readonly size: number
}

/** The bytes of an inline value, or where an out-of-line one is found. */
export type Value = Uint8Array | ValueRef

/** `key` and inline values are views of a block: copy what is kept for long. */
export interface Entry {
  readonly key: Uint8Array
  readonly value: Value
}

/**
 * Where entry `i` stands in a block, in one small integer: its encoded key at `places[i] >>> PLACE_BITS`, its encoded value
 * (leaf) or link (internal) at `places[i] & PLACE_MASK`; the last place is the ends of both. A plain array: a typed one
 * of this size costs more to make than to fill.
 */
type Places = readonly number[]

const PLACE_BITS = 15
const PLACE_MASK = 0x7fff

export class Node {
  /** The whole block. */
  readonly bytes: Uint8Array
  readonly level: number
  /** Entries in this node: rows of a leaf, children of an internal node. */
  readonly length: number
  /** Entries in the leaves below; `length` for a leaf. */
  readonly entries: number
  /** This block's length and all that lies below: what a parent says of it. */
  readonly totalBytes: number
  /** For the NodeReader that holds this node: the children it found in its present generation, by index. */
  children: (Node | undefined)[] | undefined
  generation = 0
  readonly #places: Places
  readonly #counts: readonly number[]
  readonly #sizes: readonly number[]

  private constructor(bytes: Uint8Array, level: number, body: Body) {
    this.bytes = bytes
    this.level = level
    this.length = body.places.length - 1
    this.#places = body.places
    this.#counts = body.counts
    this.#sizes = body.sizes
    this.entries = level === 0 ? this.length : sum(body.counts)
    this.totalBytes = bytes.length + sum(body.sizes)
    if (this.totalBytes > Number.MAX_SAFE_INTEGER) throw new DecodeFailure('expected sums of at most 2^53-1')
  }

  /** @throws {DecodeFailure} when `bytes` are not the one encoding of a node. Total: no other error, bounded work. */
  static decode(bytes: Uint8Array): Node {
    if (bytes.length > NODE_BYTES_MAX)
      throw new DecodeFailure(`expected at most ${NODE_BYTES_MAX} bytes, got ${bytes.length}`)
    const reader = new HeadReader(bytes)
    const parts = reader.head(MAJOR_ARRAY, 'an array of 3 or 5')
    if (parts !== 3 && parts !== 5) throw new DecodeFailure(`expected an array of 3 or 5, got ${parts} elements`)
    const level = reader.head(MAJOR_UINT, 'a level')
    if (level > LEVEL_MAX) throw new DecodeFailure(`expected a level of at most ${LEVEL_MAX}, got ${level}`)
    if ((level === 0) !== (parts === 3))
      throw new DecodeFailure(`expected ${level === 0 ? 3 : 5} elements at level ${level}, got ${parts}`)
    const body = level === 0 ? decodeLeaf(reader) : decodeInternal(reader)
    if (reader.at !== bytes.length) reader.fail('the end of the block')
    return new Node(bytes, level, body)
  }

  /** Offset of the encoded key, head included; of `length`, the end of the last. */
  keyEncodedStart(i: number): number {
    return (this.#places[i] as number) >>> PLACE_BITS
  }

  /** Offset of the bytes of key `i` in the block. They end at {@link keyEnd}. */
  keyStart(i: number): number {
    const start = this.keyEncodedStart(i)
    const length = this.keyEncodedStart(i + 1) - start
    return start + (length <= 24 ? 1 : length <= 257 ? 2 : 3)
  }

  keyEnd(i: number): number {
    return this.keyEncodedStart(i + 1)
  }

  /** A view of the block. */
  key(i: number): Uint8Array {
    return this.bytes.subarray(this.keyStart(i), this.keyEnd(i))
  }

  /** Undefined for the empty root. */
  get lastKey(): Uint8Array | undefined {
    return this.length === 0 ? undefined : this.key(this.length - 1)
  }

  /** Sign as of `compareBytes(key(i), key)`, without a view. */
  compareKey(i: number, key: Uint8Array): number {
    const { bytes } = this
    const start = this.keyStart(i)
    const own = this.keyEnd(i) - start
    const length = Math.min(own, key.length)
    for (let j = 0; j < length; j++) {
      const difference = (bytes[start + j] as number) - (key[j] as number)
      if (difference !== 0) return difference
    }
    return own - key.length
  }

  /** The first index from `from` on whose key is at or above `key`; `length` where there is none. */
  lowerBound(key: Uint8Array, from = 0): number {
    let low = from
    let high = this.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.compareKey(middle, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Offset of encoded value `i` (leaf) or link `i` (internal); of `length`, the end of the last. */
  valueEncodedStart(i: number): number {
    return (this.#places[i] as number) & PLACE_MASK
  }

  /** Length of entry `i` as the splitter counts it: its encoded parts, no array heads of the node. */
  entryLength(i: number): number {
    return this.entriesLength(i, i + 1)
  }

  /** The sum of {@link entryLength} from `from` up to `to`. */
  entriesLength(from: number, to: number): number {
    const keys = this.keyEncodedStart(to) - this.keyEncodedStart(from)
    let length = keys + this.valueEncodedStart(to) - this.valueEncodedStart(from)
    if (this.level === 0) return length
    for (let i = from; i < to; i++) {
      length += headLength(this.#counts[i] as number) + headLength(this.#sizes[i] as number)
    }
    return length
  }

  // Leaves

  isInline(i: number): boolean {
    return (this.bytes[this.valueEncodedStart(i)] as number) >> 5 === MAJOR_BYTES
  }

  /** Bytes of the values from `from` up to `to` that stand in blocks of their own. */
  outOfLineBytes(from: number, to: number): number {
    if (this.#sizes.length === 0) return 0
    let bytes = 0
    for (let i = from; i < to; i++) bytes += this.#sizes[i] as number
    return bytes
  }

  /** Length of value `i` in bytes, wherever it stands. */
  valueSize(i: number): number {
    return this.isInline(i) ? this.valueEncodedStart(i + 1) - this.#inlineStart(i) : (this.#sizes[i] as number)
  }

  value(i: number): Value {
    return this.isInline(i)
      ? this.#inline(i)
      : { link: this.#linkAt(this.valueEncodedStart(i) + 1), size: this.#sizes[i] as number }
  }

  #inline(i: number): Uint8Array {
    return this.bytes.subarray(this.#inlineStart(i), this.valueEncodedStart(i + 1))
  }

  /** Behind the head, whose length follows from that of all. */
  #inlineStart(i: number): number {
    const start = this.valueEncodedStart(i)
    const length = this.valueEncodedStart(i + 1) - start
    return start + (length <= 24 ? 1 : length <= 257 ? 2 : length <= 65538 ? 3 : 5)
  }

  // Internal nodes

  link(i: number): Link {
    return this.#linkAt(this.valueEncodedStart(i))
  }

  #linkAt(start: number): Link {
    const from = start + LINK_HEAD.length
    return this.bytes.subarray(from, from + LINK_BYTES)
  }

  /** Entries below child `i`. */
  childEntries(i: number): number {
    return this.#counts[i] as number
  }

  /** Child `i`'s block length and all below it. */
  childBytes(i: number): number {
    return this.#sizes[i] as number
  }
}

interface Body {
  readonly places: Places
  /** Internal nodes only. */
  readonly counts: readonly number[]
  /** Internal: `bytes` of each child. Leaf: size of each out-of-line value, 0 for inline ones; none where all are inline. */
  readonly sizes: readonly number[]
}

const NO_NUMBERS: readonly number[] = []

/** The array of keys; the places of values are still to be added. */
function decodeKeys(reader: HeadReader): number[] {
  const length = reader.head(MAJOR_ARRAY, 'an array of keys')
  if (length > reader.bytes.length) reader.fail('an array no longer than the block')
  const places = Array<number>(length + 1)
  for (let i = 0; i < length; i++) {
    places[i] = reader.at << PLACE_BITS
    const keyLength = reader.skipByteString('a key')
    if (keyLength > KEY_BYTES_MAX)
      throw new DecodeFailure(`expected a key of at most ${KEY_BYTES_MAX} bytes, got ${keyLength}`)
  }
  places[length] = reader.at << PLACE_BITS
  return places
}

function decodeLeaf(reader: HeadReader): Body {
  const places = decodeKeys(reader)
  const length = parallelLength(reader, places, 'values')
  const { bytes } = reader
  let sizes: number[] | undefined
  for (let i = 0; i < length; i++) {
    const { at } = reader
    places[i] = (places[i] as number) | at
    if ((bytes[at] as number) >> 5 === MAJOR_BYTES) {
      reader.skipByteString('a value')
      continue
    }
    if (reader.head(MAJOR_ARRAY, 'a value or [CID, size]') !== 2)
      throw new DecodeFailure('expected [CID, size] of 2 elements')
    const codec = skipLink(reader)
    if (codec !== CODEC_RAW && codec !== CODEC_DAG_PB)
      throw new DecodeFailure('expected the CID of a value (raw or dag-pb)')
    sizes ??= Array<number>(length).fill(0)
    sizes[i] = reader.head(MAJOR_UINT, 'the size of a value')
  }
  places[length] = (places[length] as number) | reader.at
  return { places, counts: NO_NUMBERS, sizes: sizes ?? NO_NUMBERS }
}

function decodeInternal(reader: HeadReader): Body {
  const places = decodeKeys(reader)
  const length = parallelLength(reader, places, 'links')
  for (let i = 0; i < length; i++) {
    places[i] = (places[i] as number) | reader.at
    if (skipLink(reader) !== CODEC_DAG_CBOR) throw new DecodeFailure('expected the CID of a node (dag-cbor)')
  }
  places[length] = (places[length] as number) | reader.at
  const counts = numbers(reader, places, 'counts')
  const sizes = numbers(reader, places, 'bytes')
  return { places, counts, sizes }
}

function numbers(reader: HeadReader, places: Places, what: string): number[] {
  const length = parallelLength(reader, places, what)
  const out = Array<number>(length)
  for (let i = 0; i < length; i++) out[i] = reader.head(MAJOR_UINT, `a number in ${what}`)
  return out
}

function parallelLength(reader: HeadReader, places: Places, what: string): number {
  const length = reader.head(MAJOR_ARRAY, `an array of ${what}`)
  if (length !== places.length - 1) throw new DecodeFailure(`expected ${places.length - 1} ${what}, got ${length}`)
  return length
}

/** Moves over a link in its one form and gives its codec. */
function skipLink(reader: HeadReader): number {
  const { bytes, at } = reader
  if (!hasLinkHead(bytes, at)) reader.fail('a link')
  const start = at + LINK_HEAD.length
  if (bytes[start] !== 0x01 || bytes[start + 2] !== 0x12 || bytes[start + 3] !== 0x20)
    reader.fail('a CIDv1 of sha2-256')
  reader.skip(LINK_ENCODED_BYTES, 'a link')
  return bytes[start + 1] as number
}

function sum(values: readonly number[]): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i] as number
  if (total > Number.MAX_SAFE_INTEGER) throw new DecodeFailure('expected sums of at most 2^53-1')
  return total
}

/** Sign as of `compareBytes(a.key(i), b.key(j))`, without views. */
export function compareKeysOf(a: Node, i: number, b: Node, j: number): number {
  const aStart = a.keyStart(i)
  const bStart = b.keyStart(j)
  const aLength = a.keyEnd(i) - aStart
  const bLength = b.keyEnd(j) - bStart
  const length = Math.min(aLength, bLength)
  for (let k = 0; k < length; k++) {
    const difference = (a.bytes[aStart + k] as number) - (b.bytes[bStart + k] as number)
    if (difference !== 0) return difference
  }
  return aLength - bLength
}

/**
 * How many entries of `a` from `i` on are those of `b` from `j` on, key and value or link, in nodes of one level. What is
 * equal is encoded equally. Behind the one row of a leaf that changed, all the rest is the same most often.
 */
export function countEqualEntries(a: Node, i: number, b: Node, j: number): number {
  const most = Math.min(a.length - i, b.length - j)
  if (equalRuns(a, i, b, j, most)) return most
  let count = 0
  while (count < most && equalRuns(a, i + count, b, j + count, 1)) count++
  return count
}

function equalRuns(a: Node, i: number, b: Node, j: number, count: number): boolean {
  const [aKeys, bKeys] = [a.keyEncodedStart(i), b.keyEncodedStart(j)]
  const [aValues, bValues] = [a.valueEncodedStart(i), b.valueEncodedStart(j)]
  const keysLength = a.keyEncodedStart(i + count) - aKeys
  const valuesLength = a.valueEncodedStart(i + count) - aValues
  return (
    keysLength === b.keyEncodedStart(j + count) - bKeys &&
    valuesLength === b.valueEncodedStart(j + count) - bValues &&
    equalRanges(a.bytes, aKeys, b.bytes, bKeys, keysLength) &&
    equalRanges(a.bytes, aValues, b.bytes, bValues, valuesLength)
  )
}

export function isValueRef(value: Value): value is ValueRef {
  return !(value instanceof Uint8Array)
}

/** Equal bytes: by comparison where inline, by link where not (one value has one form). */
export function equalValues(a: Value, b: Value): boolean {
  if (isValueRef(a)) return isValueRef(b) && compareBytes(a.link, b.link) === 0
  return !isValueRef(b) && compareBytes(a, b) === 0
}
