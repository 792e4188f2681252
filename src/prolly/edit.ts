/**
 * Building and editing (tree.md, 3). An edit walks the old tree and the sorted edits side by side and feeds one
 * streaming chunker per level. A subtree that no edit touches is taken over unread wherever the chunkers of all levels
 * below stand at a boundary; after an edit, chunks are cut anew until the new boundaries meet the old ones again, on
 * every level. So the result is, by construction, what a bulk build of the same rows gives, at the cost of the change.
 * (The idea of advancing the chunker of each level by the cursor of the old tree is Dolt's tree mutator.)
 */
import { compareBytes } from '../bytes.ts'
import { matchesLink } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { type Format, FORMAT_1 } from './format.ts'
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
 * @throws {CoppiceError} `INPUT_UNSORTED`, `INPUT_DUPLICATE_KEY`, `KEY_TOO_LONG`, `VALUE_TOO_LARGE`.
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
      writer.appendRow(row.key, row.value)
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
    const editor = new Editor(tree.nodes, source, writer, options.signal)
    await editor.start()
    writer.replaces(tree.level, tree.ref.root)
    await editor.rewrite(await tree.nodes.get(tree.ref.root), true)
    return report(writer, await writer.finish((child) => lowestRoot(tree.nodes, child)))
  } finally {
    await source.close()
  }
}

function report(writer: TreeWriter, ref: TreeRef): WriteReport {
  const { root, entries, bytes } = ref
  return { root, entries, bytes, blocksWritten: writer.blocksWritten, bytesWritten: writer.bytesWritten }
}

class Editor {
  readonly #nodes: NodeReader
  readonly #source: SortedSource<Edit<Value>>
  readonly #writer: TreeWriter
  readonly #signal: AbortSignal | undefined
  /** The first edit not yet applied. */
  #edit: Edit<Value> | undefined

  constructor(
    nodes: NodeReader,
    source: SortedSource<Edit<Value>>,
    writer: TreeWriter,
    signal: AbortSignal | undefined,
  ) {
    this.#nodes = nodes
    this.#source = source
    this.#writer = writer
    this.#signal = signal
  }

  async start(): Promise<void> {
    this.#edit = await this.#source.next()
  }

  /** Writes the rows below `node` with the edits that fall there; edits above the last key fall to the rightmost. */
  async rewrite(node: Node, rightmost: boolean): Promise<void> {
    this.#signal?.throwIfAborted()
    if (node.level === 0) {
      await this.#rewriteLeaf(node, rightmost)
    } else {
      for (let i = 0; i < node.length; i++) {
        const childIsRightmost = rightmost && i === node.length - 1
        if (!this.#isTouched(node, i, childIsRightmost) && this.#writer.isAtBoundary(node.level - 1)) {
          this.#writer.copySubtree(node, i)
          continue
        }
        const link = node.link(i)
        const found = this.#nodes.get(link)
        const child = found instanceof Promise ? await found : found
        this.#writer.replaces(child.level, link)
        await this.rewrite(child, childIsRightmost)
      }
    }
    const pending = this.#writer.takePending()
    if (pending !== undefined) await pending
  }

  #isTouched(node: Node, i: number, rightmost: boolean): boolean {
    return this.#edit !== undefined && (rightmost || node.compareKey(i, this.#edit.key) >= 0)
  }

  async #rewriteLeaf(leaf: Node, rightmost: boolean): Promise<void> {
    const writer = this.#writer
    const last = leaf.lastKey
    let row = 0
    let sinceCheck = 0
    for (let edit = this.#edit; edit !== undefined; edit = this.#edit) {
      if (!rightmost && (last === undefined || compareBytes(edit.key, last) > 0)) break
      let order = 1
      while (row < leaf.length && (order = leaf.compareKey(row, edit.key)) < 0) writer.copyRow(leaf, row++)
      const isPresent = row < leaf.length && order === 0
      if (isPresent && edit.value !== null && isHeldValue(leaf, row, edit.value)) writer.copyRow(leaf, row)
      else if (edit.value !== null) writer.appendRow(edit.key, edit.value)
      if (isPresent) row++
      const next: MaybePromise<Edit<Value> | undefined> = this.#source.next()
      this.#edit = next instanceof Promise ? await next : next
      const pending = writer.takePending()
      if (pending !== undefined) await pending
      if (++sinceCheck === ROWS_PER_CHECK) {
        sinceCheck = 0
        this.#signal?.throwIfAborted()
      }
    }
    while (row < leaf.length) writer.copyRow(leaf, row++)
  }
}

/** Whether row `i` already refers to a block of this value, which then need not be written again. */
function isHeldValue(leaf: Node, i: number, value: Value): boolean {
  if (leaf.isInline(i)) return false
  const held = leaf.value(i)
  if (isValueRef(value)) return equalValues(held, value)
  return isValueRef(held) && held.size === value.length && matchesLink(held.link, value)
}

/** Where deletes left one old subtree, its highest node with more than one child (or its leaf) is the root. */
async function lowestRoot(nodes: NodeReader, top: TreeRef): Promise<TreeRef> {
  let ref = top
  for (;;) {
    const node = await nodes.get(ref.root)
    if (node.level === 0 || node.length > 1) return ref
    ref = { root: node.link(0), entries: node.childEntries(0), bytes: node.childBytes(0) }
  }
}
