/** Fetching by ranges from honest peers: fewer round trips and requests, only what changed, values and files too. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_1, type Put } from '../../src/prolly/index.ts'
import { MIB, publishFiles, putFile } from '../support/file-lab.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { CountingStore, Lab, publish, sameBlocks, WRITE_FAILURE } from '../support/sync-lab.ts'
import { applyEdits, countMissing, DEEP, randomEdits, randomRows, u32be, utf8, WIDE } from '../support/tree-sets.ts'

const test = suite('sync/fetch-ranges')

function rowsOf(count: number): Put[] {
  return Array.from({ length: count }, (_, i) => ({ key: u32be(i), value: utf8(`${i} `.repeat(14)) }))
}

test('a clone: two round trips where all fits the first answer, three for one of two levels above its leaves, and less is asked', async () => {
  const small = await publish(rowsOf(1000))
  const lab = new Lab()
  assert.is((await lab.pull(small, [lab.peer('a', small)], new CountingStore())).roundTrips, 2)

  const large = await publish(rowsOf(60_000))
  const ranges = await lab.pull(large, [lab.peer('a', large)], new CountingStore())
  const links = await lab.pull(large, [lab.peer('a', large)], new CountingStore(), { base: undefined })
  assert.is(ranges.roundTrips, 3)
  assert.ok(ranges.bytesSent * 20 < links.bytesSent, `${ranges.bytesSent} for ${links.bytesSent} bytes`)
  assert.ok(ranges.bytesReceived <= links.bytesReceived)
  assert.is(ranges.asked.range.blocks + ranges.asked.blocks.blocks, large.blocks.size)
  assert.is(links.asked.range.questions, 0)
  assert.ok(ranges.asked.range.bytes > 0.99 * large.target.bytes)
})

test('a pull with a base moves the blocks that are new and no others, in few questions', async () => {
  for (const seed of seeds(12)) {
    const random = new Random(seed)
    const format = random.pick([DEEP, WIDE, FORMAT_1])
    const rows = randomRows(random, 2500, format)
    const before = await publish(rows, { format })
    const after = await publish(applyEdits(rows, randomEdits(random, rows, 30, format)), { format, sequence: 2 })
    // Whoever serves the newer one has the older one, too.
    await after.store.write({
      blocks: [...before.blocks].map((key) => {
        const link = Uint8Array.from(key, (unit) => unit.charCodeAt(0))
        return { link, bytes: before.store.get(link) as Uint8Array }
      }),
      complete: [...before.store.records.values()],
    })
    const store = new CountingStore()
    const lab = new Lab()
    await lab.pull(before, [lab.peer('a', before)], store)
    const report = await lab.pull(after, [lab.peer('a', after)], store, { base: before.target.root })
    assert.is(report.blocksReceived, countMissing(after.blocks, before.blocks), `seed ${seed}`)
    assert.is(report.blocksRepeated, 0)
    assert.is(report.asked.range.blocks, report.blocksReceived)
    assert.ok(report.roundTrips <= 3, `${report.roundTrips} round trips`)
    assert.ok(sameBlocks(after, store))
  }
})

test('a base that the peer does not know, and one that has little in common, are no harm', async () => {
  const before = await publish(rowsOf(4000))
  const after = await publish(
    rowsOf(4000).map((row, i) => (i % 2 === 0 ? { ...row, value: utf8(`other ${i}`) } : row)),
    { sequence: 2 },
  )
  for (const knows of [false, true]) {
    const store = new CountingStore()
    const lab = new Lab()
    await lab.pull(before, [lab.peer('a', before)], store)
    const peer = { ...after, store: new CountingStore() }
    for (const source of knows ? [before, after] : [after]) {
      const links = [...source.blocks].map((key) => Uint8Array.from(key, (unit) => unit.charCodeAt(0)))
      await peer.store.write({
        blocks: links.map((link) => ({ link, bytes: source.store.get(link) as Uint8Array })),
        complete: [...source.store.records.values()],
      })
    }
    const report = await lab.pull(after, [lab.peer('a', peer)], store, { base: before.target.root })
    assert.is(report.blocksReceived, countMissing(after.blocks, before.blocks))
    assert.ok(sameBlocks(after, store))
  }
})

test('values come with their leaves, files by their links', async () => {
  const map = new BlockMap()
  const file = await putFile(map, 3 * MIB)
  const rows = Array.from({ length: 300 }, (_, i) => ({
    key: u32be(i),
    value: i === 150 ? file : i % 10 === 0 ? new Uint8Array(3000).fill(i / 10) : utf8(`value ${i}`),
  }))
  const source = await publishFiles(rows, map)
  const lab = new Lab()
  const store = new CountingStore()
  const report = await lab.pull(source, [lab.peer('a', source), lab.peer('b', source)], store)
  assert.ok(sameBlocks(source, store))
  assert.is(report.blocksReceived, source.blocks.size)
  assert.is(report.asked.blocks.blocks, 4)
})

test('a value of many rows is sent with some of the ranges, and kept once', async () => {
  const value = new Uint8Array(5000).fill(9)
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ key: u32be(i), value: i % 50 === 0 ? value : utf8(`${i}`) }))
  const source = await publish(rows)
  const lab = new Lab()
  const report = await lab.pull(source, [lab.peer('a', source)], new CountingStore())
  assert.is(report.blocksReceived, source.blocks.size)
  assert.is(report.bytes, source.target.bytes)
  assert.ok(report.blocksRepeated < 20, `${report.blocksRepeated} times too often`)
})

test('a write that fails at any point of a clone by ranges leaves what the next pull continues from', async () => {
  const source = await publish(randomRows(new Random(9), 9000, WIDE), { format: WIDE })
  const options = { writeBytesMax: 1500 }
  const lab = new Lab()
  const whole = new CountingStore()
  await lab.pull(source, [lab.peer('a', source)], whole, options)
  assert.ok(whole.writes > 2, `${whole.writes} writes`)
  for (let k = 0; k < whole.writes; k++) {
    const store = new CountingStore()
    store.failsAtWrite = k
    const error: unknown = await lab
      .pull(source, [lab.peer('a', source)], store, options)
      .catch((reason: unknown) => reason)
    assert.is(error, WRITE_FAILURE)
    const held = new Set(store.written)
    store.failsAtWrite = Infinity
    const report = await lab.pull(source, [lab.peer('a', source)], store, options)
    assert.is(report.blocksReceived, countMissing(source.blocks, held), `write ${k}: only what was not written`)
    assert.ok(sameBlocks(source, store))
  }
})

test.run()
