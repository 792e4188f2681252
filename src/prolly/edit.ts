/**
 * Building and editing (tree.md, 3). An edit walks the old tree and the sorted edits side by side and feeds one
 * streaming chunker per level. A subtree that no edit touches is taken over unread wherever the chunkers of all levels
 * below stand at a boundary; after an edit, chunks are cut anew until the new boundaries meet the old ones again, on
 * every level. So the result is, by construction, what a bulk build of the same rows gives, at the cost of the change.
 * (The idea of advancing the chunker of each level by the cursor of the old tree is Dolt's tree mutator.)
 */
import { type Link, matchesLink } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { type Format, FORMAT_1, RAW_VALUE_BYTES_MAX } from './format.ts'
import { equalValues, isValueRef, type Node, type Value } from './node.ts'
import type { NodeReader } from './node-reader.ts'
import { SortedSource, type Source } from './sorted-source.ts'
import type { Tree } from './tree.ts'
import { type BlockSink, TreeWriter, type TreeRef } from './tree-writer.ts'

/** A row to be written: the bytes of its value, or where they stand out of line, written there by the caller. */
export interface Put<V extends Value = Uint8Array> {
  readonly key: Uint8Array
  readonly value: V
}

/** A put, or with `value: null` a delete. Deleting an absent key is no change. */
export interface Edit<V extends Value = Uint8Array> {
  readonly key: Uint8Array
  readonly value: V | null
}

export interface WriteOptions {
  /** Tests only: smaller chunks. */
  readonly format?: Format
  readonly signal?: AbortSignal | undefined
}

export interface WriteReport extends TreeRef {
  readonly blocksWritten: number
  readonly bytesWritten: number
}

/** Rows between two looks at the signal. */
const ROWS_PER_CHECK = 256

/**
 * Builds a tree from rows in key order. Memory is one partial chunk per level, whatever the number of rows.
 * After an error or an abort the sink holds blocks that nothing refers to.
 * @throws {CoppiceError} `INPUT_UNSORTED`, `INPUT_DUPLICATE_KEY`, `KEY_TOO_LONG`.
 */
export async function buildTree(
  rows: Source<Put<Value>>,
  sink: BlockSink,
  options: WriteOptions = {},
): Promise<WriteReport> {
  const writer = new TreeWriter(sink, options.format ?? FORMAT_1)
  const source = new SortedSource(rows)
  try {
    let sinceCheck = 0
    for (;;) {
      const next = source.next()
      const row = next instanceof Promise ? await next : next
      if (row === undefined) break
      if (isFileSized(row.value)) await writer.appendFile(row.key, row.value, options.signal)
      else writer.appendRow(row.key, row.value)
      const pending = writer.takePending()
      if (pending !== undefined) await pending
      if (++sinceCheck === ROWS_PER_CHECK) {
        sinceCheck = 0
        options.signal?.throwIfAborted()
      }
    }
    return report(writer, await writer.finish((child) => child))
  } finally {
    await source.close()
  }
}

/**
 * Applies sorted edits to a tree and gives the new one; the old one stays as it is. Reads the paths to the touched
 * leaves and what lies between them and the next common boundary; writes new nodes only.
 * @throws {CoppiceError} as {@link buildTree}, and as reading the tree does.
 */
export async function editTree(
  tree: Tree,
  edits: Source<Edit<Value>>,
  sink: BlockSink,
  options: WriteOptions = {},
): Promise<WriteReport> {
  const writer = new TreeWriter(sink, options.format ?? FORMAT_1)
  const source = new SortedSource(edits)
  try {
    await new Editor(tree, source, writer, EVERYWHERE, options.signal).run()
    return report(writer, await writer.finish((child) => lowestRoot(tree.nodes, child)))
  } finally {
    await source.close()
  }
}

function report(writer: TreeWriter, ref: TreeRef): WriteReport {
  const { root, entries, bytes } = ref
  return { root, entries, bytes, blocksWritten: writer.blocksWritten, bytesWritten: writer.bytesWritten }
}

/**
 * What is edited: the rows with lower < key <= last, for a subtree whose top has `level`. Undefined bounds are none. Only what stands
 * below that level is taken over whole.
 */
export interface EditBounds {
  readonly lower: Uint8Array | undefined
  readonly last: Uint8Array | undefined
  readonly level: number
  /** The first edit that changes nothing ends the walk: what it would read further on is for nothing. */
  readonly isStrict: boolean
}

export const EVERYWHERE: EditBounds = { lower: undefined, last: undefined, level: Infinity, isStrict: false }

/** A node on the way from the root to where the walk is, and its first entry that is not yet in the new tree. */
interface Step {
  readonly node: Node
  index: number
  /** Nothing of the old tree lies right of this node: edits above its last key fall here. */
  readonly isRightmost: boolean
  /** Below the child at `index` there may be rows at or below the lower bound. */
  isLeftEdge: boolean
}

/** Walks the old tree from left to right in one loop, which waits for nothing that is at hand. */
export class Editor {
  readonly #tree: Tree
  readonly #source: SortedSource<Edit<Value>>
  readonly #writer: TreeWriter
  readonly #bounds: EditBounds
  readonly #signal: AbortSignal | undefined
  readonly #path: Step[] = []
  /** The first edit not yet applied. */
  #edit: Edit<Value> | undefined

  /** All edits are within `bounds`. */
  constructor(
    tree: Tree,
    source: SortedSource<Edit<Value>>,
    writer: TreeWriter,
    bounds: EditBounds,
    signal: AbortSignal | undefined,
  ) {
    this.#tree = tree
    this.#source = source
    this.#writer = writer
    this.#bounds = bounds
    this.#signal = signal
  }

  /** False where it ended early, at an edit that changes nothing. */
  async run(): Promise<boolean> {
    const writer = this.#writer
    this.#edit = await this.#source.next()
    this.#enter(this.#tree.ref.root, await this.#tree.nodes.get(this.#tree.ref.root), true, true)
    for (let step = this.#path.at(-1); step !== undefined; step = this.#path.at(-1)) {
      this.#signal?.throwIfAborted()
      const { node } = step
      const end = Math.min(this.#nextTouched(step), this.#endOf(step))
      if (node.level === 0) {
        writer.copyRows(node, step.index, end)
        step.index = end
        const edit = this.#edit
        if (edit !== undefined && (end < node.length || step.isRightmost)) {
          if (this.#bounds.isStrict && isIdle(edit, step)) return false
          const written = this.#apply(edit, step)
          if (written instanceof Promise) await written
          const next = this.#source.next()
          this.#edit = next instanceof Promise ? await next : next
        } else {
          this.#path.pop()
        }
      } else if (step.index < end && this.#mayTakeOver(step)) {
        writer.copySubtrees(node, step.index, end)
        step.index = end
      } else if (step.index < node.length && !this.#isPastEnd(step)) {
        const isRightmost = step.isRightmost && step.index === node.length - 1
        const { isLeftEdge } = step
        step.isLeftEdge = false
        const found = this.#tree.nodes.child(node, step.index)
        const child = found instanceof Promise ? await found : found
        this.#enter(node.link(step.index++), child, isRightmost, isLeftEdge)
      } else {
        this.#path.pop()
      }
      const pending = writer.takePending()
      if (pending !== undefined) await pending
    }
    return true
  }

  #enter(link: Link, node: Node, isRightmost: boolean, isLeftEdge: boolean): void {
    this.#writer.replaces(node.level, link)
    const { lower } = this.#bounds
    if (!isLeftEdge || lower === undefined) {
      this.#path.push({ node, index: 0, isRightmost, isLeftEdge: false })
      return
    }
    const above = upperBound(node, lower)
    // Edits above all rows need a leaf to fall into.
    const index = isRightmost && node.level > 0 ? Math.min(above, node.length - 1) : above
    this.#path.push({ node, index, isRightmost, isLeftEdge })
  }

  /** Whether the children at hand may become entries of the new tree, unread. */
  #mayTakeOver({ node, isLeftEdge }: Step): boolean {
    return !isLeftEdge && node.level <= this.#bounds.level && this.#writer.isAtBoundary(node.level - 1)
  }

  /** The entries of the node before this one are wholly within the bounds, and may be copied. */
  #endOf({ node }: Step): number {
    const { last } = this.#bounds
    return last === undefined ? node.length : upperBound(node, last)
  }

  /** Whether all that is left of an internal node lies above the bounds. */
  #isPastEnd({ node, index }: Step): boolean {
    const { last } = this.#bounds
    return last !== undefined && index > 0 && node.compareKey(index - 1, last) >= 0
  }

  /** Writes the row of `edit`, which stands before row `index` of the leaf or takes its place. */
  #apply({ key, value }: Edit<Value>, step: Step): MaybePromise<void> {
    const { node: leaf, index } = step
    const isPresent = holdsKey(step, key)
    if (isPresent) step.index++
    if (value === null) return
    if (isFileSized(value)) return this.#writer.appendFile(key, value, this.#signal)
    if (isPresent && isHeldValue(leaf, index, value)) this.#writer.copyRows(leaf, index, index + 1)
    else this.#writer.appendRow(key, value)
  }

  /** The first entry at or behind the step's that the next edit touches: the row it stands before, or the child it falls into. */
  #nextTouched({ node, index, isRightmost }: Step): number {
    if (this.#edit === undefined) return node.length
    const at = node.lowerBound(this.#edit.key, index)
    return at === node.length && node.level > 0 && isRightmost ? node.length - 1 : at
  }
}

/** Whether the next row of the leaf has that key. */
function holdsKey({ node, index }: Step, key: Uint8Array): boolean {
  return index < node.length && node.compareKey(index, key) === 0
}

/** Whether the row of the edit is so already. */
function isIdle({ key, value }: Edit<Value>, step: Step): boolean {
  if (!holdsKey(step, key)) return value === null
  return value !== null && equalValues(step.node.value(step.index), value)
}

/** The first index whose key is above `key`. */
function upperBound(node: Node, key: Uint8Array): number {
  const at = node.lowerBound(key)
  return at < node.length && node.compareKey(at, key) === 0 ? at + 1 : at
}

/** Whether row `i` already refers to a block of this value, which then need not be written again. */
function isHeldValue(leaf: Node, i: number, value: Value): boolean {
  if (leaf.isInline(i)) return false
  const held = leaf.value(i)
  if (isValueRef(value)) return equalValues(held, value)
  return isValueRef(held) && held.size === value.length && matchesLink(held.link, value)
}

/** Bytes that no single block holds: they are written as a file first. */
function isFileSized(value: Value): value is Uint8Array {
  return !isValueRef(value) && value.length > RAW_VALUE_BYTES_MAX
}

/** Where deletes left one old subtree, its highest node with more than one child (or its leaf) is the root. */
export async function lowestRoot(nodes: NodeReader, top: TreeRef): Promise<TreeRef> {
  let ref = top
  for (;;) {
    const node = await nodes.get(ref.root)
    if (node.level === 0 || node.length > 1) return ref
    ref = { root: node.link(0), entries: node.childEntries(0), bytes: node.childBytes(0) }
  }
}
