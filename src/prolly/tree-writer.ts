/**
 * The chunkers of all levels, one above the other (tree.md, 3). Entries go in at level 0 in key order; a chunk that
 * ends becomes a block, and its link an entry of the level above. Memory is one partial chunk per level, whatever the
 * size of the tree. The same writer serves bulk builds and edits: an edit also hands whole unchanged subtrees to the
 * level above theirs, which is allowed exactly where every level below is at a boundary.
 */
import { equalBytes } from '../bytes.ts'
import { assert, CoppiceError } from '../errors.ts'
import { type Block, CODEC_DAG_CBOR, CODEC_RAW, type Link, linkTo } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { headLength, LINK_ENCODED_BYTES, LINK_HEAD, MAJOR_ARRAY, MAJOR_BYTES, MAJOR_UINT, writeHead } from './cbor.ts'
import { type Format, KEY_BYTES_MAX, NODE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from './format.ts'
import { isValueRef, type Node, type Value, type ValueRef } from './node.ts'
import { isBoundary } from './splitter.ts'

/** Takes the blocks of a tree as they are finished. A promise means: wait before handing over more. */
export interface BlockSink {
  put(block: Block): MaybePromise<void>
}

/** A tree as a signed root names it. */
export interface TreeRef {
  readonly root: Link
  readonly entries: number
  /** The root block's length and all below it. */
  readonly bytes: number
}

/** A finished node, as an entry of the level above. */
interface Child {
  /** A view that is valid until the next entry of its level. */
  readonly lastKey: Uint8Array
  readonly link: Link
  readonly entries: number
  readonly bytes: number
}

/** The partial chunk of one level. Keys and values are kept encoded, in two areas, as they will stand in the block. */
class LevelChunk {
  readonly level: number
  readonly keys: Uint8Array = new Uint8Array(NODE_BYTES_MAX)
  readonly values: Uint8Array = new Uint8Array(NODE_BYTES_MAX)
  keysEnd = 0
  valuesEnd = 0
  /** Where the last key's bytes start in `keys`; they end at `keysEnd`. */
  lastKeyStart = 0
  /** Entries in the partial chunk. */
  length = 0
  /** Entries ever given to this level. */
  total = 0
  /** Encoded bytes of the entries, as the splitter counts them. */
  encoded = 0
  /** Entries and bytes below, of the partial chunk. */
  entriesBelow = 0
  bytesBelow = 0
  readonly counts: number[] = []
  readonly sizes: number[] = []
  /** The last entry is a subtree of the old tree, taken over unread. */
  lastIsCopied = false
  /** The node last read from the old tree at this level: written again if it comes out the same, it is not a new block. */
  known: Link | undefined

  constructor(level: number) {
    this.level = level
  }

  putKey(key: Uint8Array): void {
    this.lastKeyStart = writeHead(this.keys, this.keysEnd, MAJOR_BYTES, key.length)
    this.keys.set(key, this.lastKeyStart)
    this.keysEnd = this.lastKeyStart + key.length
  }

  putValueRef({ link, size }: ValueRef): void {
    const start = writeHead(this.values, this.valuesEnd, MAJOR_ARRAY, 2)
    this.valuesEnd = writeHead(this.values, putLink(this.values, start, link), MAJOR_UINT, size)
    this.bytesBelow += size
  }

  clear(): void {
    this.keysEnd = 0
    this.valuesEnd = 0
    this.length = 0
    this.encoded = 0
    this.entriesBelow = 0
    this.bytesBelow = 0
    this.counts.length = 0
    this.sizes.length = 0
  }
}

export class TreeWriter {
  /** Blocks handed to the sink and their bytes: what tests and reports count. */
  blocksWritten = 0
  bytesWritten = 0
  readonly #format: Format
  readonly #sink: BlockSink
  readonly #levels: LevelChunk[] = []
  #pending: Promise<void> | undefined

  constructor(sink: BlockSink, format: Format) {
    this.#sink = sink
    this.#format = format
  }

  /** What the sink asked to wait for, if anything. To be awaited between entries or nodes; rejects as the sink does. */
  takePending(): Promise<void> | undefined {
    const pending = this.#pending
    this.#pending = undefined
    return pending
  }

  /**
   * The next row. Bytes too long to stand inline are written as a block of their own first.
   * @throws {CoppiceError} `KEY_TOO_LONG`, `VALUE_TOO_LARGE`; the writer must then be dropped.
   */
  appendRow(key: Uint8Array, value: Value): void {
    assertEntrySize(key, value)
    const chunk = this.#chunk(0)
    const keyBefore = chunk.keysEnd
    const valueBefore = chunk.valuesEnd
    chunk.putKey(key)
    if (isValueRef(value)) {
      chunk.putValueRef(value)
    } else if (value.length <= this.#format.inlineBytesMax) {
      const start = writeHead(chunk.values, valueBefore, MAJOR_BYTES, value.length)
      chunk.values.set(value, start)
      chunk.valuesEnd = start + value.length
    } else {
      const link = linkTo(CODEC_RAW, value)
      this.#put({ link, bytes: value })
      chunk.putValueRef({ link, size: value.length })
    }
    this.#count(chunk, chunk.keysEnd - keyBefore + chunk.valuesEnd - valueBefore, 1)
  }

  /** Row `i` of an old leaf, as it is encoded there. */
  copyRow(leaf: Node, i: number): void {
    const chunk = this.#chunk(0)
    chunk.putKey(leaf.key(i))
    const start = leaf.valueEncodedStart(i)
    const end = leaf.valueEncodedStart(i + 1)
    chunk.values.set(leaf.bytes.subarray(start, end), chunk.valuesEnd)
    chunk.valuesEnd += end - start
    if (!leaf.isInline(i)) chunk.bytesBelow += leaf.valueSize(i)
    this.#count(chunk, leaf.entryLength(i), 1)
  }

  /** Whether a whole node of `level` may be taken over here: no level up to its own is within a chunk. */
  isAtBoundary(level: number): boolean {
    for (let l = 0; l <= level; l++) if ((this.#levels[l]?.length ?? 0) > 0) return false
    return true
  }

  /** Child `i` of an old internal node, with all below it, unread. Only where {@link isAtBoundary} of its level holds. */
  copySubtree(node: Node, i: number): void {
    assert(this.isAtBoundary(node.level - 1), 'a subtree may only follow a boundary of every level below')
    const child = { lastKey: node.key(i), link: node.link(i), entries: node.childEntries(i), bytes: node.childBytes(i) }
    this.#appendChild(node.level, child, true)
  }

  /** Tells the writer which old node it is about to replace, so that an unchanged one is not written again. */
  replaces(level: number, link: Link): void {
    this.#chunk(level).known = link
  }

  /**
   * Ends every partial chunk and gives the root. Where deletes left nothing but one old subtree, taken over unread, its
   * top may have a single child, which a root must not have: `lowestRoot` then finds the node that is the root.
   */
  async finish(lowestRoot: (top: TreeRef) => MaybePromise<TreeRef>): Promise<TreeRef> {
    if (this.#levels.every((chunk) => chunk.total === 0)) this.#close(this.#chunk(0))
    for (let level = 0; ; level++) {
      const chunk = this.#chunk(level)
      const isTop = this.#levels.slice(level + 1).every((above) => above.total === 0)
      if (level > 0 && isTop && chunk.total === 1) {
        await this.takePending()
        const top = { root: onlyLink(chunk), entries: chunk.counts[0] as number, bytes: chunk.sizes[0] as number }
        return chunk.lastIsCopied ? await lowestRoot(top) : top
      }
      if (chunk.length > 0) this.#close(chunk)
    }
  }

  #chunk(level: number): LevelChunk {
    while (this.#levels.length <= level) this.#levels.push(new LevelChunk(this.#levels.length))
    return this.#levels[level] as LevelChunk
  }

  #appendChild(level: number, child: Child, isCopied: boolean): void {
    const chunk = this.#chunk(level)
    chunk.lastIsCopied = isCopied
    const before = chunk.keysEnd
    chunk.putKey(child.lastKey)
    chunk.valuesEnd = putLink(chunk.values, chunk.valuesEnd, child.link)
    chunk.counts.push(child.entries)
    chunk.sizes.push(child.bytes)
    chunk.bytesBelow += child.bytes
    const numbers = headLength(child.entries) + headLength(child.bytes)
    this.#count(chunk, chunk.keysEnd - before + LINK_ENCODED_BYTES + numbers, child.entries)
  }

  #count(chunk: LevelChunk, encoded: number, entries: number): void {
    chunk.length++
    chunk.total++
    chunk.encoded += encoded
    chunk.entriesBelow += entries
    const { level, length, keys, lastKeyStart, keysEnd } = chunk
    if (isBoundary(this.#format, level, length, chunk.encoded, encoded, keys, lastKeyStart, keysEnd)) this.#close(chunk)
  }

  #close(chunk: LevelChunk): void {
    const bytes = encodeChunk(chunk)
    const link = linkTo(CODEC_DAG_CBOR, bytes)
    const isKnown = chunk.known !== undefined && equalBytes(chunk.known, link)
    if (!isKnown) this.#put({ link, bytes })
    const lastKey = chunk.keys.subarray(chunk.lastKeyStart, chunk.keysEnd)
    const child = { lastKey, link, entries: chunk.entriesBelow, bytes: bytes.length + chunk.bytesBelow }
    chunk.clear()
    this.#appendChild(chunk.level + 1, child, false)
  }

  #put(block: Block): void {
    this.blocksWritten++
    this.bytesWritten += block.bytes.length
    const busy = this.#sink.put(block)
    if (busy === undefined) return
    // Several promises may wait at once; a rejection must reach takePending and never be unhandled before.
    this.#pending = this.#pending === undefined ? busy : Promise.all([this.#pending, busy]).then(() => {})
    this.#pending.catch(() => {})
  }
}

/** @throws {CoppiceError} `KEY_TOO_LONG`, `VALUE_TOO_LARGE`. */
export function assertEntrySize(key: Uint8Array, value: Value): void {
  if (key.length > KEY_BYTES_MAX) {
    throw new CoppiceError('KEY_TOO_LONG', `key: expected at most ${KEY_BYTES_MAX} bytes, got ${key.length}`, {
      details: { bytes: key.length, limit: KEY_BYTES_MAX },
    })
  }
  if (!isValueRef(value) && value.length > RAW_VALUE_BYTES_MAX) {
    throw new CoppiceError(
      'VALUE_TOO_LARGE',
      `value: expected at most ${RAW_VALUE_BYTES_MAX} bytes, got ${value.length}`,
      {
        details: { bytes: value.length, limit: RAW_VALUE_BYTES_MAX },
      },
    )
  }
}

function putLink(out: Uint8Array, at: number, link: Link): number {
  out.set(LINK_HEAD, at)
  out.set(link, at + LINK_HEAD.length)
  return at + LINK_ENCODED_BYTES
}

function onlyLink(chunk: LevelChunk): Link {
  return chunk.values.slice(LINK_HEAD.length, LINK_ENCODED_BYTES)
}

function encodeChunk(chunk: LevelChunk): Uint8Array {
  const { level, length, counts, sizes } = chunk
  const numbers = [counts, sizes].map((list) => list.reduce((sum, n) => sum + headLength(n), headLength(length)))
  const tail = level === 0 ? 0 : (numbers[0] as number) + (numbers[1] as number)
  const size = 1 + headLength(level) + 2 * headLength(length) + chunk.keysEnd + chunk.valuesEnd + tail
  const out = new Uint8Array(size)
  let at = writeHead(out, 0, MAJOR_ARRAY, level === 0 ? 3 : 5)
  at = writeHead(out, at, MAJOR_UINT, level)
  at = writeHead(out, at, MAJOR_ARRAY, length)
  out.set(chunk.keys.subarray(0, chunk.keysEnd), at)
  at = writeHead(out, at + chunk.keysEnd, MAJOR_ARRAY, length)
  out.set(chunk.values.subarray(0, chunk.valuesEnd), at)
  at += chunk.valuesEnd
  if (level > 0) {
    for (const list of [counts, sizes]) {
      at = writeHead(out, at, MAJOR_ARRAY, length)
      for (const n of list) at = writeHead(out, at, MAJOR_UINT, n)
    }
  }
  assert(at === size && size <= NODE_BYTES_MAX, 'a node is as long as its parts and within the limit')
  return out
}
