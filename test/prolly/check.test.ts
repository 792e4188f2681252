/** The check of a whole tree: what is sound is counted, what is not is named with its place, and the rest still looked at. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLink, linkMapKey } from '../../src/link.ts'
import {
  CHECK_PROBLEMS_MAX,
  type CheckReport,
  checkTree,
  isValueRef,
  type Node,
  type Tree,
  type TreeRef,
} from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { Random } from '../support/random.ts'
import { DEEP, randomRows, treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('prolly/check')

const rows = Array.from({ length: 300 }, (_, i) => ({
  key: u32be(i),
  value: new Uint8Array(i % 10 === 0 ? 40 : 4).fill(i),
}))

async function fresh(late = false): Promise<{ tree: Tree; blocks: BlockMap }> {
  const blocks = new BlockMap(late)
  return { tree: await treeOf(rows, DEEP, blocks), blocks }
}

async function check(blocks: BlockMap, ref: TreeRef): Promise<CheckReport> {
  return await checkTree(blocks, ref, { format: DEEP })
}

test('a sound tree: every node, value and row counted, the bytes as signed', async () => {
  for (const late of [false, true]) {
    const { tree, blocks } = await fresh(late)
    const report = await check(blocks, tree.ref)
    assert.is(report.problemCount, 0)
    assert.is(report.entries, 300)
    assert.is(report.values, 30)
    assert.is(report.bytes, tree.ref.bytes)
    assert.is(report.levels, tree.level + 1)
  }
})

test('the empty tree and the tree of one row are sound', async () => {
  for (const some of [[], rows.slice(0, 1)]) {
    const blocks = new BlockMap()
    const tree = await treeOf(some, DEEP, blocks)
    assert.equal((await check(blocks, tree.ref)).problems, [])
  }
})

test('a value that many rows share is read once, a broken one is told for each of them', async () => {
  const value = new Uint8Array(40).fill(1)
  const shared = rows.map(({ key }) => ({ key, value }))
  const blocks = new BlockMap()
  const tree = await treeOf(shared, DEEP, blocks)
  blocks.reads = 0
  const report = await check(blocks, tree.ref)
  assert.equal([report.problemCount, report.values, report.bytes], [0, 300, tree.ref.bytes])
  assert.is(blocks.reads, report.nodes + 1)
  const found = await tree.getValue(u32be(0))
  assert.ok(found !== undefined && isValueRef(found))
  blocks.map.delete(linkMapKey(found.link))
  const lost = await check(blocks, tree.ref)
  assert.equal([lost.problemCount, lost.entriesLost], [300, 300])
})

/** Any node of a level, with its link. */
async function nodeAt(tree: Tree, level: number, step: number): Promise<{ link: Uint8Array; node: Node }> {
  let link: Uint8Array = tree.ref.root
  for (let node = await tree.nodes.get(link); ; node = await tree.nodes.get(link)) {
    if (node.level === level) return { link, node }
    link = node.link(step % node.length)
  }
}

test('missing, corrupt and malformed are told apart, with cid, level and key range', async () => {
  for (const level of [0, 1, 2]) {
    const { tree, blocks } = await fresh()
    const { link, node } = await nodeAt(tree, level, 1)
    const id = linkMapKey(link)
    const whole = blocks.map.get(id) ?? new Uint8Array(0)
    blocks.map.delete(id)
    const missing = await check(blocks, tree.ref)
    assert.is(missing.problemCount, 1)
    const [problem] = missing.problems
    assert.is(problem?.kind, 'missing')
    assert.is(problem?.rule, undefined)
    assert.is(problem?.cid, formatLink(link))
    assert.is(problem?.level, level)
    assert.equal(problem?.last, node.lastKey)
    assert.is(missing.entries, 300 - node.entries, 'all other rows were looked at')
    blocks.map.set(id, whole.with(-1, (whole.at(-1) ?? 0) ^ 1))
    const corrupt = await check(blocks, tree.ref)
    assert.is(corrupt.problems[0]?.kind, 'corrupt')
    assert.is(corrupt.problems[0]?.rule, 1)
  }
  const { tree, blocks } = await fresh()
  const malformed = await check(blocks, { ...tree.ref, entries: 301 })
  assert.is(malformed.problems[0]?.kind, 'malformed')
  assert.is(malformed.problems[0]?.rule, 8)
})

test('several problems are all found; a missing value names its key', async () => {
  const { tree, blocks } = await fresh()
  for (const step of [0, 1]) blocks.map.delete(linkMapKey((await nodeAt(tree, 0, step)).link))
  const value = await tree.getValue(u32be(150))
  if (value === undefined || value instanceof Uint8Array) return assert.unreachable('the value is out of line')
  blocks.map.delete(linkMapKey(value.link))
  const report = await check(blocks, tree.ref)
  assert.is(report.problemCount, 3)
  const found = report.problems.find(({ level }) => level === -1)
  assert.is(found?.cid, formatLink(value.link))
  assert.equal(found?.last, u32be(150))
})

test('the report of a wrecked store is bounded, the count is not', async () => {
  const many = randomRows(new Random(5), 3000, DEEP)
  const blocks = new BlockMap()
  const tree = await treeOf(many, DEEP, blocks)
  const leaves: Uint8Array[] = []
  for await (const { leaf } of tree.leaves()) leaves.push(leaf.bytes)
  for (const [link, bytes] of blocks.map) if (leaves.includes(bytes)) blocks.map.set(link, Uint8Array.of(0))
  const report = await check(blocks, tree.ref)
  assert.is(report.problems.length, CHECK_PROBLEMS_MAX)
  assert.is(report.problemCount, leaves.length)
  assert.is(report.entries, 0)
})

test('progress is told per leaf, an abort ends it with the reason of the signal', async () => {
  const { tree, blocks } = await fresh()
  const controller = new AbortController()
  const reason = new Error('enough')
  let calls = 0
  const options = {
    format: DEEP,
    signal: controller.signal,
    onProgress: ({ entries }: CheckReport): void => {
      assert.ok(entries > 0)
      if (++calls === 3) controller.abort(reason)
    },
  }
  const error: unknown = await checkTree(blocks, tree.ref, options).catch((thrown: unknown) => thrown)
  assert.is(error, reason)
  assert.is(calls, 3)
})

test.run()
