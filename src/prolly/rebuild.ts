/**
 * One subtree of a new tree, made from the rows that an older tree has in its place and what changed of them. Where a
 * boundary of some level stands, there is one of every level below (tree.md, 3), so the chunkers begin anew at the lower bound, and rows
 * that are the right ones end in one node: that of the subtree's link, or somebody is wrong about the rows. Nothing outside of
 * the subtree is looked at, so a tree can be made in pieces that are small, and each be judged by itself.
 */
import type { Link } from '../link.ts'
import { type Edit, Editor, EVERYWHERE, lowestRoot, type WriteOptions } from './edit.ts'
import { FORMAT_1 } from './format.ts'
import type { Value } from './node.ts'
import { SortedSource, type Source } from './sorted-source.ts'
import type { Tree } from './tree.ts'
import { type BlockSink, TreeWriter } from './tree-writer.ts'
import type { NodeClaim } from './verify.ts'

/**
 * Rebuilds the subtree at the place of `claim`, or with the claim of a root the whole tree, from the rows of `base` and `edits` within its
 * bounds (lower < key <= last; of the rightmost, all above lower). Whoever compares the link knows whether the edits are right.
 * Undefined where the rows do not come to one node of the level that was claimed, or an edit changes nothing, as none of an honest
 * difference does: at the first one it ends.
 * The sink gets the nodes that `base` does not have at the same place; reads follow the edits, as those of `editTree`.
 * @throws {CoppiceError} as `editTree`, and whatever the sink throws: it may bound what a rebuild costs.
 */
export async function rebuildSubtree(
  base: Tree,
  claim: Pick<NodeClaim, 'level' | 'lower' | 'last' | 'rightmost'>,
  edits: Source<Edit<Value>>,
  sink: BlockSink,
  options: WriteOptions = {},
): Promise<Link | undefined> {
  const { level, lower, rightmost } = claim
  const writer = new TreeWriter(sink, options.format ?? FORMAT_1)
  const source = new SortedSource(edits)
  const place = level === undefined ? EVERYWHERE : { lower, last: rightmost ? undefined : claim.last, level }
  try {
    const editor = new Editor(base, source, writer, { ...place, isStrict: true }, options.signal)
    if (!(await editor.run())) return undefined
    const made =
      level === undefined
        ? await writer.finish((child) => lowestRoot(base.nodes, child))
        : await writer.finishSubtree(level, rightmost)
    return made?.root
  } finally {
    await source.close()
  }
}
