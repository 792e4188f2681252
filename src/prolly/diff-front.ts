/** One side of a diff: what stands at the left edge of a tree's rest, within a range; a row, or a subtree not yet read. */
import type { Node } from './node.ts'
import type { NodeReader } from './node-reader.ts'
import type { KeyRange } from './range.ts'
import type { Tree } from './tree.ts'

interface Place {
  readonly node: Node
  readonly index: number
}

export class DiffFront {
  readonly #nodes: NodeReader
  readonly #range: KeyRange
  /** From the root to the parent of {@link node}: the children on the way. */
  readonly #path: Place[] = []
  /** The front is entry {@link index} of this node, unless {@link isDone}. */
  node: Node
  index = 0
  /** Nothing of the range is left. */
  isDone = false
  /** The entry passed last: all that is left lies above its key. */
  #passed: Place | undefined

  private constructor(nodes: NodeReader, range: KeyRange, root: Node) {
    this.#nodes = nodes
    this.#range = range
    this.node = root
    this.#begin(root)
  }

  static async open(tree: Tree, range: KeyRange): Promise<DiffFront> {
    return new DiffFront(tree.nodes, range, await tree.nodes.get(tree.ref.root))
  }

  get isRow(): boolean {
    return this.node.level === 0
  }

  /** Of the node of which the front is an entry: a row stands lower than any subtree. */
  get level(): number {
    return this.node.level
  }

  /** Passes the entries of this node that stand before `index`. */
  advance(index: number): void {
    this.#pass(index)
    this.#settle()
  }

  /** Reads the subtree at the front; its first child or row is the front then. */
  async enter(): Promise<void> {
    const { node, index } = this
    const found = this.#nodes.child(node, index)
    this.#path.push({ node, index })
    this.#begin(found instanceof Promise ? await found : found)
  }

  #begin(node: Node): void {
    this.node = node
    this.index = 0
    const { start } = this.#range
    if (start !== undefined) this.#pass(node.lowerBound(start))
    this.#settle()
  }

  #pass(index: number): void {
    if (index > 0) this.#passed = { node: this.node, index: index - 1 }
    this.index = index
  }

  /** Leaves finished nodes behind, and all where the range ends. */
  #settle(): void {
    while (this.index === this.node.length) {
      const parent = this.#path.pop()
      if (parent === undefined) {
        this.isDone = true
        return
      }
      this.node = parent.node
      this.index = parent.index + 1
    }
    const { end } = this.#range
    if (end !== undefined) this.isDone = this.#isBeyond(end)
  }

  #isBeyond(end: Uint8Array): boolean {
    if (this.isRow) return this.node.compareKey(this.index, end) >= 0
    const passed = this.#passed
    return passed !== undefined && passed.node.compareKey(passed.index, end) >= 0
  }
}
