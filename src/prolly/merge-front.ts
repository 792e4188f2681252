/**
 * One side of a three-way merge: what stands at the left edge of a tree's rest, either a subtree not yet read or a row.
 * Keys up to a watermark are decided; what lies wholly below it is passed unread.
 */
import { compareBytes } from '../bytes.ts'
import type { Link } from '../link.ts'
import type { Node, Value } from './node.ts'
import type { NodeReader } from './node-reader.ts'
import type { Tree } from './tree.ts'

interface Step {
  readonly node: Node
  index: number
  /** Nothing of the tree lies to the right of this node. */
  readonly rightmost: boolean
}

/** Level of a row as a front: below every node. */
const ROW_LEVEL = -1

export class MergeFront {
  readonly nodes: NodeReader
  readonly #path: Step[]
  /** The last key passed: all that is left lies above it. */
  #lower: Uint8Array | undefined

  private constructor(nodes: NodeReader, root: Node) {
    this.nodes = nodes
    this.#path = [{ node: root, index: 0, rightmost: true }]
  }

  /** Reads the root. */
  static async open(tree: Tree): Promise<MergeFront> {
    return new MergeFront(tree.nodes, await tree.nodes.get(tree.ref.root))
  }

  get isDone(): boolean {
    return this.#path.length === 0
  }

  get #step(): Step {
    return this.#path.at(-1) as Step
  }

  /** Where the front stands: child or row {@link index} of this node. */
  get node(): Node {
    return this.#step.node
  }

  get index(): number {
    return this.#step.index
  }

  /** Of the subtree at the front, or {@link ROW_LEVEL}. */
  get level(): number {
    return this.#step.node.level - 1
  }

  get isRow(): boolean {
    return this.level === ROW_LEVEL
  }

  get link(): Link {
    return this.#step.node.link(this.#step.index)
  }

  /** The row's key, or the last key of the subtree. */
  get key(): Uint8Array {
    return this.#step.node.key(this.#step.index)
  }

  get value(): Value {
    return this.#step.node.value(this.#step.index)
  }

  get lower(): Uint8Array | undefined {
    return this.#lower
  }

  /** Nothing of the tree lies to the right of the front. */
  get isRightmost(): boolean {
    const { node, index, rightmost } = this.#step
    return rightmost && index === node.length - 1
  }

  /** Whether the tree is known, unread, to have no undecided row up to `key`, that key included. */
  isEmptyTo(key: Uint8Array): boolean {
    if (this.isDone || (this.isRow && compareBytes(this.key, key) > 0)) return true
    return this.#lower !== undefined && compareBytes(this.#lower, key) >= 0
  }

  /** Passes all that lies at or below `decided`, and leaves finished nodes behind. */
  settle(decided: Uint8Array | undefined): void {
    for (let step = this.#path.at(-1); step !== undefined; step = this.#path.at(-1)) {
      while (decided !== undefined && step.index < step.node.length && step.node.compareKey(step.index, decided) <= 0) {
        this.#lower = step.node.key(step.index++)
      }
      if (step.index < step.node.length) return
      this.#path.pop()
      if (this.#path.length > 0) this.#step.index++
    }
  }

  /** Passes what stands at the front; {@link settle} comes next. */
  pass(): void {
    this.#lower = this.key
    this.#step.index++
  }

  /** Reads the subtree at the front; its first child or row is the front then. */
  async enter(): Promise<void> {
    const rightmost = this.isRightmost
    const found = this.nodes.get(this.link)
    const node = found instanceof Promise ? await found : found
    this.#path.push({ node, index: 0, rightmost })
  }
}
