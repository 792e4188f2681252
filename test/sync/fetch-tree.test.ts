/** Fetching from honest peers: the replica equals the source, moves only what changed, and resumes. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey } from '../../src/link.ts'
import { FORMAT_1, isValueRef, Node, type Put } from '../../src/prolly/index.ts'
import type { PullProgress, PullReport } from '../../src/sync/index.ts'
import { Random } from '../support/random.ts'
import { CountingStore, Lab, publish, sameBlocks, WRITE_FAILURE } from '../support/sync-lab.ts'
import { applyEdits, countMissing, DEEP, FORMATS, randomEdits, randomRows, utf8, WIDE } from '../support/tree-sets.ts'
import { judgeTree } from '../support/tree-walk.ts'

const test = suite('sync/fetch-tree')

function numbered(count: number): Put[] {
  return Array.from({ length: count }, (_, i) => ({
    key: utf8(`key-${String(i).padStart(8, '0')}`),
    value: utf8(`v${i}`),
  }))
}

for (const [name, format] of FORMATS) {
  test(`a clone has every block and record of its source: ${name}`, async () => {
    for (const count of [0, 1, 7, 300]) {
      const source = await publish(randomRows(new Random(count + 1), count, format), { format })
      const store = new CountingStore()
      const lab = new Lab()
      const cloned = await lab.pull(source, [lab.peer('a', source)], store)
      assert.ok(sameBlocks(source, store))
      assert.equal([...store.records.keys()].sort(), [...source.store.records.keys()].sort())
      for (const [key, record] of store.records) assert.equal(record, source.store.records.get(key))
      assert.is(cloned.entries, source.target.entries)
      assert.is(cloned.bytes, source.target.bytes)
      assert.is(cloned.blocksReceived, source.blocks.size)
      assert.is(cloned.peers[0]?.outcome, 'used')
      assert.is(judgeTree(store, source.target, format).rule, undefined)
    }
  })
}

test('progress grows to the signed totals, whatever was here before', async () => {
  const rows = randomRows(new Random(5), 400, WIDE)
  const before = await publish(rows, { format: WIDE })
  const after = await publish(applyEdits(rows, randomEdits(new Random(6), rows, 30, WIDE)), {
    format: WIDE,
    sequence: 2,
  })
  const store = new CountingStore()
  for (const source of [before, after]) {
    const seen: PullProgress[] = []
    const lab = new Lab()
    await lab.pull(source, [lab.peer('a', source)], store, { onProgress: (now) => seen.push(now) })
    const last = seen.at(-1)
    assert.is(last?.entries, source.target.entries)
    assert.is(last?.bytes, source.target.bytes)
    for (const [i, { entries, bytes }] of seen.entries()) {
      assert.ok(entries >= (seen[i - 1]?.entries ?? 0) && bytes >= (seen[i - 1]?.bytes ?? 0))
    }
  }
})

test('a pull moves the blocks that are new and no others', async () => {
  for (const format of [DEEP, WIDE, FORMAT_1]) {
    const rows = randomRows(new Random(7), 2000, format)
    const before = await publish(rows, { format })
    const edits = randomEdits(new Random(8), rows, 20, format)
    const after = await publish(applyEdits(rows, edits), { format, sequence: 2 })
    const store = new CountingStore()
    const lab = new Lab()
    await lab.pull(before, [lab.peer('a', before)], store)
    const report = await lab.pull(after, [lab.peer('a', after)], store)
    assert.is(report.blocksReceived, countMissing(after.blocks, before.blocks))
    assert.is(report.blocksHeld, 0)
    assert.ok(sameBlocks(after, store))
    for (const [key, record] of after.store.records) assert.equal(store.records.get(key), record)
  }
})

test('pulling what is here costs one round trip and less than 1 KiB', async () => {
  const source = await publish(numbered(1000))
  const store = new CountingStore()
  const lab = new Lab()
  await lab.pull(source, [lab.peer('a', source)], store)
  const written = store.writes
  const report = await lab.pull(source, [lab.peer('a', source)], store, { have: source.newest.id })
  assert.is(report.roundTrips, 1)
  assert.is(report.requests, 1)
  assert.is(report.blocksReceived, 0)
  assert.ok(report.bytesReceived + report.bytesSent < 1024)
  assert.is(report.entries, source.target.entries)
  assert.ok(store.writes - written <= 1)
})

test('a complete tree needs no peer at all', async () => {
  const source = await publish(numbered(1000))
  const report = await new Lab().pull(source, [], source.store)
  assert.is(report.entries, 1000)
  assert.is(report.bytesReceived, 0)
})

test('round trips of a clone by links are the levels of the tree, the hello and the values', async () => {
  const source = await publish(numbered(20000))
  const lab = new Lab()
  const report = await lab.pull(source, [lab.peer('a', source)], new CountingStore(), { base: undefined })
  const levels = 1 + Math.max(...[...source.store.records.values()].map(({ level }) => level))
  assert.is(report.roundTrips, 1 + levels)
  const large = await publish([{ key: utf8('a'), value: new Uint8Array(5000) }])
  const options = { base: undefined }
  assert.is((await lab.pull(large, [lab.peer('a', large)], new CountingStore(), options)).roundTrips, 3)
})

test('several peers share the work and each block comes once', async () => {
  const source = await publish(numbered(60000))
  const lab = new Lab()
  const dialers = ['a', 'b', 'c'].map((name) => lab.peer(name, source))
  const store = new CountingStore()
  const report = await lab.pull(source, dialers, store)
  assert.is(report.blocksReceived, source.blocks.size)
  assert.is(report.blocksRepeated, 0)
  for (const { outcome, blocks, name } of report.peers) {
    assert.is(outcome, 'used')
    assert.ok(blocks > source.blocks.size / 10, `${name}: ${blocks} of ${source.blocks.size}`)
  }
  assert.is(
    report.peers.reduce((sum, { blocks }) => sum + blocks, 0),
    source.blocks.size,
  )
  assert.ok(sameBlocks(source, store))
})

test('equal values are fetched once and counted at each of their places', async () => {
  const value = new Uint8Array(3000).fill(9)
  const rows = numbered(300).map(({ key }) => ({ key, value }))
  const source = await publish(rows)
  const lab = new Lab()
  const store = new CountingStore()
  const report = await lab.pull(source, [lab.peer('a', source)], store)
  assert.is(report.blocksReceived, source.blocks.size)
  assert.is(report.bytes, source.target.bytes)
  assert.ok(report.bytesReceived < 100_000)
})

test('values of a whole MiB arrive one by one', async () => {
  const rows = [1, 2, 3, 4, 5].map((i) => ({ key: utf8(`k${i}`), value: new Uint8Array(1024 * 1024).fill(i) }))
  const source = await publish(rows)
  const lab = new Lab()
  const store = new CountingStore()
  const report = await lab.pull(source, [lab.peer('a', source), lab.peer('b', source)], store)
  assert.is(report.blocksReceived, 6)
  assert.ok(sameBlocks(source, store))
})

test('a write that fails at any point leaves what the next pull continues from', async () => {
  const rows = randomRows(new Random(9), 250, DEEP)
  const source = await publish(rows, { format: DEEP })
  // By links: many small answers, and a write after each.
  const options = { writeBytesMax: 1500, base: undefined }
  const whole = new CountingStore()
  const lab = new Lab()
  await lab.pull(source, [lab.peer('a', source)], whole, options)
  assert.ok(whole.writes > 10)
  for (let k = 0; k < whole.writes; k++) {
    const store = new CountingStore()
    store.failsAtWrite = k
    const error = await lab.pull(source, [lab.peer('a', source)], store, options).catch((reason: unknown) => reason)
    assert.is(error, WRITE_FAILURE, `write ${k}: the error of the store comes through as it is`)
    assertSoundRecords(store)
    const held = new Set(store.written)
    store.failsAtWrite = Infinity
    const report = await lab.pull(source, [lab.peer('a', source)], store, options)
    assert.is(report.blocksReceived, countMissing(source.blocks, held), `write ${k}: only what was not written`)
    assert.is(report.entries, source.target.entries)
    assert.ok(sameBlocks(source, store))
  }
})

/** All below a record is there and recorded. */
function assertSoundRecords(store: CountingStore): void {
  for (const record of store.records.values()) {
    if (record.level < 0) assert.is(store.get(record.link)?.length, record.bytes)
    else assert.ok(everythingBelow(store, record.link), 'a record without all that is below it')
  }
}

function everythingBelow(store: CountingStore, link: Uint8Array): boolean {
  const bytes = store.get(link)
  if (bytes === undefined || !store.records.has(linkMapKey(link))) return false
  const node = Node.decode(bytes)
  for (let i = 0; i < node.length; i++) {
    const value = node.level > 0 ? undefined : node.value(i)
    const below = node.level > 0 ? node.link(i) : value !== undefined && isValueRef(value) ? value.link : undefined
    if (below === undefined) continue
    if (node.level > 0 ? !everythingBelow(store, below) : !store.records.has(linkMapKey(below))) return false
  }
  return true
}

test('an abort at any point keeps what was verified', async () => {
  const source = await publish(randomRows(new Random(10), 250, DEEP), { format: DEEP })
  for (let after = 0; after < 30; after += 3) {
    const lab = new Lab()
    const store = new CountingStore()
    const abort = new AbortController()
    const reason = new Error('enough')
    let answers = 0
    const onProgress = (): void => {
      if (answers++ === after) abort.abort(reason)
    }
    const pull = lab.pull(source, [lab.peer('a', source)], store, { signal: abort.signal, onProgress })
    const error: unknown = await pull.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (error === undefined) break
    assert.is(error, reason)
    assertSoundRecords(store)
    const held = new Set(store.written)
    assert.ok(held.size > 0)
    const report: PullReport = await lab.pull(source, [lab.peer('a', source)], store)
    assert.is(report.blocksReceived, countMissing(source.blocks, held))
  }
})

test('an aborted signal is thrown before anything is asked', async () => {
  const source = await publish(numbered(10))
  const lab = new Lab()
  const reason = new Error('no')
  const error = await lab
    .pull(source, [lab.peer('a', source)], new CountingStore(), { signal: AbortSignal.abort(reason) })
    .catch((thrown: unknown) => thrown)
  assert.is(error, reason)
})

test('a damaged block of our own disk is fetched again and nobody is blamed', async () => {
  const source = await publish(numbered(2000))
  const store = new CountingStore()
  const lab = new Lab()
  // Held without records: as after a kill, one of them rotten.
  const blocks = [...source.blocks].map((key) => Uint8Array.from(key, (c) => c.charCodeAt(0)))
  await store.write({ blocks: blocks.map((link) => ({ link, bytes: source.store.get(link) as Uint8Array })) })
  const rotten = blocks.at(-1) as Uint8Array
  await store.write({ blocks: [{ link: rotten, bytes: Uint8Array.of(1, 2, 3) }] })
  const report = await lab.pull(source, [lab.peer('a', source)], store)
  assert.is(report.blocksDamaged, 1)
  assert.is(report.blocksReceived, 1)
  assert.is(report.blocksHeld, source.blocks.size - 1)
  assert.is(report.peers[0]?.outcome, 'used')
  assert.ok(sameBlocks(source, store))
})

test('peers with another root help when nobody else is left', async () => {
  const rows = numbered(3000)
  const before = await publish(rows)
  const after = await publish([...rows, { key: utf8('z'), value: utf8('new') }], { sequence: 2 })
  const store = new CountingStore()
  // The new nodes are here already, as after an interrupted pull; only the old peer is online.
  const fresh = [...after.blocks].filter((key) => !before.blocks.has(key))
  const links = fresh.map((key) => Uint8Array.from(key, (c) => c.charCodeAt(0)))
  await store.write({ blocks: links.map((link) => ({ link, bytes: after.store.get(link) as Uint8Array })) })
  const lab = new Lab()
  const report = await lab.pull(after, [lab.peer('old', before)], store)
  assert.is(report.peers[0]?.outcome, 'outdated')
  assert.is(report.blocksReceived, countMissing(after.blocks, new Set(fresh)))
  assert.ok(sameBlocks(after, store))
})

test.run()
