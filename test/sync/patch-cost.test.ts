/** The estimate that chooses between rows and blocks: near the truth for changes here and there, and never without bounds. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_1, type Put, Tree } from '../../src/prolly/index.ts'
import {
  estimate,
  isPatchWorthIt,
  meanNodeBytes,
  partOf,
  type Shape,
  touchedNodes,
} from '../../src/sync/patching/cost.ts'
import { countBetween, shapeOf } from '../../src/sync/patching/shape.ts'
import { PATCH_SIZES, probeBytes } from '../../src/sync/patching/sizes.ts'
import { newBlocks, patchCase } from '../support/patch-lab.ts'
import { Random } from '../support/random.ts'
import { applyEdits, sortRows, treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('sync/patch-cost')
const random = new Random(1)
const rows: readonly Put[] = sortRows(
  Array.from({ length: 50_000 }, () => ({ key: random.bytes(16), value: random.bytes(64) })),
)

function near(actual: number, expected: number, factor: number, what: string): void {
  const isNear = actual <= expected * factor && actual >= expected / factor
  assert.ok(isNear, `${what}: ${Math.round(actual)}, in truth ${Math.round(expected)}`)
}

test('the shape of a tree by one path: its nodes of each level, about', async () => {
  const tree = await treeOf(rows)
  const shape = await shapeOf(tree, rows[20_000]?.key ?? null)
  assert.is(shape.entries, rows.length)
  assert.is(shape.nodes.length, tree.level + 1)
  assert.is(shape.nodes.at(-1), 1)
  const inAll = shape.nodes.reduce((a, b) => a + b)
  near(inAll * meanNodeBytes(FORMAT_1), tree.ref.bytes, 1.3, 'bytes')
  for (const small of [[], rows.slice(0, 5), rows.slice(0, 300)]) {
    const shapeOfSmall = await shapeOf(await treeOf(small), null)
    assert.ok(shapeOfSmall.nodes.every((count) => count >= 1 && Number.isFinite(count)))
  }
})

test('nodes that changes here and there make anew: near what they are', async () => {
  const tree = await treeOf(rows)
  const shape = await shapeOf(tree, null)
  for (const count of [1, 30, 500, 5000, 50_000]) {
    const edits = sortRows(random.shuffled([...rows]).slice(0, count)).map(({ key }) => ({
      key,
      value: random.bytes(64),
    }))
    const made = await patchCase(rows, applyEdits(rows, edits))
    const blocks = newBlocks(made)
    near(touchedNodes(shape, count), blocks.count, 1.5, `nodes of ${count} rows`)
    const sample = { rows: count, bytes: count * 83, valueBytes: 0, passed: rows.length, isLast: true }
    near(estimate(shape, 0, sample).nodeBytes, blocks.bytes, 1.5, `bytes of ${count} rows`)
  }
})

const shape: Shape = { entries: 1_000_000, nodes: [20_000, 400, 8, 1], nodeBytes: 3686 }
const page = { rows: 3000, bytes: 250_000, valueBytes: 0, isLast: false }

test('rows are extrapolated by how far the page came, and by the signed counts', () => {
  assert.is(estimate(shape, 0, { ...page, passed: 300_000 }).rows, 10_000)
  assert.is(estimate(shape, 0, { ...page, passed: 300_000, valueBytes: 9000 }).valueBytes, 30_000)
  assert.is(estimate(shape, 0, { ...page, passed: 1_000_000 }).rows, 3000)
  assert.is(estimate(shape, 50_000, { ...page, passed: 1_000_000 }).rows, 50_000)
  assert.is(estimate(shape, -50_000, { ...page, passed: 1_000_000 }).rows, 50_000)
  assert.is(estimate(shape, 50_000, { ...page, passed: 0, isLast: true }).rows, 3000)
  assert.is(estimate(shape, 0, { rows: 0, bytes: 0, valueBytes: 0, passed: 0, isLast: true }).rowBytes, 0)
  // Whatever a peer says, and with nothing passed: no more than all rows of both trees.
  assert.ok(estimate(shape, 10, { ...page, passed: 0 }).rows <= 2_000_010)
})

test('the choice: rows for few changes, blocks where most has changed', () => {
  const choose = (passed: number, paid = 250_000): boolean =>
    isPatchWorthIt(estimate(shape, 0, { ...page, passed }), paid)
  assert.is(choose(1_000_000), true)
  assert.is(choose(300_000), true)
  assert.is(choose(30_000), true, '10 %')
  assert.is(choose(3000), false, 'all')
  assert.is(isPatchWorthIt({ rows: 1, rowBytes: 100, nodes: 1, nodeBytes: 100, valueBytes: 0 }, 0), false)
  assert.is(isPatchWorthIt({ rows: 1, rowBytes: 100, nodes: 1, nodeBytes: 100, valueBytes: 0 }, 30), true)
})

test('more rows touch more nodes, and never more than there are', () => {
  let before = 0
  for (const count of [1, 10, 100, 1000, 10_000, 1e6, 1e9]) {
    const nodes = touchedNodes(shape, count)
    assert.ok(nodes >= before && nodes <= 20_409, `${count} rows: ${nodes}`)
    before = nodes
  }
  near(touchedNodes(shape, 1), 4, 1.1, 'one row')
  assert.equal(partOf(shape, 125_000, 2).nodes, [2500, 50, 1])
})

test('rows between two keys, counted', async () => {
  const tree = await treeOf(Array.from({ length: 500 }, (_, i) => ({ key: u32be(i), value: u32be(i) })))
  assert.is(await countBetween(tree, null, null), 500)
  assert.is(await countBetween(tree, u32be(9), u32be(19)), 10)
  assert.is(await countBetween(tree, u32be(19), u32be(9)), 0)
  assert.is(await countBetween(tree, null, u32be(0)), 1)
  assert.is(await countBetween(await Tree.open(tree.nodes, tree.ref.root), u32be(499), null), 0)
})

test('the first page: an eighth of a small tree, and no more than its bounds', () => {
  assert.is(probeBytes(0, PATCH_SIZES), 16 * 1024)
  assert.is(probeBytes(800_000, PATCH_SIZES), 100_000)
  assert.is(probeBytes(1e12, PATCH_SIZES), 256 * 1024)
})

test.run()
