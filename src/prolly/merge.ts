/**
 * Three-way merge: what becomes of `base` when the changes of `left` and those of `right` are both made. The three trees
 * are walked at once from the left, as a diff walks two. Wherever two of them are seen to be the same, unread, the third
 * decides: where base and left are the same, what right has there is the result, and so on. Its subtrees go to the
 * writer by link wherever that stands at a boundary, so the result is what a bulk build of the merged rows gives, and
 * what is read and written is the paths that both sides changed, whatever the size of the rest.
 *
 * Only a key that both sides changed, and not to the same, is a conflict: a value that is handed to whoever can resolve it.
 */
import { compareBytes, equalBytes } from '../bytes.ts'
import { assert } from '../errors.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { lowestRoot, type WriteOptions, type WriteReport } from './edit.ts'
import { FORMAT_1, RAW_VALUE_BYTES_MAX } from './format.ts'
import { MergeFront } from './merge-front.ts'
import { equalValues, isValueRef, type Value } from './node.ts'
import type { Tree } from './tree.ts'
import { type BlockSink, TreeWriter, type TreeRef } from './tree-writer.ts'

/** A key that both sides changed, and not to the same. Undefined: the key is not there. Views of blocks. */
export interface Conflict {
  readonly key: Uint8Array
  readonly base: Value | undefined
  readonly left: Value | undefined
  readonly right: Value | undefined
}

/** What becomes of a conflict: one of the sides, a value (null deletes), or nothing: it stays a conflict. */
export type Resolution = 'left' | 'right' | 'conflict' | { readonly value: Value | null }

export type Resolver = (conflict: Conflict) => MaybePromise<Resolution>

export interface MergeOptions extends WriteOptions {
  /** Asked for each conflict, in key order. Without, all of them stay. */
  readonly resolve?: Resolver
  /** Called with each conflict that stays, in key order. */
  readonly onConflict?: (conflict: Conflict) => MaybePromise<void>
}

export interface MergeReport extends WriteReport {
  /** Keys that both sides changed, and not to the same. */
  readonly conflicts: number
  /** How many of them stay. The tree has what left has there: it is not yet a merge. */
  readonly unresolved: number
}

/**
 * Merges `left` and `right`, which both grew out of `base`; they may be of different stores. The result is made of what is
 * put into the sink, and of blocks of left and right that it names and nobody copies (see copyTree). Memory is one path of
 * each tree and one partial chunk per level. After an error or an abort the sink holds blocks that nothing refers to.
 * @throws {CoppiceError} as reading the trees does.
 */
export async function mergeTrees(
  base: Tree,
  left: Tree,
  right: Tree,
  sink: BlockSink,
  options: MergeOptions = {},
): Promise<MergeReport> {
  const known = sameSide(base, left, right)
  if (known !== undefined) return { ...known, blocksWritten: 0, bytesWritten: 0, conflicts: 0, unresolved: 0 }
  const [b, l, r] = [await MergeFront.open(base), await MergeFront.open(left), await MergeFront.open(right)]
  const writer = new TreeWriter(sink, options.format ?? FORMAT_1)
  writer.replaces(left.level, left.ref.root)
  const merger = new Merger(b, l, r, writer, options)
  await merger.run()
  const { root, entries, bytes } = await writer.finish((top) => lowestRoot((merger.copied ?? left).nodes, top))
  const { blocksWritten, bytesWritten } = writer
  const { conflicts, unresolved } = merger
  return { root, entries, bytes, blocksWritten, bytesWritten, conflicts, unresolved }
}

/** Where two of the three are one tree, the result is known unread. */
function sameSide(base: Tree, left: Tree, right: Tree): TreeRef | undefined {
  if (equalBytes(left.ref.root, right.ref.root) || equalBytes(base.ref.root, right.ref.root)) return left.ref
  return equalBytes(base.ref.root, left.ref.root) ? right.ref : undefined
}

/** Base and `other` are the same up to `end`, and stand beyond it: up to there `side` is the result. */
interface Agreement {
  readonly side: MergeFront
  readonly other: MergeFront
  readonly end: Uint8Array
}

class Merger {
  conflicts = 0
  unresolved = 0
  /** Whose subtree was taken over last. */
  copied: MergeFront | undefined
  readonly #base: MergeFront
  readonly #left: MergeFront
  readonly #right: MergeFront
  readonly #fronts: readonly MergeFront[]
  readonly #writer: TreeWriter
  readonly #options: MergeOptions
  #agreement: Agreement | undefined
  /** Every key up to this one is decided. */
  #decided: Uint8Array | undefined

  constructor(base: MergeFront, left: MergeFront, right: MergeFront, writer: TreeWriter, options: MergeOptions) {
    this.#base = base
    this.#left = left
    this.#right = right
    this.#fronts = [left, right, base]
    this.#writer = writer
    this.#options = options
  }

  async run(): Promise<void> {
    const [base, left, right] = [this.#base, this.#left, this.#right]
    for (;;) {
      this.#options.signal?.throwIfAborted()
      for (const front of this.#fronts) front.settle(this.#decided)
      if (left.isDone && right.isDone) return
      if (this.#agreement !== undefined) await this.#takeAgreed(this.#agreement)
      else if (isSameSubtree(left, right)) await this.#takeShared()
      else if (isSameSubtree(base, left)) this.#agree(right, left)
      else if (isSameSubtree(base, right)) this.#agree(left, right)
      else await this.#compare()
      const pending = this.#writer.takePending()
      if (pending !== undefined) await pending
    }
  }

  /** Both sides have the same subtree, whatever base has. Looked into together, they are seen to be the same further down. */
  async #takeShared(): Promise<void> {
    const [left, right] = [this.#left, this.#right]
    // Where only one of the two ends here, the subtree ends with a boundary.
    if (this.#writer.isAtBoundary(left.level)) return this.#copySubtree(left, right)
    await this.#enter(left)
    await this.#enter(right)
  }

  /** Base and `other` stand at the same subtree and pass it. */
  #agree(side: MergeFront, other: MergeFront): void {
    this.#agreement = { side, other, end: other.key }
    this.#base.pass()
    other.pass()
  }

  async #takeAgreed({ side, other, end }: Agreement): Promise<void> {
    if (side.isEmptyTo(end)) {
      this.#decided = end
      this.#agreement = undefined
    } else if (compareBytes(side.key, end) <= 0) await this.#take(side, other)
    // Chunks of different length seldom end together: a subtree of the side may take several that agree.
    else if (isSameSubtree(this.#base, other)) this.#agree(side, other)
    else await this.#enter(side)
  }

  /** No two fronts are the same subtree: the lowest one is taken where it is alone, or compared further down. */
  async #compare(): Promise<void> {
    const lowest = this.#fronts.reduce((a, b) => (b.isDone || (!a.isDone && compareBytes(a.key, b.key) <= 0) ? a : b))
    const { key } = lowest
    const involved = this.#fronts.filter((front) => !front.isEmptyTo(key))
    const level = Math.max(...involved.map((front) => front.level))
    const [only, second] = involved
    if (only !== undefined && second === undefined) {
      // Neither of the others has anything here: added by one side, or deleted by both.
      if (only === this.#base) this.#decided = key
      else await this.#take(only, only === this.#left ? this.#right : this.#left)
    } else if (involved.every((front) => front.isRow)) {
      await this.#decideRow(key)
    } else {
      // A higher front may hold a lower one's equal further down.
      for (const front of involved) if (front.level === level) await this.#enter(front)
    }
  }

  /** What stands at `side` is the result, all of it: the row, or the subtree, looked into where it may not be copied. */
  async #take(side: MergeFront, other: MergeFront): Promise<void> {
    if (side.isRow) return this.#copyRow(side)
    // The right edge of a tree ends without a boundary: nothing may follow it.
    const isEnding = side.isRightmost && !other.isDone
    if (!isEnding && this.#writer.isAtBoundary(side.level)) return this.#copySubtree(side, other)
    await this.#enter(side)
  }

  #copySubtree(side: MergeFront, other: MergeFront): void {
    assert(
      this.#isUndecided(side) || (isSameSubtree(side, other) && this.#isUndecided(other)),
      'a subtree is taken whole',
    )
    const { node, index, key } = side
    this.#writer.copySubtrees(node, index, index + 1)
    this.copied = side
    this.#decided = key
  }

  /** No row of the subtree at the front is decided yet. */
  #isUndecided({ lower }: MergeFront): boolean {
    return this.#decided === undefined || (lower !== undefined && compareBytes(lower, this.#decided) >= 0)
  }

  #copyRow(side: MergeFront): void {
    const { node, index, key } = side
    this.#writer.copyRows(node, index, index + 1)
    this.#decided = key
  }

  /** Every front either is at a row of this key or has none. */
  async #decideRow(key: Uint8Array): Promise<void> {
    const [left, right, base] = this.#fronts.map((front) => (front.isEmptyTo(key) ? undefined : front.value))
    if (equalOrAbsent(left, right) || equalOrAbsent(base, right)) this.#takeRow(this.#left, left)
    else if (equalOrAbsent(base, left)) this.#takeRow(this.#right, right)
    else await this.#resolve({ key, base, left, right })
    this.#decided = key
  }

  #takeRow(side: MergeFront, value: Value | undefined): void {
    if (value !== undefined) this.#copyRow(side)
  }

  async #resolve(conflict: Conflict): Promise<void> {
    const { key, left, right } = conflict
    this.conflicts++
    const resolution = (await this.#options.resolve?.(conflict)) ?? 'conflict'
    if (resolution === 'conflict') {
      this.unresolved++
      await this.#options.onConflict?.(conflict)
    }
    if (resolution === 'left' || resolution === 'conflict') return this.#takeRow(this.#left, left)
    if (resolution === 'right') return this.#takeRow(this.#right, right)
    const { value } = resolution
    if (value === null) return
    if (isValueRef(value) || value.length <= RAW_VALUE_BYTES_MAX) this.#writer.appendRow(key, value)
    else await this.#writer.appendFile(key, value, this.#options.signal)
  }

  async #enter(front: MergeFront): Promise<void> {
    if (front === this.#left) this.#writer.replaces(front.level, front.link)
    await front.enter()
  }
}

function isSameSubtree(a: MergeFront, b: MergeFront): boolean {
  return !a.isDone && !b.isDone && !a.isRow && !b.isRow && equalBytes(a.link, b.link)
}

function equalOrAbsent(a: Value | undefined, b: Value | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalValues(a, b)
}
