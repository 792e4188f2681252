/** The shape of a tree that is here, from the nodes on one way down: enough to guess what a change of it costs. */
import { compareBytes } from '../../bytes.ts'
import { type Format, FORMAT_1, keyAfter, type Tree } from '../../prolly/index.ts'
import { meanNodeBytes, type Shape } from './cost.ts'

/** Reads one path, that to `key`, or to the first row. @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`. */
export async function shapeOf(tree: Tree, key: Uint8Array | null, format: Format = FORMAT_1): Promise<Shape> {
  const nodes = [1]
  const { entries, root } = tree.ref
  let node = await tree.nodes.get(root)
  while (node.level > 0) {
    const above = nodes[0] ?? 1
    // Of the lowest inner level the rows of its leaves say more than its own number of children.
    nodes.unshift(node.level === 1 ? (entries * node.length) / node.entries : above * node.length)
    const at = key === null ? 0 : Math.min(node.lowerBound(key), node.length - 1)
    const child = tree.nodes.child(node, at)
    node = child instanceof Promise ? await child : child
  }
  return { entries, nodes, nodeBytes: meanNodeBytes(format) }
}

/** Rows of the tree with after < key <= until; null: no such bound. Reads two paths. */
export async function countBetween(tree: Tree, after: Uint8Array | null, until: Uint8Array | null): Promise<number> {
  if (after !== null && until !== null && compareBytes(after, until) >= 0) return 0
  const end = until === null ? tree.ref.entries : await tree.rank(keyAfter(until))
  return end - (after === null ? 0 : await tree.rank(keyAfter(after)))
}
