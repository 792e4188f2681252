/**
 * What operations cost, in blocks read and written: the promise that the cost of a change is the size of the change.
 * `reopened` trees have read their root and nothing else; reads are counted from there.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildTree, diffTrees, editTree, type Put, Tree, type WriteReport } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { Random } from '../support/random.ts'
import { blockSet, collect, countMissing, reopened, treeOf, u32be } from '../support/tree-sets.ts'
import { vectorSet } from '../support/vector-sets.ts'

const test = suite('prolly/cost')

const { rows } = vectorSet('random-100000')
const blocks = new BlockMap()
const tree = await treeOf(rows, undefined, blocks)
const levels = tree.level + 1
/** Fixed, so that the bounds below are about this code and not about luck. */
const SEED = 1

interface Spread {
  readonly mean: number
  readonly p99: number
  readonly max: number
}

function spread(counts: readonly number[]): Spread {
  const sorted = [...counts].sort((a, b) => a - b)
  const mean = sorted.reduce((sum, n) => sum + n, 0) / sorted.length
  return { mean, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, max: sorted.at(-1) ?? 0 }
}

async function measure(
  edit: (random: Random, i: number) => Put,
  count: number,
): Promise<{ reads: Spread; writes: Spread }> {
  const random = new Random(SEED)
  const [reads, writes]: [number[], number[]] = [[], []]
  for (let i = 0; i < count; i++) {
    const fresh = await reopened(tree)
    const { blocksWritten } = await editTree(fresh, [edit(random, i)], new BlockMap())
    reads.push(fresh.nodes.blocksRead)
    writes.push(blocksWritten)
  }
  const out = { reads: spread(reads), writes: spread(writes) }
  console.log(JSON.stringify(out))
  return out
}

test('a new row in 100,000: about one node per level', async () => {
  const { reads, writes } = await measure((random) => ({ key: random.bytes(16), value: random.bytes(64) }), 1000)
  // A path read, its root being at hand, and one written; and what it takes until the boundaries are the old ones again.
  assert.ok(
    reads.mean + writes.mean <= 2 * levels - 1 + 0.5,
    `${reads.mean} read and ${writes.mean} written on average`,
  )
  assert.ok(writes.p99 <= 2 * levels + 1)
  assert.ok(writes.max <= 2 * levels + 12)
  assert.ok(reads.max <= 2 * levels + 12)
})

test('a new value of equal length moves no boundary: one path read, one written', async () => {
  const { reads, writes } = await measure((random) => ({ key: random.pick(rows).key, value: random.bytes(64) }), 500)
  assert.is(writes.max, levels)
  assert.is(reads.max, levels - 1)
})

test('an equal put and a batch of none write nothing', async () => {
  const { writes } = await measure((random) => random.pick(rows), 200)
  assert.is(writes.max, 0)
  const fresh = await reopened(tree)
  assert.is((await editTree(fresh, [], new BlockMap())).blocksWritten, 0)
  assert.is(fresh.nodes.blocksRead, 0)
})

async function updated(count: number, random: Random): Promise<{ report: WriteReport; reads: number; next: Tree }> {
  const edits = new Map(
    Array.from({ length: count }, () => random.below(rows.length)).map((i) => [
      i,
      random.bytes(random.between(50, 80)),
    ]),
  )
  const sorted = [...edits]
    .sort(([a], [b]) => a - b)
    .flatMap(([i, value]) => (rows[i] ? [{ key: rows[i].key, value }] : []))
  const fresh = await reopened(tree)
  const report = await editTree(fresh, sorted, blocks)
  return { report, reads: fresh.nodes.blocksRead, next: await Tree.open(blocks, report.root) }
}

test('1,000 updates in a batch read and write the touched nodes once; the diff reads what differs', async () => {
  const random = new Random(SEED)
  const { report, reads, next } = await updated(1000, random)
  const [before, after] = [await blockSet(tree), await blockSet(next)]
  const [gone, made] = [countMissing(before, after), countMissing(after, before)]
  assert.is(report.blocksWritten, made, 'exactly the nodes that are new')
  assert.is(reads, gone - 1, 'exactly the nodes that are replaced, the root being at hand')
  const [a, b] = [await reopened(tree), await reopened(next)]
  const changes = await collect(diffTrees(a, b))
  const read = a.nodes.blocksRead + b.nodes.blocksRead + 2
  console.log(
    JSON.stringify({ reads, written: report.blocksWritten, gone, made, diffRead: read, changes: changes.length }),
  )
  assert.is(read, gone + made, 'exactly the nodes that differ')
})

test('the diff of a single change reads what differs, and at most a node per level beside it', async () => {
  const random = new Random(SEED)
  const before = await blockSet(tree)
  let [read, differing] = [0, 0]
  for (let i = 0; i < 60; i++) {
    const key = i % 2 === 0 ? random.bytes(16) : random.pick(rows).key
    const edit = { key, value: i % 2 === 0 ? random.bytes(64) : null }
    const next = await Tree.open(blocks, (await editTree(tree, [edit], blocks)).root)
    const [a, b] = [await reopened(tree), await reopened(next)]
    assert.is((await collect(diffTrees(a, b))).length, 1)
    const after = await blockSet(next)
    const [gone, made] = [countMissing(before, after), countMissing(after, before)]
    const reads = a.nodes.blocksRead + b.nodes.blocksRead + 2
    assert.ok(reads <= gone + made + 2 * levels, `${reads} read, ${gone} gone, ${made} made`)
    read += reads
    differing += gone + made
  }
  console.log(JSON.stringify({ diffsOfOneChange: 60, read, differing }))
  assert.ok(read <= 1.01 * differing)
})

test('count and position read at most two paths', async () => {
  const random = new Random(1)
  for (let i = 0; i < 200; i++) {
    const fresh = await reopened(tree)
    const [start, end] = [random.bytes(16), random.bytes(16)]
    await fresh.count({ start, end })
    assert.ok(fresh.nodes.blocksRead <= 2 * (levels - 1))
    const other = await reopened(tree)
    await other.at(random.below(rows.length))
    assert.is(other.nodes.blocksRead, levels - 1)
  }
})

test('a limited scan reads a path and the leaves it gives', async () => {
  const fresh = await reopened(tree)
  const found = await collect(fresh.scan({ start: u32be(0x80000000), limit: 10, reverse: true }))
  assert.is(found.length, 10)
  assert.ok(fresh.nodes.blocksRead <= levels + 2)
})

test('a build hands over blocks while it reads: the input is never held', async () => {
  let consumed = 0
  const lags: number[] = []
  function* source(): Generator<Put> {
    for (const row of rows.slice(0, 20000)) {
      consumed++
      yield row
    }
  }
  let bytesOut = 0
  const ref = await buildTree(source(), {
    put({ bytes }) {
      bytesOut += bytes.length
      lags.push(consumed * 82 - bytesOut)
    },
  })
  assert.is(ref.bytes, bytesOut)
  assert.ok(Math.max(...lags) < 60_000, `at most ${Math.max(...lags)} bytes of rows are in no block yet`)
  assert.ok(consumed === 20000 && lags.length > 300)
})

test('a slow sink slows the build down: few blocks wait at a time', async () => {
  let waiting = 0
  let most = 0
  const sink = {
    async put(): Promise<void> {
      most = Math.max(most, ++waiting)
      await new Promise((resolve) => setImmediate(resolve))
      waiting--
    },
  }
  const large = Array.from({ length: 300 }, (_, i) => ({ key: u32be(i), value: new Uint8Array(5000).fill(i) }))
  await buildTree(large, sink)
  assert.ok(most <= levels + 2, `${most} blocks waited at once`)
})

test.run()
