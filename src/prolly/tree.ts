/**
 * A snapshot to read: a root and where its blocks are found. Immutable, so reads never wait for writers and a scan
 * sees one state to its end.
 */
import { compareBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { damagedBlock, requireHeld } from '../held-block.ts'
import { formatLink, type Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader } from '../store/interface.ts'
import { type ByteRange, readFile, resolveRange } from '../unixfs/index.ts'
import { Cursor } from './cursor.ts'
import { LOADED_VALUE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from './format.ts'
import { type Entry, isValueRef, type Node, type Value, type ValueRef } from './node.ts'
import { NodeReader } from './node-reader.ts'
import type { KeyRange } from './range.ts'
import { type LeafRows, RowIterator } from './row-iterator.ts'
import type { TreeRef } from './tree-writer.ts'

export interface ScanOptions extends KeyRange {
  /** From the last row to the first. */
  readonly reverse?: boolean
  /** At most so many rows. */
  readonly limit?: number
  readonly signal?: AbortSignal | undefined
}

export interface StreamOptions extends ByteRange {
  readonly signal?: AbortSignal | undefined
}

export class Tree {
  readonly ref: TreeRef
  /** Level of the root node: 0 where the tree is one leaf. */
  readonly level: number
  readonly nodes: NodeReader

  private constructor(ref: TreeRef, level: number, nodes: NodeReader) {
    this.ref = ref
    this.level = level
    this.nodes = nodes
  }

  /**
   * Reads the root node; its totals are the tree's.
   * @throws {CoppiceError} `BLOCK_MISSING` where the root is not there, `STORE_CORRUPT`.
   */
  static async open(source: BlockReader | NodeReader, root: Link): Promise<Tree> {
    const nodes = source instanceof NodeReader ? source : new NodeReader(source)
    const node = await nodes.get(root)
    return new Tree({ root, entries: node.entries, bytes: node.totalBytes }, node.level, nodes)
  }

  /** The value, undefined where the key is absent. Reads one node per level, and the value's block if it has one. */
  get(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    const value = this.getValue(key)
    if (value instanceof Promise) return value.then((late) => (late === undefined ? undefined : this.readValue(late)))
    return value === undefined ? undefined : this.readValue(value)
  }

  /** As {@link get}, without reading an out-of-line value. */
  getValue(key: Uint8Array): MaybePromise<Value | undefined> {
    return this.#findValue(this.nodes.get(this.ref.root), key)
  }

  #findValue(from: MaybePromise<Node>, key: Uint8Array): MaybePromise<Value | undefined> {
    let next = from
    for (;;) {
      if (next instanceof Promise) return next.then((node) => this.#findValue(node, key))
      const i = next.lowerBound(key)
      if (i === next.length) return undefined
      if (next.level === 0) return next.compareKey(i, key) === 0 ? next.value(i) : undefined
      next = this.nodes.child(next, i)
    }
  }

  /**
   * The bytes of a value.
   * @throws {CoppiceError} `VALUE_TOO_LARGE` where it has more than {@link LOADED_VALUE_BYTES_MAX}, `BLOCK_MISSING`,
   *   `STORE_CORRUPT` when its block has another length than the entry says.
   */
  readValue(value: Value): MaybePromise<Uint8Array> {
    if (!isValueRef(value)) return value
    if (value.size > RAW_VALUE_BYTES_MAX) return this.#loadFile(value)
    const bytes = this.nodes.blocks.get(value.link)
    const check = (held: Uint8Array | undefined): Uint8Array => {
      const found = requireHeld(value.link, held)
      if (found.length === value.size) return found
      throw damagedBlock(value.link, `expected ${value.size} bytes, got ${found.length}`)
    }
    return bytes instanceof Promise ? bytes.then(check) : check(bytes)
  }

  async #loadFile(ref: ValueRef): Promise<Uint8Array> {
    if (ref.size > LOADED_VALUE_BYTES_MAX) throw tooLargeToLoad(ref)
    const out = new Uint8Array(ref.size)
    let at = 0
    for await (const piece of readFile(ref, this.nodes.blocks)) {
      out.set(piece, at)
      at += piece.length
    }
    return out
  }

  /**
   * The bytes of a value, or of a range of them, in pieces of at most 1 MiB. Reads the blocks that hold the range.
   * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`. @throws {RangeError} for a bound that is no integer of 0 or more.
   */
  async *streamValue(value: Value, options: StreamOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    if (isValueRef(value) && value.size > RAW_VALUE_BYTES_MAX) {
      yield* readFile(value, this.nodes.blocks, options)
      return
    }
    options.signal?.throwIfAborted()
    const bytes = await this.readValue(value)
    const { start, end } = resolveRange(bytes.length, options)
    if (start < end) yield bytes.subarray(start, end)
  }

  /** The rows of a range in key order. Keys and values are views of blocks; they stay valid. */
  scan(options: ScanOptions = {}): AsyncGenerator<Entry, void, undefined> {
    return new RowIterator(this.leaves(options), options.limit ?? Number.POSITIVE_INFINITY, readEntry)
  }

  /**
   * The leaves that hold a range, each with its rows `from` towards `to` (not included; `to < from` in reverse): what
   * bulk readers use, one step per leaf instead of one per row.
   */
  async *leaves(options: ScanOptions = {}): AsyncGenerator<LeafRows, void, undefined> {
    const { start, end, signal } = options
    if (start !== undefined && end !== undefined && compareBytes(start, end) >= 0) return
    const cursor = new Cursor(this.nodes, this.ref.root)
    if (options.reverse === true) {
      await cursor.seekBelow(end)
      for (let leaf = cursor.leaf; leaf !== undefined; leaf = cursor.leaf) {
        signal?.throwIfAborted()
        const stop = start === undefined ? 0 : leaf.lowerBound(start)
        if (stop <= cursor.index) yield { leaf, from: cursor.index, to: stop - 1 }
        if (stop > 0) return
        await cursor.previousLeaf()
      }
      return
    }
    await cursor.seek(start)
    for (let leaf = cursor.leaf; leaf !== undefined; leaf = cursor.leaf) {
      signal?.throwIfAborted()
      const stop = end === undefined ? leaf.length : leaf.lowerBound(end)
      if (cursor.index < stop) yield { leaf, from: cursor.index, to: stop }
      if (stop < leaf.length) return
      await cursor.nextLeaf()
    }
  }

  /** Rows in a range, from the counts of inner nodes: at most two paths are read. */
  async count(range: KeyRange = {}): Promise<number> {
    const { start, end } = range
    if (start !== undefined && end !== undefined && compareBytes(start, end) >= 0) return 0
    const below = end === undefined ? this.ref.entries : await this.rank(end)
    return start === undefined ? below : below - (await this.rank(start))
  }

  /** Rows whose key is below `key`: the position `key` has or would have. */
  async rank(key: Uint8Array): Promise<number> {
    let rank = 0
    for (let next = this.nodes.get(this.ref.root); ;) {
      const node = await next
      const at = node.lowerBound(key)
      if (node.level === 0) return rank + at
      for (let i = 0; i < at; i++) rank += node.childEntries(i)
      if (at === node.length) return rank
      next = this.nodes.child(node, at)
    }
  }

  /** The row at position `n`, 0 being the first; undefined beyond the last. */
  async at(n: number): Promise<Entry | undefined> {
    if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`position: expected an integer >= 0, got ${n}`)
    if (n >= this.ref.entries) return undefined
    let left = n
    for (let next = this.nodes.get(this.ref.root); ;) {
      const node = await next
      if (node.level === 0) return { key: node.key(left), value: node.value(left) }
      let i = 0
      while (left >= node.childEntries(i)) left -= node.childEntries(i++)
      next = this.nodes.child(node, i)
    }
  }
}

function tooLargeToLoad({ link, size }: ValueRef): CoppiceError {
  const cid = formatLink(link)
  return new CoppiceError(
    'VALUE_TOO_LARGE',
    `value ${cid}: expected at most ${LOADED_VALUE_BYTES_MAX} bytes to load at once, got ${size}; read it as a stream`,
    { details: { cid, bytes: size, limit: LOADED_VALUE_BYTES_MAX } },
  )
}

function readEntry(leaf: Node, row: number): Entry {
  return { key: leaf.key(row), value: leaf.value(row) }
}
