/** Copies of trees between stores: what the target lacks, verified, and again from where it stopped. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey } from '../../src/link.ts'
import { buildTree, copyTree, type Edit, editTree, type Put, Tree } from '../../src/prolly/index.ts'
import type { CompleteRecord } from '../../src/store/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { failureOf } from '../support/database-lab.ts'
import { MIB, putZeros } from '../support/file-lab.ts'
import { blockSet, collect, treeOf, u32be, utf8 } from '../support/tree-sets.ts'

const test = suite('prolly/copy-tree')

const NOTHING = { getComplete: () => undefined }

function someRows(from: number, count: number): Put[] {
  return Array.from({ length: count }, (_, i) => {
    const key = u32be(from + i)
    return { key, value: (from + i) % 300 === 0 ? new Uint8Array(2000).fill(i) : utf8(`value ${from + i}`) }
  })
}

/** Records by link, as a target has them. */
function recorded(records: readonly CompleteRecord[]): { getComplete(link: Uint8Array): CompleteRecord | undefined } {
  const byLink = new Map(records.map((record) => [linkMapKey(record.link), record]))
  return { getComplete: (link) => byLink.get(linkMapKey(link)) }
}

test('the whole tree, its values too, and records of all of it with the root last', async () => {
  const blocks = new BlockMap(true)
  const tree = await treeOf(someRows(0, 3000), undefined, blocks)
  const target = new BlockMap()
  const records = await collect(copyTree(blocks, tree.ref, target, NOTHING))
  const all = await blockSet(tree, true)
  assert.equal(new Set(target.map.keys()), all)
  assert.equal(new Set(records.map(({ link }) => linkMapKey(link))), all)
  assert.equal(records.at(-1)?.link, tree.ref.root)
})

test('what is recorded is neither read nor written: the cost is that of the difference', async () => {
  const blocks = new BlockMap()
  const tree = await treeOf(someRows(0, 20_000), undefined, blocks)
  const target = recorded(await collect(copyTree(blocks, tree.ref, new BlockMap(), NOTHING)))
  const edits: Edit[] = [{ key: u32be(7001), value: utf8('changed') }, ...someRows(20_000, 1)]
  const changed = await Tree.open(blocks, (await editTree(tree, edits, blocks)).root)
  blocks.reads = 0
  const sink = new BlockMap()
  await collect(copyTree(blocks, changed.ref, sink, target))
  assert.ok(blocks.reads <= 2 * (tree.level + 3), `${blocks.reads} blocks read`)
  const [before, after] = [await blockSet(tree, true), await blockSet(changed, true)]
  assert.equal(new Set(sink.map.keys()), new Set([...after].filter((link) => !before.has(link))))
})

test('a value of many rows is read once, a block of many files, too: nothing need be recorded between', async () => {
  const blocks = new BlockMap()
  const value = new Uint8Array(2000).fill(7)
  const files = [2, 3, 4, 5].map((leaves) => putZeros(blocks, leaves * MIB))
  const rows = Array.from({ length: 300 }, (_, i) => ({
    key: u32be(i),
    value: i % 2 === 0 ? value : files[(i >> 1) % 4]!,
  }))
  const ref = await buildTree(rows, blocks)
  const nodes = await blockSet(await Tree.open(blocks, ref.root))
  blocks.reads = 0
  const records = await collect(copyTree(blocks, ref, new BlockMap(), NOTHING))
  assert.is(blocks.reads, nodes.size + 1 + files.length + 1)
  assert.is(new Set(records.map(({ link }) => linkMapKey(link))).size, records.length, 'nothing is recorded twice')
})

test('stopped anywhere, it goes on from what was recorded', async () => {
  const blocks = new BlockMap()
  const tree = await treeOf(someRows(0, 5000), undefined, blocks)
  const whole = await blockSet(tree, true)
  const sink = new BlockMap()
  const written: CompleteRecord[] = []
  for (const stop of [3, 20, Number.POSITIVE_INFINITY]) {
    let taken = 0
    for await (const record of copyTree(blocks, tree.ref, sink, recorded(written))) {
      written.push(record)
      if (++taken === stop) break
    }
  }
  assert.equal(new Set(sink.map.keys()), whole)
  assert.is(new Set(written.map(({ link }) => linkMapKey(link))).size, written.length, 'nothing is recorded twice')
})

test('a block that is damaged or gone ends it, and bad bytes are not taken', async () => {
  const blocks = new BlockMap()
  const tree = await treeOf(someRows(0, 3000), undefined, blocks)
  const links = [...(await blockSet(tree, true))]
  for (const link of links) {
    for (const [bytes, code] of [
      [Uint8Array.of(1), 'STORE_CORRUPT'],
      [undefined, 'BLOCK_MISSING'],
    ] as const) {
      const damaged = new BlockMap()
      for (const [key, held] of blocks.map) if (key !== link) damaged.map.set(key, held)
      if (bytes !== undefined) damaged.map.set(link, bytes)
      const sink = new BlockMap()
      const error = await failureOf(collect(copyTree(damaged, tree.ref, sink, NOTHING)))
      assert.is(error.code, code)
      assert.not(sink.map.has(link))
    }
  }
})

test.run()
