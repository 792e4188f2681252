/** Reading against a sorted array: get, scans both ways, limits, count, rank, position; with readers that answer later, too. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import { editTree, type Entry, FORMAT_1, type Format, type ScanOptions, Tree } from '../../src/prolly/index.ts'
import { run as runTree } from '../../fuzz/tree.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { collect, DEEP, randomRows, treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('prolly/read')

test('builds equal the reference implementation, reads a sorted array, in every format', async () => {
  for (const seed of seeds(120)) await runTree(seed)
})

test('what is at hand is given at once, what is not is a promise of the same', async () => {
  const rows = randomRows(new Random(1), 300, DEEP)
  const [prompt, late] = [await treeOf(rows, DEEP), await treeOf(rows, DEEP, new BlockMap(true))]
  for (const { key, value } of rows) {
    const [now, later] = [prompt.get(key), late.get(key)]
    assert.not(now instanceof Promise)
    assert.ok(now !== undefined && equalBytes(now as Uint8Array, value))
    const arrived = await later
    assert.ok(arrived !== undefined && equalBytes(arrived, value))
  }
  assert.ok((await Tree.open(new BlockMap(true), late.ref.root).catch(() => 'missing')) === 'missing')
})

test('ends, limits and empty ranges', async () => {
  const rows = Array.from({ length: 100 }, (_, i) => ({ key: u32be(2 * i), value: u32be(i) }))
  const tree = await treeOf(rows, DEEP)
  const keys = async (options: ScanOptions): Promise<number[]> =>
    (await collect(tree.scan(options))).map(({ key }) => new DataView(key.buffer, key.byteOffset).getUint32(0))
  assert.equal(await keys({ limit: 0 }), [])
  assert.equal(await keys({ limit: -1 }), [])
  assert.equal(await keys({ limit: 2 }), [0, 2])
  assert.equal(await keys({ limit: 2, reverse: true }), [198, 196])
  assert.equal(await keys({ start: u32be(5), end: u32be(10) }), [6, 8])
  assert.equal(await keys({ start: u32be(5), end: u32be(10), reverse: true }), [8, 6])
  assert.equal(await keys({ start: u32be(6), end: u32be(6) }), [])
  assert.equal(await keys({ start: u32be(8), end: u32be(6) }), [])
  assert.equal(await keys({ start: u32be(199) }), [])
  assert.equal(await keys({ end: new Uint8Array(0) }), [])
  assert.equal(await keys({ end: new Uint8Array(0), reverse: true }), [])
  assert.is(await tree.count({ start: u32be(8), end: u32be(6) }), 0)
  assert.is(await tree.at(100), undefined)
  for (const n of [-1, 0.5, Number.NaN, 2 ** 53]) {
    const error: unknown = await tree.at(n).catch((reason: unknown) => reason)
    assert.instance(error, RangeError, String(n))
  }
})

test('a scan sees one state to its end, whatever is written meanwhile', async () => {
  const format: Format = FORMAT_1
  const rows = Array.from({ length: 3000 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const blocks = new BlockMap()
  const tree = await treeOf(rows, format, blocks)
  let current = tree
  const seen: Entry[] = []
  for await (const entry of tree.scan()) {
    seen.push(entry)
    if (seen.length % 500 !== 0) continue
    const edits = rows.slice(seen.length - 400, seen.length + 400).map(({ key }) => ({ key, value: null }))
    current = await Tree.open(blocks, (await editTree(current, edits, blocks, { format })).root)
  }
  assert.is(seen.length, 3000)
  assert.ok(seen.every(({ key, value }, i) => equalBytes(key, u32be(i)) && equalBytes(value as Uint8Array, u32be(i))))
  assert.ok(current.ref.entries < 3000)
  assert.is((await collect(current.scan())).length, current.ref.entries)
})

test.run()
