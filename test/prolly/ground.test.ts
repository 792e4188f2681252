/**
 * Keys chosen against the splitter (docs/spec/tree.md, 3, "Ground keys"): the tree stays sound, an attack costs what the
 * specification says and no more. XXH32 is no defence; the limits of a chunk are.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkTree, diffTrees, editTree, type Put, Tree } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { blockSet, collect, countMissing, reopened, treeOf } from '../support/tree-sets.ts'
import { vectorSet } from '../support/vector-sets.ts'

const test = suite('prolly/ground')

interface Worst {
  /** Nodes of the tree. */
  readonly nodes: number
  /** The most that one edit of those tried wrote. */
  readonly writes: number
  readonly reads: number
}

async function worstEdit(name: string): Promise<Worst> {
  const { rows } = vectorSet(name)
  const blocks = new BlockMap()
  const tree = await treeOf(rows, undefined, blocks)
  const report = await checkTree(blocks, tree.ref)
  assert.is(report.problemCount, 0)
  let [writes, reads] = [0, 0]
  for (let i = 0; i < rows.length; i += 50) {
    const { key } = rows[i] as Put
    for (const value of [null, new Uint8Array(900)]) {
      const fresh = await reopened(tree)
      const sink = new BlockMap()
      const edited = await editTree(fresh, [{ key, value }], sink)
      writes = Math.max(writes, edited.blocksWritten)
      reads = Math.max(reads, fresh.nodes.blocksRead)
      if (i % 500 === 0) await assertDiff(tree, edited.root, blocks, sink)
    }
  }
  const worst = { nodes: report.nodes, writes, reads }
  console.log(name, JSON.stringify(worst))
  return worst
}

/** Even where one edit rewrote a run, the difference is one row, and reading it costs what was rewritten. */
async function assertDiff(tree: Tree, root: Uint8Array, blocks: BlockMap, sink: BlockMap): Promise<void> {
  for (const [link, bytes] of sink.map) blocks.map.set(link, bytes)
  const [a, b] = [await reopened(tree), await reopened(await Tree.open(blocks, root))]
  assert.is((await collect(diffTrees(a, b))).length, 1)
  const [before, after] = [await blockSet(a), await blockSet(b)]
  const differing = countMissing(before, after) + countMissing(after, before)
  const read = a.nodes.blocksRead + b.nodes.blocksRead + 2
  assert.ok(read <= 1.05 * differing + 2, `${read} read, ${differing} differ`)
}

test('all hashes low: chunks are cut by their size alone, so one edit may rewrite the whole run, and no more', async () => {
  const { nodes, writes, reads } = await worstEdit('ground-low-3000')
  assert.is(nodes, 193)
  assert.ok(writes <= nodes && reads <= nodes)
})

test('all hashes high: chunks end late, and one edit may rewrite the run, too', async () => {
  const { nodes, writes, reads } = await worstEdit('ground-high-3000')
  assert.is(nodes, 21)
  assert.ok(writes <= nodes + 2 && reads <= nodes)
})

test('space: no keys make the nodes of a tree smaller than their minimum, nor larger than their maximum', async () => {
  for (const name of ['ground-low-3000', 'ground-high-3000', 'long-keys-500', 'tiny-entries-20000']) {
    const { rows } = vectorSet(name)
    const tree = await treeOf(rows)
    const payload = rows.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
    assert.ok(tree.ref.bytes <= 3.1 * payload + 1024, `${name}: ${tree.ref.bytes} bytes for ${payload} of rows`)
  }
})

test.run()
