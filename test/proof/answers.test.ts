/** What proofs answer, and which blocks they take for it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRefused, run as runProof } from '../../fuzz/proof.ts'
import { CODEC_DAG_PB, CODEC_RAW, linkTo } from '../../src/link.ts'
import { buildTree, FORMAT_1, isValueRef, type Put, Tree } from '../../src/prolly/index.ts'
import { type Answer, checkProof, decodeProof, PROOF_BYTES_MAX, prove, type Question } from '../../src/proof/index.ts'
import { encodeProof } from '../../src/proof/proof-bytes.ts'
import { rejectsCode, rejectsType } from '../support/throws.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { blockSet, countMissing, DEEP, randomRows, treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('proof/answers')

const numbered = (count: number, from = 0): Put[] =>
  Array.from({ length: count }, (_, i) => ({ key: u32be(2 * (from + i)), value: u32be(i) }))

/** The answer, and of how many blocks the proof consists. */
async function ask<Q extends Question>(tree: Tree, question: Q): Promise<{ answer: Answer<Q>; blocks: number }> {
  const proof = await prove(tree, question, { format: DEEP })
  const { answer } = checkProof(proof, question, tree.ref.root, { format: DEEP })
  return { answer, blocks: decodeProof(proof).blocks.length }
}

const deep = await treeOf(numbered(2000), DEEP)
const path = deep.level + 1

test('right against sorted rows, canonical and refused once changed, in every format', async () => {
  for (const seed of seeds(60)) await runProof(seed)
})

test('a key takes one path, whether it is there or not; several keys share theirs', async () => {
  const { answer, blocks } = await ask(deep, { type: 'get', keys: [u32be(1000)] })
  assert.equal([answer.rows.length, blocks], [1, path])
  const absent = await ask(deep, { type: 'get', keys: [u32be(1001)] })
  assert.equal([absent.answer.rows[0]?.value, absent.blocks], [undefined, path])
  const beyond = await ask(deep, { type: 'get', keys: [u32be(4000)] })
  assert.equal([beyond.answer.rows[0]?.value, beyond.blocks], [undefined, 1], 'the root says that no key is so high')
  const same = await ask(deep, { type: 'get', keys: [u32be(1000), u32be(1000)] })
  assert.is(same.blocks, path)
  const few = await ask(deep, { type: 'get', keys: Array.from({ length: 50 }, (_, i) => u32be(1000 + i)) })
  assert.is(few.answer.rows.filter(({ value }) => value !== undefined).length, 25)
  assert.ok(few.blocks < 50, `${few.blocks} blocks for 50 neighbours`)
})

test('a count takes two paths at most, and one where a bound is a key that a parent names', async () => {
  for (const [start, end, count] of [
    [101, 3001, 1450],
    [100, 3000, 1450],
    [0, 4000, 2000],
    [7, 8, 0],
  ] as const) {
    const question = { type: 'count', start: u32be(start), end: u32be(end) } as const
    const { answer, blocks } = await ask(deep, question)
    assert.is(answer.count, count)
    assert.ok(blocks <= 2 * path - 1, `${blocks} blocks`)
  }
  const root = await deep.nodes.get(deep.ref.root)
  const last = root.key(0)
  const ranked = await ask(deep, { type: 'rank', key: last })
  assert.equal(ranked, { answer: { rank: root.childEntries(0) - 1, found: true }, blocks: 1 })
  const counted = await ask(deep, { type: 'count', start: last, end: Uint8Array.of(...last, 0) })
  assert.equal(counted, { answer: { count: 1 }, blocks: 1 })
  assert.equal(await ask(deep, { type: 'count' }), { answer: { count: 2000 }, blocks: 1 })
})

test('a position takes one path; one beyond the last row the root', async () => {
  const { answer, blocks } = await ask(deep, { type: 'at', position: 1234 })
  assert.equal([answer.row?.key, blocks], [u32be(2468), path])
  assert.equal(await ask(deep, { type: 'at', position: 2000 }), { answer: { row: undefined }, blocks: 1 })
})

test('a page says whether more follows without reading on', async () => {
  const leaf = await firstLeafRows(deep)
  const page = await ask(deep, { type: 'scan', limit: leaf })
  assert.equal([page.answer.rows.length, page.answer.more, page.blocks], [leaf, true, path])
  const whole = await ask(deep, { type: 'scan', limit: leaf, end: u32be(2 * leaf - 1) })
  assert.is(whole.answer.more, false)
  assert.ok(whole.blocks > path, 'whether a row lies between the leaf and the end, the next leaf says')
  // Nothing lies between a key and its successor.
  const exact = await ask(deep, { type: 'scan', end: Uint8Array.of(...u32be(2 * leaf - 2), 0) })
  assert.equal([exact.answer.rows.length, exact.answer.more, exact.blocks], [leaf, false, path])
  const last = await ask(deep, { type: 'scan', limit: 3, reverse: true })
  assert.equal([last.answer.rows[0]?.key, last.answer.more, last.blocks], [u32be(3998), true, path])
  const none = await ask(deep, { type: 'scan', start: u32be(1001), end: u32be(1002) })
  assert.equal([none.answer.rows, none.answer.more], [[], false])
  assert.ok(none.blocks <= path)
})

async function firstLeafRows(tree: Tree): Promise<number> {
  let node = await tree.nodes.get(tree.ref.root)
  while (node.level > 0) node = await tree.nodes.get(node.link(0))
  return node.length
}

test('a diff takes the changed paths of both trees, and ends with its page', async () => {
  const blocks = new BlockMap()
  const rows = numbered(2000)
  const from = await treeOf(rows, DEEP, blocks)
  const changed = rows.map((row, i) => (i % 500 === 250 ? { ...row, value: u32be(9) } : row))
  const to = await treeOf(changed, DEEP, blocks)
  const all = await ask(to, { type: 'diff', from: from.ref.root, limit: 10 })
  assert.equal([all.answer.changes.length, all.answer.through], [4, undefined])
  const [old, now] = [await blockSet(from), await blockSet(to)]
  assert.is(all.blocks, countMissing(old, now) + countMissing(now, old), 'the nodes that the trees do not share')
  const page = await ask(to, { type: 'diff', from: from.ref.root, limit: 1 })
  assert.equal([page.answer.changes.length, page.answer.through, page.blocks], [1, u32be(500), 2 * path])
  const rest = { type: 'diff', from: from.ref.root, start: u32be(501), end: u32be(2000), limit: 10 } as const
  assert.equal((await ask(to, rest)).answer.changes.length, 1)
  const same = await ask(to, { type: 'diff', from: to.ref.root, limit: 10 })
  assert.equal(same, { answer: { changes: [], through: undefined }, blocks: 1 })
})

test('values out of line are shown, or carried once each', async () => {
  const value = new Uint8Array(3000).fill(7)
  const rows = Array.from({ length: 5 }, (_, i) => ({ key: u32be(i), value }))
  const tree = await treeOf(rows)
  const shown = await prove(tree, { type: 'scan' })
  const { answer } = checkProof(shown, { type: 'scan' }, tree.ref.root)
  assert.ok(answer.rows.every((row) => isValueRef(row.value) && row.value.size === 3000))
  const question = { type: 'scan', values: true } as const
  const carried = await prove(tree, question)
  assert.is(decodeProof(carried).blocks.length, 2)
  assert.equal(checkProof(carried, question, tree.ref.root).answer.rows, rows)
})

test('a value that is a file is shown and never carried', async () => {
  const link = linkTo(CODEC_DAG_PB, u32be(1))
  const blocks = new BlockMap()
  const ref = await buildTree([{ key: u32be(1), value: { link, size: 5_000_000 } }], blocks)
  const question = { type: 'get', keys: [u32be(1)], values: true } as const
  const proof = await prove(await Tree.open(blocks, ref.root), question)
  assert.equal(checkProof(proof, question, ref.root).answer.rows[0]?.value, { link, size: 5_000_000 })
})

test('one value with two sizes is the fault of the author', async () => {
  const blocks = new BlockMap()
  const value = new Uint8Array(2000)
  const link = linkTo(CODEC_RAW, value)
  await blocks.put({ link, bytes: value })
  const rows = [2000, 2001].map((size, i) => ({ key: u32be(i), value: { link, size } }))
  const ref = await buildTree(rows, blocks)
  const tree = await Tree.open(blocks, ref.root)
  await rejectsCode(prove(tree, { type: 'scan', values: true }), 'TREE_MALFORMED', /rule 9/)
})

test('what is too large is refused while it is read, and what is aborted ends', async () => {
  const value = (i: number): Uint8Array => new Uint8Array(1024 * 1024).fill(i)
  const rows = Array.from({ length: 40 }, (_, i) => ({ key: u32be(i), value: value(i) }))
  const blocks = new BlockMap()
  const tree = await treeOf(rows, FORMAT_1, blocks)
  blocks.reads = 0
  await rejectsCode(prove(tree, { type: 'scan', values: true }), 'PROOF_TOO_LARGE')
  assert.ok(blocks.reads <= PROOF_BYTES_MAX / (1024 * 1024) + 2)
  const signal = AbortSignal.abort(new Error('enough'))
  await prove(tree, { type: 'count' }, { signal }).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  )
})

test('a proof as large as it may be, and a byte larger', async () => {
  const question = { type: 'scan', values: true } as const
  const withLast = (length: number): Promise<Tree> => {
    const lengths = [...Array.from({ length: 15 }, () => 1024 * 1024), length]
    return treeOf(lengths.map((bytes, i) => ({ key: u32be(i), value: new Uint8Array(bytes).fill(i) })))
  }
  const near = await withLast(1_000_000)
  const proof = await prove(near, question)
  const most = 1_000_000 + PROOF_BYTES_MAX - proof.length
  const largest = await withLast(most)
  const bytes = await prove(largest, question)
  assert.is(bytes.length, PROOF_BYTES_MAX)
  assert.is(checkProof(bytes, question, largest.ref.root).answer.rows.length, 16)
  await rejectsCode(prove(await withLast(most + 1), question), 'PROOF_TOO_LARGE')
})

test('what cannot be asked is the mistake of the caller', async () => {
  const bad: Question[] = [
    { type: 'get', keys: [] },
    { type: 'get', keys: [new Uint8Array(1025)] },
    { type: 'get', keys: Array.from({ length: 4097 }, (_, i) => u32be(i)) },
    { type: 'scan', start: u32be(2), end: u32be(2) },
    { type: 'scan', end: new Uint8Array(1026) },
    { type: 'scan', limit: 0 },
    { type: 'at', position: -1 },
    { type: 'at', position: 1.5 },
    { type: 'diff', from: new Uint8Array(36), limit: 1 },
  ]
  for (const question of bad) await rejectsType(prove(deep, question), RangeError, question.type)
})

test('no smaller set of blocks proves it, and no other order', async () => {
  const random = new Random(4)
  const tree = await treeOf(randomRows(random, 60, DEEP), DEEP)
  const questions: Question[] = [
    { type: 'get', keys: [u32be(7), u32be(0x80000000)] },
    { type: 'scan', start: u32be(7), limit: 6 },
    { type: 'count', start: u32be(0x30000000), end: u32be(0xb0000000) },
  ]
  for (const question of questions) {
    const content = decodeProof(await prove(tree, question, { format: DEEP }))
    const { blocks } = content
    assert.ok(blocks.length >= 4 && blocks.length <= 14, `${blocks.length} blocks`)
    for (let subset = 0; subset < 2 ** blocks.length - 1; subset++) {
      const some = blocks.filter((_, i) => (subset & (1 << i)) !== 0)
      assertRefused(encodeProof({ ...content, blocks: some }), question, tree.ref.root, DEEP)
    }
    for (let i = 1; i < blocks.length; i++) {
      const [a, b] = [blocks[i - 1] as Uint8Array, blocks[i] as Uint8Array]
      assertRefused(
        encodeProof({ ...content, blocks: blocks.toSpliced(i - 1, 2, b, a) }),
        question,
        tree.ref.root,
        DEEP,
      )
    }
  }
})

test.run()
