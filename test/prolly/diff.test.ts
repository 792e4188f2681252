/** Differences: complete, in order, reversible, within a range, and what they read. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { diffTrees } from '../../src/prolly/index.ts'
import { assertDiff, run as runDiff } from '../../fuzz/diff.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { collect, DEEP, randomRows, reopened, treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('prolly/diff')

test('complete, in order, reversible, also within a range, in every format', async () => {
  for (const seed of seeds(120)) await runDiff(seed)
})

test('equal trees are not read at all, whatever stores they are in', async () => {
  const rows = randomRows(new Random(3), 400, DEEP)
  const [a, b] = [await reopened(await treeOf(rows, DEEP)), await reopened(await treeOf(rows, DEEP))]
  assert.equal(await collect(diffTrees(a, b)), [])
  assert.is(a.nodes.blocksRead + b.nodes.blocksRead, 0)
})

test('trees of other heights: one row against many, none against many', async () => {
  const rows = Array.from({ length: 500 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  for (const few of [[], rows.slice(0, 1), rows.slice(250, 251), rows.slice(-1), rows.slice(100, 140)]) {
    const [small, large] = [await treeOf(few, DEEP), await treeOf(rows, DEEP)]
    await assertDiff('grown', small, large, few, rows)
    await assertDiff('shrunk', large, small, rows, few)
  }
})

test('a range reads only what lies along it', async () => {
  const rows = Array.from({ length: 5000 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const changed = rows.map(({ key }) => ({ key, value: u32be(7) }))
  const [from, to] = [await reopened(await treeOf(rows, DEEP)), await reopened(await treeOf(changed, DEEP))]
  const found = await collect(diffTrees(from, to, { start: u32be(2500), end: u32be(2510) }))
  assert.is(found.length, 10)
  const paths = 2 * (from.level + to.level + 2)
  const read = from.nodes.blocksRead + to.nodes.blocksRead
  assert.ok(read <= 2 * paths, `${read} blocks read, ${paths} on two paths of each tree`)
})

test('leaving early stops reading', async () => {
  const [from, to] = [
    await treeOf([], DEEP),
    await treeOf(
      Array.from({ length: 5000 }, (_, i) => ({ key: u32be(i), value: u32be(i) })),
      DEEP,
    ),
  ]
  const fresh = await reopened(to)
  for await (const change of diffTrees(from, fresh)) {
    assert.is(change.type, 'add')
    break
  }
  assert.is(fresh.nodes.blocksRead, fresh.level, 'one path; the root was read when it was opened')
})

test.run()
