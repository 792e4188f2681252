/** A subtree made from an older tree's rows and what changed of them is the one a bulk build has there, or is seen not to be. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, equalBytes } from '../../src/bytes.ts'
import { linkMapKey } from '../../src/link.ts'
import {
  buildTree,
  childClaim,
  diffTrees,
  type Edit,
  type Format,
  type NodeClaim,
  rebuildSubtree,
  rootClaim,
  Tree,
  type Value,
} from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import {
  applyEdits,
  blockSet,
  collect,
  DEEP,
  FORMATS,
  randomEdits,
  randomRows,
  reopened,
  treeOf,
  u32be,
} from '../support/tree-sets.ts'

const test = suite('prolly/rebuild')

/** The claim of every node of a tree, the root's as that of a root. */
async function claimsOf(tree: Tree): Promise<NodeClaim[]> {
  const claims: NodeClaim[] = []
  const walk = async (claim: NodeClaim): Promise<void> => {
    claims.push(claim)
    const node = await tree.nodes.get(claim.link)
    for (let i = 0; node.level > 0 && i < node.length; i++) await walk(childClaim(node, i, claim))
  }
  await walk(rootClaim(tree.ref))
  return claims
}

async function editsBetween(from: Tree, to: Tree): Promise<Edit<Value>[]> {
  const changes = await collect(diffTrees(from, to))
  return changes.map((change) => ({ key: change.key, value: change.type === 'remove' ? null : change.to }))
}

function within(edits: readonly Edit<Value>[], { lower, last, rightmost }: NodeClaim): Edit<Value>[] {
  return edits.filter(({ key }) => {
    if (lower !== undefined && compareBytes(key, lower) <= 0) return false
    return rightmost || last === undefined || compareBytes(key, last) <= 0
  })
}

interface Pair {
  readonly from: Tree
  readonly to: Tree
  readonly edits: readonly Edit<Value>[]
  readonly format: Format
}

async function randomPair(random: Random, sizes: readonly number[] = [0, 1, 20, 120, 250]): Promise<Pair> {
  const [, format] = random.pick(FORMATS)
  const rows = randomRows(random, random.pick(sizes), format)
  const from = await treeOf(rows, format, new BlockMap(random.chance(0.25)))
  const edits = randomEdits(random, rows, random.pick([1, 2, 5, 30, 150, 400]), format)
  const to = await treeOf(applyEdits(rows, edits), format)
  return { from: await reopened(from), to, edits: await editsBetween(from, to), format }
}

test('every node of the new tree, rebuilt by itself: its link, its new blocks and no others', async () => {
  for (const seed of seeds(120)) {
    const { from, to, edits, format } = await randomPair(new Random(seed))
    const old = await blockSet(from)
    for (const claim of await claimsOf(to)) {
      const sink = new BlockMap()
      const made = await rebuildSubtree(from, claim, within(edits, claim), sink, { format })
      const where = `seed ${seed}, level ${claim.level}`
      assert.ok(made !== undefined && equalBytes(made, claim.link), where)
      const wanted = await blockSet(await Tree.open(to.nodes, claim.link))
      for (const key of wanted) assert.ok(old.has(key) || sink.map.has(key), `${where}: a block is missing`)
      for (const key of sink.map.keys()) assert.ok(wanted.has(key), `${where}: a block of something else`)
    }
  }
})

test('one row left out, changed or made up: another link, or none', async () => {
  for (const seed of seeds(60)) {
    const random = new Random(seed)
    const { from, to, edits, format } = await randomPair(random, [20, 120])
    for (const claim of await claimsOf(to)) {
      const honest = within(edits, claim)
      const wrong = [...honest]
      const i = random.below(honest.length + 1)
      const victim = honest[i]
      const madeUp = { key: claim.last ?? random.bytes(3), value: random.chance(0.5) ? random.bytes(9) : null }
      if (victim === undefined) wrong.push(madeUp)
      else if (random.chance(0.5)) wrong.splice(i, 1)
      else wrong[i] = { key: victim.key, value: victim.value === null ? random.bytes(5) : null }
      const known = new Map(wrong.map((edit) => [linkMapKey(edit.key), edit]))
      const sorted = [...known.values()].sort((a, b) => compareBytes(a.key, b.key))
      const made = await rebuildSubtree(from, claim, sorted, new BlockMap(), { format })
      if (made === undefined || !equalBytes(made, claim.link)) continue
      // A made-up row may happen to be the one that stands there.
      const after = await treeOf(await rowsAfter(from, sorted, claim), format)
      assert.is(
        linkMapKey(after.ref.root),
        linkMapKey((await treeOf(await rowsAfter(from, honest, claim), format)).ref.root),
        `seed ${seed}`,
      )
    }
  }
})

async function rowsAfter(
  from: Tree,
  edits: readonly Edit<Value>[],
  claim: NodeClaim,
): Promise<{ key: Uint8Array; value: Uint8Array }[]> {
  const base = within(await collect(from.scan()), claim) as { key: Uint8Array; value: Uint8Array }[]
  return applyEdits(base, edits as Edit[])
}

test('rows that end within a chunk, or come to more than one node: no subtree', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const from = await treeOf(rows, DEEP)
  const leaves = (await claimsOf(from)).filter(({ level }) => level === 0)
  const [first, second] = leaves
  assert.ok(first?.last && second?.last)
  const rebuilt = async (claim: Partial<NodeClaim>): Promise<Uint8Array | undefined> => {
    const place = { level: 0, lower: undefined, last: first.last, rightmost: false, ...claim }
    return await rebuildSubtree(from, place, [], new BlockMap(), { format: DEEP })
  }
  assert.equal(await rebuilt({}), Uint8Array.from(first.link))
  assert.is(await rebuilt({ last: second.last }), undefined, 'two leaves')
  assert.is(await rebuilt({ last: rows[0]?.key }), undefined, 'less than a leaf')
  const middle = rows.find(({ key }) => compareBytes(key, first.last as Uint8Array) > 0)
  assert.is(await rebuilt({ last: middle?.key }), undefined, 'a leaf and a row')
  assert.is(await rebuilt({ lower: first.last, last: first.last }), undefined, 'nothing')
})

test('reads and writes follow the change, wherever in a large tree it is', async () => {
  const count = 60_000
  const rows = Array.from({ length: count }, (_, i) => ({ key: u32be(i * 2), value: u32be(i) }))
  const base = await treeOf(rows)
  for (const at of [0, 7_777, 30_000, 59_999]) {
    const edits: Edit<Value>[] = [{ key: u32be(at * 2), value: u32be(1) }]
    const to = await treeOf(applyEdits(rows, edits as Edit[]))
    const claims = (await claimsOf(to)).filter((claim) => claim.level === 1)
    const claim = claims.find((each) => within(edits, each).length > 0)
    assert.ok(claim)
    const from = await reopened(base)
    const sink = new BlockMap()
    const made = await rebuildSubtree(from, claim, edits, sink)
    assert.ok(made !== undefined && equalBytes(made, claim.link))
    assert.is(sink.map.size, 2, 'a leaf and the node above it')
    const most = 2 * (base.level + 1) + 3
    assert.ok(from.nodes.blocksRead <= most, `${from.nodes.blocksRead} blocks read, level ${base.level}`)
  }
})

test('a sink may end a rebuild that costs too much', async () => {
  const rows = Array.from({ length: 500 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const from = await treeOf(rows, DEEP)
  let left = 3
  const sink = {
    put: () => {
      if (left-- === 0) throw new RangeError('enough')
    },
  }
  const edits = rows.map(({ key }) => ({ key, value: u32be(7000) }))
  try {
    await rebuildSubtree(from, rootClaim(from.ref), edits, sink, { format: DEEP })
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).message, 'enough')
  }
})

test('the rows of a whole tree give its root, as an edit does', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const from = await treeOf(rows, DEEP)
  const cut = rows.slice(1).map(({ key }) => ({ key, value: null }))
  const sink = new BlockMap()
  const made = await rebuildSubtree(from, rootClaim(from.ref), cut, sink, { format: DEEP })
  const one = await buildTree(rows.slice(0, 1), new BlockMap(), { format: DEEP })
  assert.equal(made, one.root)
})

test('an edit that changes nothing ends a rebuild: what it would read is bounded by no new nodes', async () => {
  const rows = Array.from({ length: 60_000 }, (_, i) => ({ key: u32be(i * 2), value: u32be(i) }))
  const base = await treeOf(rows)
  const absent = rows.map(({ key }) => ({ key: Uint8Array.of(...key, 0), value: null }))
  for (const idle of [absent, rows]) {
    const from = await reopened(base)
    assert.is(await rebuildSubtree(from, rootClaim(from.ref), idle, new BlockMap()), undefined)
    assert.ok(from.nodes.blocksRead <= base.level + 1, `${from.nodes.blocksRead} blocks read`)
    const late = [{ key: u32be(5), value: u32be(5) }, ...idle.slice(30_000)]
    assert.is(await rebuildSubtree(from, rootClaim(from.ref), late, new BlockMap()), undefined)
    assert.ok(from.nodes.blocksRead <= 3 * (base.level + 1) + 4, `${from.nodes.blocksRead} blocks read`)
  }
})

test.run()
