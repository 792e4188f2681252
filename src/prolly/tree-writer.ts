/**
 * The chunkers of all levels, one above the other (tree.md, 3). Entries go in at level 0 in key order; a chunk that
 * ends becomes a block, and its link an entry of the level above. Memory is one partial chunk per level, whatever the
 * size of the tree. The same writer serves bulk builds and edits: an edit also hands whole unchanged subtrees to the
 * level above theirs, which is allowed exactly where every level below is at a boundary.
 */
import { equalBytes } from '../bytes.ts'
import { assert, CoppiceError } from '../errors.ts'
import { BYTES_PER_TURN, eventLoopTurn } from '../event-loop.ts'
import { type Block, CODEC_DAG_CBOR, CODEC_RAW, type Link, linkTo } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { writeFile } from '../unixfs/index.ts'
import { type Format, KEY_BYTES_MAX, RAW_VALUE_BYTES_MAX } from './format.ts'
import { LevelChunk } from './level-chunk.ts'
import { isValueRef, type Node, type Value } from './node.ts'
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

export class TreeWriter {
  /** Blocks handed to the sink and their bytes: what tests and reports count. */
  blocksWritten = 0
  bytesWritten = 0
  readonly #format: Format
  readonly #sink: BlockSink
  readonly #levels: LevelChunk[] = []
  #pending: Promise<void> | undefined
  #bytesSinceTurn = 0

  constructor(sink: BlockSink, format: Format) {
    this.#sink = sink
    this.#format = format
  }

  /**
   * What is to be waited for before the next entry or node, if anything: what the sink asked for, and now and then a turn
   * of the event loop, without which a build in memory could not be aborted. Rejects as the sink does.
   */
  takePending(): Promise<void> | undefined {
    const pending = this.#pending
    this.#pending = undefined
    return pending
  }

  /**
   * The next row. Bytes too long to stand inline are written as a block of their own first.
   * Those beyond 1 MiB go through {@link appendFile}.
   * @throws {CoppiceError} `KEY_TOO_LONG`, `VALUE_TOO_LARGE` (as whatever ends a chunk: the tree has more than 2^53-1 bytes);
   *   the writer must then be dropped.
   */
  appendRow(key: Uint8Array, value: Value): void {
    assertKeySize(key)
    assert(isValueRef(value) || value.length <= RAW_VALUE_BYTES_MAX, 'a value beyond 1 MiB is written as a file')
    const chunk = this.#chunk(0)
    let encoded: number
    if (isValueRef(value)) {
      encoded = chunk.putRef(key, value)
    } else if (value.length <= this.#format.inlineBytesMax) {
      encoded = chunk.putInline(key, value)
    } else {
      const link = this.#link(CODEC_RAW, value)
      this.#put({ link, bytes: value })
      encoded = chunk.putRef(key, { link, size: value.length })
    }
    if (this.#isBoundary(chunk, encoded, key, 0, key.length)) this.#close(chunk)
  }

  /** The next row, of a value beyond 1 MiB, which is written as a file first. @throws {CoppiceError} as {@link appendRow}. */
  async appendFile(key: Uint8Array, value: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const put = (block: Block): Promise<void> | undefined => {
      this.#put(block)
      return this.takePending()
    }
    this.appendRow(key, await writeFile([value], { put }, { signal }))
  }

  /** Rows of an old leaf from `from` up to `to`, as they are encoded there. */
  copyRows(leaf: Node, from: number, to: number): void {
    this.#copy(this.#chunk(0), leaf, from, to)
  }

  /** Whether a whole node of `level` may be taken over here: no level up to its own is within a chunk. */
  isAtBoundary(level: number): boolean {
    for (let l = 0; l <= level; l++) if ((this.#levels[l]?.length ?? 0) > 0) return false
    return true
  }

  /**
   * Children of an old internal node from `from` up to `to`, with all below them, unread. Only where {@link isAtBoundary}
   * of their level holds.
   */
  copySubtrees(node: Node, from: number, to: number): void {
    assert(this.isAtBoundary(node.level - 1), 'a subtree may only follow a boundary of every level below')
    const chunk = this.#chunk(node.level)
    chunk.lastIsCopied = true
    this.#copy(chunk, node, from, to)
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
        const top = chunk.onlyChild
        for (const used of this.#levels.splice(0)) used.release()
        return chunk.lastIsCopied ? await lowestRoot(top) : top
      }
      if (chunk.length > 0) this.#close(chunk)
    }
  }

  /**
   * Ends the rows of a subtree whose top has `level`, and gives it; undefined where they do not come to exactly one node of
   * that level. Only one that is the `rightmost` may end without a boundary.
   */
  async finishSubtree(level: number, rightmost: boolean): Promise<TreeRef | undefined> {
    for (let l = 0; l <= level && rightmost; l++) if (this.#chunk(l).length > 0) this.#close(this.#chunk(l))
    const above = this.#chunk(level + 1)
    const isOne = above.total === 1 && this.isAtBoundary(level)
    const top = isOne ? above.onlyChild : undefined
    await this.takePending()
    for (const used of this.#levels.splice(0)) used.release()
    return top
  }

  #chunk(level: number): LevelChunk {
    while (this.#levels.length <= level) this.#levels.push(new LevelChunk(this.#levels.length))
    return this.#levels[level] as LevelChunk
  }

  /**
   * Bytes move once per chunk, not once per entry. Where the chunk so far has as many bytes as stand before `from` in the
   * old node, the splitter says what it said then: nothing, before the node's last entry. (The number of entries matters
   * to it for the first alone.)
   */
  #copy(chunk: LevelChunk, node: Node, from: number, to: number): void {
    const isInStep = chunk.encoded === node.entriesLength(0, from)
    const known = isInStep ? Math.max(from, Math.min(to, node.length - 1)) : from
    chunk.countCopied(node, from, known)
    let start = from
    for (let i = known; i < to; i++) {
      const encoded = chunk.countCopied(node, i, i + 1)
      if (!this.#isBoundary(chunk, encoded, node.bytes, node.keyStart(i), node.keyEnd(i))) continue
      chunk.copy(node, start, i + 1)
      start = i + 1
      this.#close(chunk)
    }
    chunk.copy(node, start, to)
  }

  #isBoundary(chunk: LevelChunk, encoded: number, bytes: Uint8Array, keyStart: number, keyEnd: number): boolean {
    return isBoundary(this.#format, chunk.level, chunk.length, chunk.encoded, encoded, bytes, keyStart, keyEnd)
  }

  #close(chunk: LevelChunk): void {
    const bytes = chunk.encode()
    const link = this.#link(CODEC_DAG_CBOR, bytes)
    const isKnown = chunk.known !== undefined && equalBytes(chunk.known, link)
    if (!isKnown) this.#put({ link, bytes })
    const { lastKey, entriesBelow, bytesBelow } = chunk
    chunk.clear()
    const above = this.#chunk(chunk.level + 1)
    above.lastIsCopied = false
    const total = bytes.length + bytesBelow
    assertTotal(total)
    const encoded = above.putChild({ lastKey, link, entries: entriesBelow, bytes: total })
    if (this.#isBoundary(above, encoded, lastKey, 0, lastKey.length)) this.#close(above)
  }

  #link(codec: number, bytes: Uint8Array): Link {
    this.#bytesSinceTurn += bytes.length
    if (this.#bytesSinceTurn >= BYTES_PER_TURN) {
      this.#bytesSinceTurn = 0
      this.#wait(eventLoopTurn())
    }
    return linkTo(codec, bytes)
  }

  #put(block: Block): void {
    this.blocksWritten++
    this.bytesWritten += block.bytes.length
    const busy = this.#sink.put(block)
    if (busy !== undefined) this.#wait(busy)
  }

  #wait(busy: Promise<void>): void {
    // Several promises may wait at once; a rejection must reach takePending and never be unhandled before.
    this.#pending = this.#pending === undefined ? busy : Promise.all([this.#pending, busy]).then(() => {})
    this.#pending.catch(() => {})
  }
}

/** @throws {CoppiceError} `KEY_TOO_LONG`. */
export function assertKeySize(key: Uint8Array): void {
  if (key.length <= KEY_BYTES_MAX) return
  throw new CoppiceError('KEY_TOO_LONG', `key: expected at most ${KEY_BYTES_MAX} bytes, got ${key.length}`, {
    details: { bytes: key.length, limit: KEY_BYTES_MAX },
  })
}

/** What no node can say nobody can read. It takes large values that are named many times: others may hand us such rows. */
function assertTotal(bytes: number): void {
  if (bytes <= Number.MAX_SAFE_INTEGER) return
  throw new CoppiceError('VALUE_TOO_LARGE', `tree: expected at most 2^53-1 bytes in all, got ${bytes}`, {
    details: { bytes, limit: Number.MAX_SAFE_INTEGER },
  })
}
