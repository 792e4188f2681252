/**
 * Nodes: the blocks of a tree (tree.md, 2), read in place.
 *
 *     leaf     = [0,     [key...], [value...]]                           value = bytes | [CID, size]
 *     internal = [level, [key...], [CID...], [count...], [bytes...]]     level >= 1
 *
 * A Node is a view: offsets into the block, no object per entry. Decoding is strict, so a block that decodes is the
 * one encoding of what it says. It checks the shape only; where a node may stand is verify.ts.
 */
import { compareBytes } from '../bytes.ts'
import { CODEC_DAG_CBOR, CODEC_DAG_PB, CODEC_RAW, LINK_BYTES, type Link } from '../link.ts'
import {
  DecodeFailure,
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

/** What stands in a block from one position to the next, by index: `starts[i]` to `starts[i + 1]`. */
type Offsets = Uint16Array

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
  readonly #keys: Offsets
  /** Leaf: encoded values. Internal: encoded links. */
  readonly #values: Offsets
  readonly #counts: Float64Array
  readonly #sizes: Float64Array

  private constructor(
    bytes: Uint8Array,
    level: number,
    keys: Offsets,
    values: Offsets,
    counts: Float64Array,
    sizes: Float64Array,
  ) {
    this.bytes = bytes
    this.level = level
    this.length = keys.length - 1
    this.#keys = keys
    this.#values = values
    this.#counts = counts
    this.#sizes = sizes
    this.entries = level === 0 ? this.length : sum(counts)
    this.totalBytes = bytes.length + sum(sizes)
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

    const length = reader.head(MAJOR_ARRAY, 'an array of keys')
    if (length > bytes.length) reader.fail('an array no longer than the block')
    const keys = new Uint16Array(length + 1)
    for (let i = 0; i < length; i++) {
      keys[i] = reader.at
      const keyLength = reader.head(MAJOR_BYTES, 'a key')
      if (keyLength > KEY_BYTES_MAX)
        throw new DecodeFailure(`expected a key of at most ${KEY_BYTES_MAX} bytes, got ${keyLength}`)
      reader.skip(keyLength, 'a key')
    }
    keys[length] = reader.at

    const node = level === 0 ? decodeLeaf(reader, keys) : decodeInternal(reader, keys)
    if (reader.at !== bytes.length) reader.fail('the end of the block')
    return new Node(bytes, level, keys, node.values, node.counts, node.sizes)
  }

  /** Offset of the encoded key, head included; `keyStart(length)` is the end of the last. */
  keyEncodedStart(i: number): number {
    return this.#keys[i] as number
  }

  /** Offset of the bytes of key `i` in the block. They end at {@link keyEnd}. */
  keyStart(i: number): number {
    const start = this.#keys[i] as number
    const length = (this.#keys[i + 1] as number) - start
    return start + (length <= 24 ? 1 : length <= 257 ? 2 : 3)
  }

  keyEnd(i: number): number {
    return this.#keys[i + 1] as number
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

  /** The first index whose key is at or above `key`; `length` where there is none. */
  lowerBound(key: Uint8Array): number {
    let low = 0
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
    return this.#values[i] as number
  }

  /** Length of entry `i` as the splitter counts it: its encoded parts, no array heads of the node. */
  entryLength(i: number): number {
    return entryLength(this.#keys, this.#values, i) + this.#tailLength(i)
  }

  #tailLength(i: number): number {
    if (this.level === 0) return 0
    return headLength(this.#counts[i] as number) + headLength(this.#sizes[i] as number)
  }

  // Leaves

  isInline(i: number): boolean {
    return (this.bytes[this.#values[i] as number] as number) >> 5 === MAJOR_BYTES
  }

  /** Length of value `i` in bytes, wherever it stands. */
  valueSize(i: number): number {
    return this.isInline(i) ? this.#inline(i).length : (this.#sizes[i] as number)
  }

  value(i: number): Value {
    return this.isInline(i)
      ? this.#inline(i)
      : { link: this.#linkAt((this.#values[i] as number) + 1), size: this.#sizes[i] as number }
  }

  #inline(i: number): Uint8Array {
    const start = this.#values[i] as number
    const end = this.#values[i + 1] as number
    const length = end - start
    return this.bytes.subarray(start + (length <= 24 ? 1 : length <= 257 ? 2 : length <= 65538 ? 3 : 5), end)
  }

  // Internal nodes

  link(i: number): Link {
    return this.#linkAt(this.#values[i] as number)
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
  readonly values: Offsets
  /** Internal nodes only. */
  readonly counts: Float64Array
  /** Internal: `bytes` of each child. Leaf: size of each out-of-line value, 0 for inline ones. */
  readonly sizes: Float64Array
}

const NO_NUMBERS = new Float64Array(0)

function decodeLeaf(reader: HeadReader, keys: Offsets): Body {
  const length = parallelLength(reader, keys, 'values')
  const values = new Uint16Array(length + 1)
  let sizes = NO_NUMBERS
  for (let i = 0; i < length; i++) {
    values[i] = reader.at
    if ((reader.bytes[reader.at] ?? 0) >> 5 === MAJOR_BYTES) {
      reader.skip(reader.head(MAJOR_BYTES, 'a value'), 'a value')
      continue
    }
    if (reader.head(MAJOR_ARRAY, 'a value or [CID, size]') !== 2)
      throw new DecodeFailure('expected [CID, size] of 2 elements')
    const codec = skipLink(reader)
    if (codec !== CODEC_RAW && codec !== CODEC_DAG_PB)
      throw new DecodeFailure('expected the CID of a value (raw or dag-pb)')
    if (sizes.length === 0) sizes = new Float64Array(length)
    sizes[i] = reader.head(MAJOR_UINT, 'the size of a value')
  }
  values[length] = reader.at
  return { values, counts: NO_NUMBERS, sizes }
}

function decodeInternal(reader: HeadReader, keys: Offsets): Body {
  const length = parallelLength(reader, keys, 'links')
  const values = new Uint16Array(length + 1)
  for (let i = 0; i < length; i++) {
    values[i] = reader.at
    if (skipLink(reader) !== CODEC_DAG_CBOR) throw new DecodeFailure('expected the CID of a node (dag-cbor)')
  }
  values[length] = reader.at
  const counts = numbers(reader, keys, 'counts')
  const sizes = numbers(reader, keys, 'bytes')
  return { values, counts, sizes }
}

function numbers(reader: HeadReader, keys: Offsets, what: string): Float64Array {
  const out = new Float64Array(parallelLength(reader, keys, what))
  for (let i = 0; i < out.length; i++) out[i] = reader.head(MAJOR_UINT, `a number in ${what}`)
  return out
}

function parallelLength(reader: HeadReader, keys: Offsets, what: string): number {
  const length = reader.head(MAJOR_ARRAY, `an array of ${what}`)
  if (length !== keys.length - 1) throw new DecodeFailure(`expected ${keys.length - 1} ${what}, got ${length}`)
  return length
}

/** Moves over a link in its one form and gives its codec. */
function skipLink(reader: HeadReader): number {
  const { bytes, at } = reader
  for (let i = 0; i < LINK_HEAD.length; i++) if (bytes[at + i] !== LINK_HEAD[i]) reader.fail('a link')
  const start = at + LINK_HEAD.length
  if (bytes[start] !== 0x01 || bytes[start + 2] !== 0x12 || bytes[start + 3] !== 0x20)
    reader.fail('a CIDv1 of sha2-256')
  reader.skip(LINK_ENCODED_BYTES, 'a link')
  return bytes[start + 1] as number
}

function entryLength(keys: Offsets, values: Offsets, i: number): number {
  return (keys[i + 1] as number) - (keys[i] as number) + (values[i + 1] as number) - (values[i] as number)
}

function sum(values: Float64Array): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i] as number
  if (total > Number.MAX_SAFE_INTEGER) throw new DecodeFailure('expected sums of at most 2^53-1')
  return total
}

export function isValueRef(value: Value): value is ValueRef {
  return !(value instanceof Uint8Array)
}

/** Equal bytes: by comparison where inline, by link where not (one value has one form). */
export function equalValues(a: Value, b: Value): boolean {
  if (isValueRef(a)) return isValueRef(b) && compareBytes(a.link, b.link) === 0
  return !isValueRef(b) && compareBytes(a, b) === 0
}
