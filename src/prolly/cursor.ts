/**
 * A place among the rows of a tree: the path of nodes from the root to one row. Moves read only the nodes they enter.
 */
import type { Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { Node } from './node.ts'
import type { NodeReader } from './node-reader.ts'

interface Step {
  readonly node: Node
  index: number
}

export class Cursor {
  readonly #nodes: NodeReader
  readonly #root: Link
  /** From the root to a leaf; empty before the first seek and once the cursor left the tree. */
  #path: Step[] = []

  constructor(nodes: NodeReader, root: Link) {
    this.#nodes = nodes
    this.#root = root
  }

  /** The leaf under the cursor, undefined once it left the tree. */
  get leaf(): Node | undefined {
    return this.#path.at(-1)?.node
  }

  /** The row in {@link leaf}. */
  get index(): number {
    return this.#path.at(-1)?.index ?? 0
  }

  /** Moves to the first row at or above `key`; with undefined to the first row of all. */
  async seek(key: Uint8Array | undefined): Promise<void> {
    await this.#descend(this.#start(), (node) => (key === undefined ? 0 : node.lowerBound(key)))
  }

  /** Moves to the last row below `key`; with undefined to the last row of all. */
  async seekBelow(key: Uint8Array | undefined): Promise<void> {
    // In an internal node the child that holds the first row at or above `key` is also where the row before it is, or
    // just left of it: descend there and step back once at the leaf.
    await this.#descend(this.#start(), (node) => {
      if (key === undefined) return node.level === 0 ? node.length : node.length - 1
      const at = node.lowerBound(key)
      return node.level === 0 ? at : Math.min(at, node.length - 1)
    })
    const step = this.#path.at(-1)
    if (step !== undefined && --step.index < 0) await this.previousLeaf()
  }

  /** To the first row of the leaf on the right. */
  async nextLeaf(): Promise<void> {
    await this.#turn(1)
  }

  /** To the last row of the leaf on the left. */
  async previousLeaf(): Promise<void> {
    await this.#turn(-1)
  }

  async #turn(direction: 1 | -1): Promise<void> {
    this.#path.pop()
    while (this.#path.length > 0) {
      const step = this.#path.at(-1) as Step
      step.index += direction
      if (step.index >= 0 && step.index < step.node.length) {
        await this.#descend(this.#nodes.child(step.node, step.index), (node) => (direction === 1 ? 0 : node.length - 1))
        return
      }
      this.#path.pop()
    }
  }

  #start(): MaybePromise<Node> {
    this.#path = []
    return this.#nodes.get(this.#root)
  }

  async #descend(from: MaybePromise<Node>, choose: (node: Node) => number): Promise<void> {
    for (let next = from; ;) {
      const node = next instanceof Promise ? await next : next
      const index = choose(node)
      if (node.level > 0 && index >= node.length) {
        // Above the last key of all: there is no such row.
        this.#path = []
        return
      }
      this.#path.push({ node, index })
      if (node.level === 0) return
      next = this.#nodes.child(node, index)
    }
  }
}
