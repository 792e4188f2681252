/**
 * Keys chosen against the splitter (docs/spec/tree.md, 3, "Ground keys"; threat 17): the tree stays sound, an attack
 * costs what the specification says and no more. XXH32 is no defence; the limits of a chunk are.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkTree, diffTrees, editTree, type Put, Tree } from '../../src/prolly/index.ts'
import { xxh32 } from '../../src/prolly/xxh32.ts'
import { BlockMap } from '../support/blocks.ts'
import { Random } from '../support/random.ts'
import { blockSet, collect, countMissing, refText, reopened, sortRows, treeOf } from '../support/tree-sets.ts'
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

interface Attack {
  readonly batches: number
  readonly writes: number
  readonly reads: number
  /** Nodes of the tree after each batch, summed. */
  readonly nodesPassed: number
  /** Nodes in the end. */
  readonly nodes: number
  readonly levels: number
}

/** Puts the rows in their order, so many at a time, and holds every batch to its own bound. */
async function attack(rows: readonly Put[], batchRows: number): Promise<Attack> {
  const blocks = new BlockMap()
  let tree = await treeOf([], undefined, blocks)
  let before = 1
  const sum = { batches: 0, writes: 0, reads: 0, nodesPassed: 0 }
  for (let at = 0; at < rows.length; at += batchRows) {
    const fresh = await reopened(tree)
    const edited = await editTree(fresh, sortRows(rows.slice(at, at + batchRows)), blocks)
    tree = await Tree.open(blocks, edited.root)
    const after = (await blockSet(tree)).size
    const { blocksRead } = fresh.nodes
    assert.ok(blocksRead <= before, `batch at ${at}: ${blocksRead} read of ${before}`)
    assert.ok(edited.blocksWritten <= after, `batch at ${at}: ${edited.blocksWritten} written of ${after}`)
    assert.ok(edited.bytesWritten <= tree.ref.bytes, `batch at ${at}: ${edited.bytesWritten} bytes`)
    sum.batches++
    sum.writes += edited.blocksWritten
    sum.reads += blocksRead
    sum.nodesPassed += after
    before = after
  }
  const rebuilt = await treeOf(sortRows(rows))
  assert.is(refText(tree.ref), refText(rebuilt.ref), 'the root of a bulk build')
  return { ...sum, nodes: before, levels: tree.level + 1 }
}

for (const name of ['ground-low-3000', 'ground-high-3000']) {
  const rows = vectorSet(name).rows.slice(0, 1000)

  test(`${name}, appended one by one or in batches: each batch costs the right edge and what it adds`, async () => {
    for (const batchRows of [1, 7, 100]) {
      const { batches, writes, reads, nodes, levels } = await attack(rows, batchRows)
      console.log(name, 'ascending', JSON.stringify({ batchRows, batches, writes, reads, nodes, levels }))
      assert.ok(writes <= batches * levels + 2 * nodes)
      assert.ok(reads <= batches * levels)
    }
  })

  test(`${name}, put before the run or into it: each batch rewrites the run once at most, so larger batches cost less`, async () => {
    const shuffled = new Random(1).shuffled(rows)
    for (const order of [rows.toReversed(), shuffled]) {
      const [small, large] = [await attack(order, 10), await attack(order, 100)]
      console.log(name, JSON.stringify([small, large]))
      for (const { writes, nodesPassed } of [small, large]) assert.ok(writes <= nodesPassed)
      assert.ok(large.writes <= small.writes / 5, 'ten times fewer batches')
    }
  })
}

test('a run between ordinary rows: an edit in it rewrites the run, an edit elsewhere what it always does', async () => {
  const ground = vectorSet('ground-low-3000').rows
  const run = (await blockSet(await treeOf(ground))).size
  const random = new Random(2)
  const around = (...front: number[]): Put[] =>
    Array.from({ length: 10_000 }, () => ({
      key: Uint8Array.of(...front, ...random.bytes(16)),
      value: random.bytes(64),
    }))
  const [before, after] = [around(0, 0, 0, 0), around(1)]
  const rows = [...sortRows(before), ...ground, ...sortRows(after)]
  const tree = await treeOf(rows)
  const costOf = async (key: Uint8Array): Promise<number> => {
    const fresh = await reopened(tree)
    const { blocksWritten } = await editTree(fresh, [{ key, value: null }], new BlockMap())
    assert.ok(fresh.nodes.blocksRead <= blocksWritten + 2 * (tree.level + 1))
    return blocksWritten
  }
  let elsewhere = 0
  for (let i = 0; i < 200; i++) elsewhere = Math.max(elsewhere, await costOf(random.pick(after).key))
  const inRun = await costOf((ground[20] as Put).key)
  console.log(JSON.stringify({ run, inRun, elsewhere, levels: tree.level + 1 }))
  assert.ok(inRun >= run * 0.9 && inRun <= run + elsewhere, 'the run, and an ordinary way back to the old boundaries')
  assert.ok(elsewhere <= 20)
})

/**
 * Keys of 1,020 bytes with nothing behind them, each its own leaf, and of every level each second ends a node: what the
 * specification computes as the least favourable. `levels` of internal nodes are ground, those above are as they fall.
 */
function heaviest(count: number, levels: number): Put[] {
  const random = new Random(3)
  return Array.from({ length: count }, (_, i) => {
    const key = random.bytes(1020)
    new DataView(key.buffer).setUint32(0, i)
    const closes = (level: number): boolean => {
      const hash = xxh32(key, 0, key.length, level)
      return level === 0 ? hash < 1024 ** 4 / 2 ** 14 : hash * 2 ** 14 < 2140 ** 3 * 1070
    }
    const isEndOf = (level: number): boolean => (i + 1) % 2 ** level === 0
    const view = new DataView(key.buffer)
    for (let n = 0; ; n++) {
      view.setUint32(4, n)
      let level = 0
      while (level <= levels && (!isEndOf(level) || closes(level))) level++
      if (level > levels) return { key, value: new Uint8Array(0) }
    }
  })
}

test('space: the least favourable keys take 3.1 times their bytes', async () => {
  const rows = heaviest(128, 3)
  const tree = await treeOf(rows)
  const payload = rows.length * 1020
  const ratio = tree.ref.bytes / payload
  console.log(JSON.stringify({ ratio, levels: tree.level + 1, nodes: (await blockSet(tree)).size }))
  assert.ok(ratio > 2.8 && ratio <= 3.15, `${ratio}`)
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
