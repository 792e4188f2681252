/** Equal rows give equal roots whatever the history: every edit gives what a bulk build of the result gives. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLink } from '../../src/link.ts'
import { buildTree, type Edit, editTree, type Format, type Put, Tree } from '../../src/prolly/index.ts'
import { run as runEdits } from '../../fuzz/edit.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { referenceTree } from '../support/tree-reference.ts'
import {
  applyEdits,
  blockSet,
  countMissing,
  DEEP,
  FORMATS,
  randomEdits,
  randomRows,
  refText,
  reopened,
  sortRows,
  treeOf,
  u32be,
} from '../support/tree-sets.ts'

const test = suite('prolly/edit')

function referenceText(rows: readonly Put[], format: Format): string {
  const { root, entries, bytes } = referenceTree(rows, format)
  return `${root.toString()} entries ${entries} bytes ${bytes}`
}

test('any history of edits equals a bulk build, in every format', async () => {
  for (const seed of seeds(180)) await runEdits(seed)
})

test('one row at a time, in any order, and away again', async () => {
  const random = new Random(seeds(1)[0] ?? 0)
  const rows = randomRows(random, 120, DEEP)
  const blocks = new BlockMap()
  const empty = await treeOf([], DEEP, blocks)
  const full = refText(await buildTree(rows, blocks, { format: DEEP }))
  const step = async (root: Uint8Array, edit: Edit): Promise<Uint8Array> => {
    const ref = await editTree(await Tree.open(blocks, root), [edit], blocks, { format: DEEP })
    return ref.root
  }
  let root = empty.ref.root
  for (const row of random.shuffled(rows)) root = await step(root, row)
  assert.is(refText((await Tree.open(blocks, root)).ref), full)
  for (const { key } of random.shuffled(rows)) root = await step(root, { key, value: null })
  assert.is(formatLink(root), formatLink(empty.ref.root))
})

test('a run of rows away from every place, down to one subtree', async () => {
  const rows = Array.from({ length: 200 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const blocks = new BlockMap()
  const tree = await treeOf(rows, DEEP, blocks)
  for (let from = 0; from < 200; from += 7) {
    for (const to of [from + 1, from + 13, 200]) {
      const edits = rows.slice(from, to).map(({ key }) => ({ key, value: null }))
      const cut = await editTree(tree, edits, blocks, { format: DEEP })
      const rest = [...rows.slice(0, from), ...rows.slice(to)]
      assert.is(refText(cut), referenceText(rest, DEEP), `without ${from} to ${to}`)
    }
  }
})

test('no change writes nothing: no edits, equal puts, deletes of absent keys', async () => {
  for (const [name, format] of FORMATS) {
    for (const count of [0, 1, 5, 400]) {
      const random = new Random(count)
      const rows = randomRows(random, count, format)
      const tree = await treeOf(rows, format)
      const absent = sortRows(Array.from({ length: 20 }, () => ({ key: random.bytes(50), value: null })))
      const none: Edit[][] = [[], rows.filter((_, i) => i % 3 === 0), rows, absent]
      for (const [i, edits] of none.entries()) {
        const sink = new BlockMap()
        const report = await editTree(await reopened(tree), edits, sink, { format })
        assert.is(refText(report), refText(tree.ref))
        assert.is(report.blocksWritten, 0, `${name}, ${count} rows, edits ${i}`)
        assert.is(sink.map.size, 0)
      }
    }
  }
})

test('an edit writes exactly the blocks the old tree lacks, values included', async () => {
  for (const seed of seeds(40)) {
    const random = new Random(seed)
    const rows = randomRows(random, 150, DEEP)
    const tree = await treeOf(rows, DEEP)
    const sink = new BlockMap()
    const edits = randomEdits(random, rows, random.between(1, 10), DEEP)
    const report = await editTree(tree, edits, sink, { format: DEEP })
    const target = await treeOf(applyEdits(rows, edits), DEEP)
    const before = await blockSet(tree, true)
    const after = await blockSet(target, true)
    for (const link of after) assert.ok(before.has(link) || sink.map.has(link), `seed ${seed}: a new block was written`)
    const nodes = await blockSet(target)
    const lost = [...sink.map.keys()].filter((link) => !after.has(link)).length
    assert.is(lost, 0, `seed ${seed}: ${lost} of ${report.blocksWritten} blocks written are not of the new tree`)
    assert.ok(report.blocksWritten >= countMissing(nodes, before))
  }
})

test.run()
