/** A merge gives what a merge of the rows gives, takes over unread what one side left alone, and hands out conflicts as values. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { run as runMerge } from '../../fuzz/merge.ts'
import {
  type Conflict,
  type Edit,
  editTree,
  type MergeOptions,
  measureTree,
  type MergeReport,
  mergeTrees,
  type Put,
  Tree,
} from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import {
  applyEdits,
  DEEP,
  FORMATS,
  randomEdits,
  randomRows,
  refText,
  reopened,
  sortRows,
  treeOf,
  u32be,
  utf8,
  WIDE,
} from '../support/tree-sets.ts'

const test = suite('prolly/merge')

function numberedRows(count: number): Put[] {
  return Array.from({ length: count }, (_, i) => ({ key: u32be(i * 16), value: utf8(`value ${i}`) }))
}

/** So many changes of rows spread over `count` numbered rows, a third each of puts, inserts and deletes. */
function spreadEdits(random: Random, count: number, changes: number): Edit[] {
  const edits = new Map<number, Edit>()
  while (edits.size < changes) {
    const at = random.below(count) * 16 + (random.chance(0.33) ? 1 + random.below(15) : 0)
    edits.set(at, { key: u32be(at), value: random.chance(0.33) ? null : random.bytes(12) })
  }
  return sortRows([...edits.values()])
}

async function edited(tree: Tree, edits: readonly Edit[], blocks: BlockMap): Promise<Tree> {
  return await Tree.open(blocks, (await editTree(tree, edits, blocks)).root)
}

/** Merges with nothing cached; what was read of all three trees, roots left out. */
async function counted(
  base: Tree,
  left: Tree,
  right: Tree,
  options: MergeOptions = {},
): Promise<MergeReport & { readonly read: number }> {
  const trees = [await reopened(base), await reopened(left), await reopened(right)] as const
  const report = await mergeTrees(...trees, new BlockMap(), options)
  return { ...report, read: trees.reduce((sum, tree) => sum + tree.nodes.blocksRead, 0) }
}

test('any three trees merge as their rows do, in every format', async () => {
  for (const seed of seeds(250)) await runMerge(seed)
})

test('what did not change on one side is the other side, and the sides may change places', async () => {
  for (const seed of seeds(60)) {
    const random = new Random(seed)
    const [, format] = random.pick(FORMATS)
    const rows = randomRows(random, random.below(120), format)
    const blocks = new BlockMap()
    const treeAfter = (edits: readonly Edit[]): Promise<Tree> => treeOf(applyEdits(rows, edits), format, blocks)
    const [a, b, c] = [
      await treeAfter([]),
      await treeAfter(randomEdits(random, rows, 20, format)),
      await treeAfter(randomEdits(random, rows, 20, format)),
    ]
    const merge = async (base: Tree, left: Tree, right: Tree, side: 'left' | 'right' = 'left'): Promise<string> =>
      refText(await mergeTrees(base, left, right, blocks, { format, resolve: () => side }))
    assert.is(await merge(a, a, b), refText(b.ref))
    assert.is(await merge(a, b, a), refText(b.ref))
    assert.is(await merge(a, b, b), refText(b.ref))
    assert.is(await merge(a, b, c, 'left'), await merge(a, c, b, 'right'), `seed ${seed}`)
  }
})

test('conflicts are values in the order of keys; whoever resolves them may wait, choose, write, delete or leave them', async () => {
  const blocks = new BlockMap()
  const put = (text: string, value: string): Put => ({ key: utf8(text), value: utf8(value) })
  const base = await treeOf([put('a', '1'), put('b', '1'), put('c', '1'), put('d', '1'), put('e', '1')], WIDE, blocks)
  const left = await treeOf([put('a', '2'), put('b', '2'), put('c', '2'), put('d', '2'), put('n', '2')], WIDE, blocks)
  const right = await treeOf([put('a', '3'), put('b', '3'), put('d', '3'), put('e', '3'), put('n', '3')], WIDE, blocks)
  const text = (value: unknown): string | undefined =>
    value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined
  const seen: (string | undefined)[][] = []
  const stayed: string[] = []
  const resolve = async ({ key, base: was, left: mine, right: theirs }: Conflict) => {
    seen.push([text(key), text(was), text(mine), text(theirs)])
    await Promise.resolve()
    if (text(key) === 'a') return 'right' as const
    if (text(key) === 'b') return { value: utf8('both') }
    if (text(key) === 'c') return 'left' as const
    return text(key) === 'd' ? { value: null } : ('conflict' as const)
  }
  const onConflict = ({ key }: Conflict): void => void stayed.push(text(key) ?? '')
  const report = await mergeTrees(base, left, right, blocks, { format: WIDE, resolve, onConflict })
  assert.equal(seen, [
    ['a', '1', '2', '3'],
    ['b', '1', '2', '3'],
    ['c', '1', '2', undefined],
    ['d', '1', '2', '3'],
    ['e', '1', undefined, '3'],
    ['n', undefined, '2', '3'],
  ])
  assert.equal(stayed, ['e', 'n'])
  assert.is(report.conflicts, 6)
  assert.is(report.unresolved, 2)
  const expected = await treeOf([put('a', '3'), put('b', 'both'), put('c', '2'), put('n', '2')], WIDE)
  assert.is(refText(report), refText(expected.ref))
})

test('the cost is that of the changes: ten times the rows add no more than a level', async () => {
  const random = new Random(seeds(1)[0] ?? 0)
  const costs: number[] = []
  for (const count of [10_000, 100_000]) {
    const blocks = new BlockMap()
    const base = await treeOf(numberedRows(count), undefined, blocks)
    const left = await edited(base, spreadEdits(random, count, 20), blocks)
    const right = await edited(base, spreadEdits(random, count, 20), blocks)
    const { read, blocksWritten, conflicts } = await counted(base, left, right, { resolve: () => 'left' })
    assert.ok(conflicts <= 20)
    // Of each change: the three paths to it, and some leaves until the chunks meet again.
    assert.ok(read <= 40 * (base.level + 3) * 3, `${read} blocks read for 40 changes of ${count} rows`)
    assert.ok(blocksWritten <= 40 * (base.level + 3), `${blocksWritten} blocks written`)
    costs.push(read)
  }
  const [small = 0, large = 0] = costs
  // One more node on each of the three paths to each of the 40 changes.
  assert.ok(large <= small + 3 * 40, `${small} blocks read of 10^4 rows, ${large} of 10^5`)
})

test('of changes in different leaves no leaf is read: each is taken over from the side that has it', async () => {
  const count = 100_000
  const rows = numberedRows(count)
  const blocks = new BlockMap()
  const base = await treeOf(rows, undefined, blocks)
  const [leaves, ...above] = (await measureTree(base)).levels.map(({ nodes }) => nodes)
  const inner = above.reduce((sum, nodes) => sum + nodes, 0)
  assert.ok(leaves !== undefined && leaves > 200 && base.level === 2)
  // Values of equal length move no boundary. A leaf has some 170 rows.
  const changes = Array.from({ length: 100 }, (_, i): Edit => {
    const { key, value } = rows[i * 1000] as Put
    return { key, value: value.toReversed() }
  })
  const left = await edited(
    base,
    changes.filter((_, i) => i % 2 === 0),
    blocks,
  )
  const right = await edited(
    base,
    changes.filter((_, i) => i % 2 === 1),
    blocks,
  )
  const { read, blocksWritten } = await counted(base, left, right)
  assert.ok(read <= 3 * (inner - 1), `${read} blocks read, ${inner} of each tree are no leaves`)
  assert.ok(blocksWritten <= inner, `${blocksWritten} blocks written`)
})

test('a long run that one side added, changed or took away is taken over unread', async () => {
  const count = 20_000
  const blocks = new BlockMap()
  const rows = numberedRows(count)
  const base = await treeOf(rows, undefined, blocks)
  const one = await edited(base, [{ key: u32be(16), value: utf8('changed') }], blocks)
  const run = (from: number, length: number, value: Uint8Array | null): Edit[] =>
    Array.from({ length }, (_, i) => ({ key: u32be((from + i) * 16), value }))
  const runs: [string, Edit[]][] = [
    ['appended', run(count, 20_000, utf8('new'))],
    ['changed', run(count / 4, count / 2, utf8('other'))],
    ['away', run(count / 4, count / 2, null)],
    ['away at the end', run(count / 2, count / 2, null)],
  ]
  for (const [what, edits] of runs) {
    const long = await edited(base, edits, blocks)
    const expected = refText(await editTree(long, [{ key: u32be(16), value: utf8('changed') }], blocks))
    for (const [left, right] of [[one, long] as const, [long, one] as const]) {
      const { read, blocksWritten, ...ref } = await counted(base, left, right)
      assert.is(refText(ref), expected)
      assert.ok(read <= 14 * (base.level + 2), `${what}: ${read} blocks read`)
      assert.ok(blocksWritten <= 4 * (base.level + 2), `${what}: ${blocksWritten} blocks written`)
    }
    // Both did the same: no conflict, and nothing of the run is read.
    const both = await edited(one, edits, blocks)
    const { read, conflicts } = await counted(base, both, long)
    assert.is(conflicts, 0)
    assert.ok(read <= 14 * (base.level + 2), `${what} on both sides: ${read} blocks read`)
  }
})

test('an aborted merge rejects with the reason', async () => {
  const blocks = new BlockMap(true)
  const base = await treeOf(numberedRows(3000), DEEP, blocks)
  const left = await treeOf(applyEdits(numberedRows(3000), [{ key: u32be(16), value: null }]), DEEP, blocks)
  const right = await treeOf(applyEdits(numberedRows(3000), [{ key: u32be(48), value: null }]), DEEP, blocks)
  const reason = new Error('enough')
  const thrown = await mergeTrees(base, left, right, blocks, { format: DEEP, signal: AbortSignal.abort(reason) }).catch(
    (error: unknown) => error,
  )
  assert.is(thrown, reason)
})

test.run()
