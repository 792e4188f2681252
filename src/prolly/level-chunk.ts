/**
 * The partial chunk of one level: entries that wait for a boundary, encoded already, and the block they become (tree.md,
 * 2). Keys and values gather in two areas, as they will stand in the block, so that whole runs of an old node are taken
 * over with two copies and a block is made with two more.
 */
import { assert } from '../errors.ts'
import type { Link } from '../link.ts'
import { headLength, LINK_ENCODED_BYTES, LINK_HEAD, MAJOR_ARRAY, MAJOR_BYTES, MAJOR_UINT, writeHead } from './cbor.ts'
import { NODE_BYTES_MAX } from './format.ts'
import type { Node, ValueRef } from './node.ts'

/** A finished node, as an entry of the level above. */
export interface Child {
  /** A view that is valid until the next entry of its level. */
  readonly lastKey: Uint8Array
  readonly link: Link
  readonly entries: number
  readonly bytes: number
}

export class LevelChunk {
  readonly level: number
  readonly #keys: Uint8Array = spareAreas.pop() ?? new Uint8Array(NODE_BYTES_MAX)
  readonly #values: Uint8Array = spareAreas.pop() ?? new Uint8Array(NODE_BYTES_MAX)
  #keysEnd = 0
  #valuesEnd = 0
  /** Where the last key's bytes start in `keys`; they end at `keysEnd`. */
  #lastKeyStart = 0
  /** Entries in the partial chunk. */
  length = 0
  /** Entries ever given to this level. */
  total = 0
  /** Encoded bytes of the entries, as the splitter counts them. */
  encoded = 0
  /** Entries and bytes below, of the partial chunk. */
  entriesBelow = 0
  bytesBelow = 0
  readonly #counts: number[] = []
  readonly #sizes: number[] = []
  /** The last entry is a subtree of the old tree, taken over unread. */
  lastIsCopied = false
  /** The node last read from the old tree at this level: written again if it comes out the same, it is not a new block. */
  known: Link | undefined

  constructor(level: number) {
    this.level = level
  }

  /** A view that is valid until the next entry. */
  get lastKey(): Uint8Array {
    return this.#keys.subarray(this.#lastKeyStart, this.#keysEnd)
  }

  /** The one entry of a level that is above the root, as a tree. */
  get onlyChild(): { readonly root: Link; readonly entries: number; readonly bytes: number } {
    const root = this.#values.slice(LINK_HEAD.length, LINK_ENCODED_BYTES)
    return { root, entries: this.#counts[0] as number, bytes: this.#sizes[0] as number }
  }

  /** Adds a row whose value stands inline; gives its encoded length. */
  putInline(key: Uint8Array, value: Uint8Array): number {
    const before = this.#valuesEnd
    const start = writeHead(this.#values, before, MAJOR_BYTES, value.length)
    this.#values.set(value, start)
    this.#valuesEnd = start + value.length
    return this.#added(1, this.#putKey(key) + this.#valuesEnd - before, 1, 0)
  }

  /** Adds a row whose value stands out of line; gives its encoded length. */
  putRef(key: Uint8Array, { link, size }: ValueRef): number {
    const before = this.#valuesEnd
    const start = writeHead(this.#values, before, MAJOR_ARRAY, 2)
    this.#valuesEnd = writeHead(this.#values, putLink(this.#values, start, link), MAJOR_UINT, size)
    return this.#added(1, this.#putKey(key) + this.#valuesEnd - before, 1, size)
  }

  /** Adds a node of the level below; gives its encoded length. */
  putChild({ lastKey, link, entries, bytes }: Child): number {
    this.#valuesEnd = putLink(this.#values, this.#valuesEnd, link)
    this.#counts.push(entries)
    this.#sizes.push(bytes)
    const numbers = headLength(entries) + headLength(bytes)
    return this.#added(1, this.#putKey(lastKey) + LINK_ENCODED_BYTES + numbers, entries, bytes)
  }

  /**
   * Counts the entries of a node of this level from `from` up to `to`; gives their encoded length. Their keys and values
   * follow with {@link copy} before anything else is done.
   */
  countCopied(node: Node, from: number, to: number): number {
    let entries = 0
    let bytes = 0
    if (node.level === 0) {
      entries = to - from
      bytes = node.outOfLineBytes(from, to)
    } else {
      for (let i = from; i < to; i++) {
        entries += node.childEntries(i)
        bytes += node.childBytes(i)
        this.#counts.push(node.childEntries(i))
        this.#sizes.push(node.childBytes(i))
      }
    }
    return this.#added(to - from, node.entriesLength(from, to), entries, bytes)
  }

  /** The keys and values of the entries from `from` up to `to`, as they are encoded in `node`. */
  copy(node: Node, from: number, to: number): void {
    if (from === to) return
    const keys = node.bytes.subarray(node.keyEncodedStart(from), node.keyEncodedStart(to))
    const values = node.bytes.subarray(node.valueEncodedStart(from), node.valueEncodedStart(to))
    this.#keys.set(keys, this.#keysEnd)
    this.#values.set(values, this.#valuesEnd)
    this.#keysEnd += keys.length
    this.#valuesEnd += values.length
    this.#lastKeyStart = this.#keysEnd - (node.keyEnd(to - 1) - node.keyStart(to - 1))
  }

  #putKey(key: Uint8Array): number {
    const before = this.#keysEnd
    this.#lastKeyStart = writeHead(this.#keys, before, MAJOR_BYTES, key.length)
    this.#keys.set(key, this.#lastKeyStart)
    this.#keysEnd = this.#lastKeyStart + key.length
    return this.#keysEnd - before
  }

  #added(count: number, encoded: number, entries: number, bytes: number): number {
    this.length += count
    this.total += count
    this.encoded += encoded
    this.entriesBelow += entries
    this.bytesBelow += bytes
    return encoded
  }

  /** The block of the entries so far. */
  encode(): Uint8Array {
    const { level, length } = this
    const lengthBytes = headLength(length)
    const lists = level === 0 ? [] : [this.#counts, this.#sizes]
    let size = 1 + headLength(level) + 2 * lengthBytes + this.#keysEnd + this.#valuesEnd
    for (const list of lists) for (const n of list) size += headLength(n)
    size += lists.length * lengthBytes
    assert(size <= NODE_BYTES_MAX, 'a node is within the limit')
    const out = allocate(size)
    let at = writeHead(out, 0, MAJOR_ARRAY, 3 + lists.length)
    at = writeHead(out, at, MAJOR_UINT, level)
    at = writeHead(out, at, MAJOR_ARRAY, length)
    out.set(this.#keys.subarray(0, this.#keysEnd), at)
    at = writeHead(out, at + this.#keysEnd, MAJOR_ARRAY, length)
    out.set(this.#values.subarray(0, this.#valuesEnd), at)
    at += this.#valuesEnd
    for (const list of lists) {
      at = writeHead(out, at, MAJOR_ARRAY, length)
      for (const n of list) at = writeHead(out, at, MAJOR_UINT, n)
    }
    assert(at === size, 'a node is as long as its parts')
    return out
  }

  /** Forgets the entries, for the next chunk. */
  clear(): void {
    this.#keysEnd = 0
    this.#valuesEnd = 0
    this.length = 0
    this.encoded = 0
    this.entriesBelow = 0
    this.bytesBelow = 0
    this.#counts.length = 0
    this.#sizes.length = 0
  }

  /** Gives the areas to the chunks of other writers. The last call. */
  release(): void {
    if (spareAreas.length < SPARE_AREAS_MAX) spareAreas.push(this.#keys, this.#values)
  }
}

/** Areas for keys or values that no writer uses: making them anew took a third of the time of a small edit. */
const spareAreas: Uint8Array[] = []
const SPARE_AREAS_MAX = 32

/**
 * Blocks are cut from buffers of this length: one of its own costs each block more than all the copying into it. A
 * block that is kept long keeps its neighbours, which most often were written with it and live as long.
 */
const SLAB_BYTES = 64 * 1024
let slab = new Uint8Array(0)
let slabEnd = 0

function allocate(size: number): Uint8Array {
  if (slabEnd + size > slab.length) {
    slab = new Uint8Array(SLAB_BYTES)
    slabEnd = 0
  }
  slabEnd += size
  return slab.subarray(slabEnd - size, slabEnd)
}

function putLink(out: Uint8Array, at: number, link: Link): number {
  out.set(LINK_HEAD, at)
  out.set(link, at + LINK_HEAD.length)
  return at + LINK_ENCODED_BYTES
}
