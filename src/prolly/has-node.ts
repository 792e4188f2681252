/** Whether a tree has a node, found by where it would have to stand. */
import { equalBytes } from '../bytes.ts'
import type { Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { Node } from './node.ts'
import type { Tree } from './tree.ts'

/**
 * Whether the node `link`, of this level and with this last key, is one of the tree's. Equal nodes have equal last keys, so it
 * stands on the path to that key or nowhere. Reads that path, above the level.
 */
export function hasNode(tree: Tree, link: Link, level: number, lastKey: Uint8Array): MaybePromise<boolean> {
  if (tree.level <= level) return tree.level === level && equalBytes(tree.ref.root, link)
  return findOnPath(tree, tree.nodes.get(tree.ref.root), link, level, lastKey)
}

function findOnPath(
  tree: Tree,
  from: MaybePromise<Node>,
  link: Link,
  level: number,
  lastKey: Uint8Array,
): MaybePromise<boolean> {
  let next = from
  for (;;) {
    if (next instanceof Promise) return next.then((node) => findOnPath(tree, node, link, level, lastKey))
    const i = next.lowerBound(lastKey)
    if (i === next.length) return false
    if (next.level === level + 1) return equalBytes(next.link(i), link)
    next = tree.nodes.child(next, i)
  }
}
