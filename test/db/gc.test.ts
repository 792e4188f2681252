/** Collection of garbage: what is kept is whole and served, all else is gone, whatever happens on the way. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, GcReport, KeptRoot, Snapshot } from '../../src/db/index.ts'
import { formatLink, type Link } from '../../src/link.ts'
import { checkTree, type Edit, Tree } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/interface.ts'
import { collect, createDatabase, failureOf, openDatabase, text, thrownBy, utf8 } from '../support/database-lab.ts'
import { allBlocks, allRecords, checkOnly, checkRecords, forgetUnused, KilledStore } from '../support/gc-lab.ts'

const test = suite('db/gc')

const key = (i: number): Uint8Array => utf8(String(i).padStart(6, '0'))

/** `count` rows from `from` on, every 40th of them out of line, that say of which release they are. */
function rows(release: number, from: number, count: number): Edit[] {
  return Array.from({ length: count }, (_, i): Edit => {
    const value = i % 40 === 0 ? `release ${release} `.repeat(120) : `release ${release}`
    return { key: key(from + i), value: utf8(`${value} row ${from + i}`) }
  })
}

/** Published 1 to `releases`, each with a state between that never was. */
async function filled(store: Store, releases: number, count = 2000): Promise<Database> {
  const db = await createDatabase({ store })
  for (let release = 1; release <= releases; release++) {
    await db.batch((tx) => tx.apply(rows(release, 0, 30)))
    await db.batch((tx) => tx.apply(rows(release, release * 200, release === 1 ? count : 60)))
    await db.publish()
  }
  return db
}

/** A handle that has given nothing out yet. */
async function reopened(store: Store): Promise<Database> {
  await forgetUnused()
  return await openDatabase(store)
}

async function publishedRoots(db: Database): Promise<Link[]> {
  const roots: Link[] = []
  for await (const { signedRoot } of db.log()) roots.push(signedRoot.payload.root)
  return roots
}

async function heldSequences(db: Database): Promise<number[]> {
  const held: number[] = []
  for await (const { signedRoot, isHeld } of db.log()) if (isHeld) held.push(signedRoot.payload.sequence)
  return held
}

/** Holds a state in a place that can be emptied for certain, which a local variable cannot. */
class Reader {
  #state: Snapshot | undefined

  async open(db: Database, root: Link): Promise<void> {
    this.#state = await db.state.at(root)
  }

  async countRows(): Promise<number> {
    return (await collect(this.#state?.scan() ?? [])).length
  }

  async countEntries(): Promise<number | undefined> {
    return await this.#state?.count()
  }

  letGo(): void {
    this.#state = undefined
  }
}

const reasonsOf = ({ kept }: GcReport): [number | undefined, readonly string[]][] =>
  kept.map(({ sequence, reasons }: KeptRoot) => [sequence, reasons])

test('an author keeps all that was published; states between are gone, and every kept one is whole', async () => {
  const store = new MemoryStore()
  await (await filled(store, 4)).put(key(7), utf8('unpublished'))
  const db = await reopened(store)
  const before = (await allBlocks(store)).length
  const report = await db.gc()
  const roots = await publishedRoots(db)
  assert.equal(reasonsOf(report), [
    [undefined, ['shown']],
    [4, ['published', 'recent']],
    [3, ['recent']],
    [2, ['recent']],
    [1, ['recent']],
  ])
  await checkOnly(db.state, [(await db.snapshot()).tree.ref.root, ...roots])
  assert.is(report.statesRemoved, 0)
  assert.ok(report.blocksRemoved > 0 && report.bytesRemoved > 0)
  assert.is(report.blocksLeft, (await allBlocks(store)).length)
  assert.is(before, report.blocksLeft + report.blocksRemoved)
  assert.is((await db.gc()).blocksRemoved, 0, 'a second collection finds nothing')
  assert.is(text(await db.get(key(7))), 'unpublished')
})

test('keep, pins and what is in use decide; the log goes on, and says what is held', async () => {
  const store = new MemoryStore()
  await filled(store, 6)
  const db = await reopened(store)
  const roots = await publishedRoots(db)
  const at = (sequence: number): Link => roots[6 - sequence] as Link
  assert.is(await db.pin(await db.state.at(at(2)), { note: 'used by the paper' }), true)
  assert.is(await db.pin(await db.state.at(at(2)), { note: 'cited' }), false)
  const reader = new Reader()
  await reader.open(db, at(4))
  await db.snapshot()
  await forgetUnused()
  const report = await db.gc({ keep: 2 })
  assert.equal(reasonsOf(report), [
    [6, ['shown', 'published', 'recent']],
    [5, ['recent']],
    [4, ['in use']],
    [2, ['pinned']],
  ])
  assert.is(report.statesRemoved, 2)
  assert.equal(await heldSequences(db), [6, 5, 4, 2])
  await checkOnly(db.state, [6, 5, 4, 2].map(at))
  assert.is(await reader.countRows(), await reader.countEntries())
  reader.letGo()
  assert.is((await failureOf(db.state.at(at(3)))).code, 'ROOT_NOT_FOUND')
  assert.equal(await db.pins(), [{ root: formatLink(at(2)), note: 'cited' }])
  assert.equal([await db.unpin(formatLink(at(2))), await db.unpin(formatLink(at(2)))], [true, false])
  await db.snapshot()
  await forgetUnused()
  assert.equal(reasonsOf(await db.gc({ keep: 1 })), [[6, ['shown', 'published', 'recent']]])
  await checkOnly(db.state, [at(6)])
  await db.put(key(1), utf8('goes on'))
  await db.publish()
  assert.equal(await heldSequences(db), [7, 6])
})

test('a dry run says the same as the collection, and removes nothing', async () => {
  const store = new MemoryStore()
  await filled(store, 5)
  const db = await reopened(store)
  const before = [await allBlocks(store), await allRecords(store)]
  const said = await db.gc({ keep: 1, isDryRun: true })
  assert.equal([await allBlocks(store), await allRecords(store)], before)
  const done = await db.gc({ keep: 1 })
  assert.equal({ ...said, isDryRun: false }, done)
  assert.ok(done.statesRemoved === 4 && done.recordsRemoved > 0)
})

test('states that are equal count once, and a repeated one is not lost with its older number', async () => {
  const store = new MemoryStore()
  const db = await createDatabase({ store })
  await db.batch((tx) => tx.apply(rows(1, 0, 500)))
  await db.publish()
  for (let i = 0; i < 3; i++) await db.publish({ refresh: true })
  await db.put(key(3), utf8('other'))
  await db.publish()
  await db.batch((tx) => tx.apply(rows(1, 0, 500)))
  await db.publish()
  const report = await (await reopened(store)).gc({ keep: 2 })
  assert.equal(
    report.kept.map(({ sequence }) => sequence),
    [6, 5],
  )
  assert.equal(await heldSequences(db), [6, 5, 4, 3, 2, 1])
  await checkOnly(db.state, [...new Set((await publishedRoots(db)).slice(0, 2))])
})

test('a large value is kept whole, and removed whole', async () => {
  const store = new MemoryStore()
  const db = await createDatabase({ store })
  const large = (byte: number): Uint8Array => new Uint8Array(2_500_000).map((_, i) => byte + (i >> 20))
  await db.put(key(1), large(1))
  await db.publish()
  await db.put(key(1), large(2))
  await db.put(key(2), large(9))
  await db.publish()
  const last = await reopened(store)
  const { bytesRemoved } = await last.gc({ keep: 1 })
  // One of its three leaves is in the new value too.
  assert.ok(bytesRemoved > 1_000_000 && bytesRemoved < 3_000_000, String(bytesRemoved))
  await checkOnly(last.state, [(await last.snapshot()).tree.ref.root])
  assert.equal(await last.get(key(1)), large(2))
})

/** The cut, the records of nodes, of leaves and of values, the blocks, the flush. */
const STEPS = 6

test('killed at any step: what is recorded is whole, all kept states are, and the next collection ends it', async () => {
  for (let step = 0; ; step++) {
    const store = new KilledStore()
    // Three levels: records of nodes between the root, which is cut, and the leaves.
    await filled(store, 3, 12_000)
    const db = await reopened(store)
    const [kept] = await publishedRoots(db)
    store.killedAt = store.steps + step
    const outcome: unknown = await db.gc({ keep: 1 }).catch((error: unknown) => error)
    store.killedAt = Number.POSITIVE_INFINITY
    await checkRecords(store)
    const again = await openDatabase(store)
    for (const sequence of await heldSequences(again)) {
      const root = (await publishedRoots(again)).at(-sequence) as Link
      assert.is((await checkTree(store, (await Tree.open(store, root)).ref)).problemCount, 0)
    }
    await again.gc({ keep: 1 })
    await checkOnly(again.state, [kept as Link])
    if (!(outcome instanceof Error)) {
      assert.is(step, STEPS)
      return
    }
  }
})

test('killed while a large value goes: no record of its file outlasts those below it', async () => {
  const large = new Uint8Array(1_100_000)
  for (let step = 0; ; step++) {
    const store = new KilledStore()
    const db = await createDatabase({ store })
    // Enough values for two pages of links: the leaves of the file are on the first, its node is on the second.
    const values = Array.from({ length: 1100 }, (_, i): Edit => ({ key: key(i), value: utf8(String(i).padEnd(1100)) }))
    await db.batch((tx) => tx.apply([{ key: utf8(''), value: large }, ...values]))
    await db.publish()
    await db.batch((tx) =>
      tx.apply([{ key: utf8(''), value: null }, ...values.map((row) => ({ ...row, value: null }))]),
    )
    await db.publish()
    const last = await reopened(store)
    store.killedAt = store.steps + step
    const outcome: unknown = await last.gc({ keep: 1 }).catch((error: unknown) => error)
    store.killedAt = Number.POSITIVE_INFINITY
    await checkRecords(store)
    if (!(outcome instanceof Error)) return assert.ok(step > 3)
  }
})

test("an abort at any point: the signal's reason, a whole database, and the next collection goes on", async () => {
  const store = new MemoryStore()
  await filled(store, 3)
  const [kept] = await publishedRoots(await openDatabase(store))
  for (let calls = 1; ; calls++) {
    const db = await reopened(store)
    const control = new AbortController()
    let seen = 0
    const onProgress = (): void => void (++seen === calls && control.abort(new Error('stop')))
    const outcome: unknown = await db
      .gc({ keep: 1, signal: control.signal, onProgress })
      .catch((error: unknown) => error)
    await checkRecords(store)
    if (!(outcome instanceof Error)) break
    assert.is(outcome.message, 'stop')
    assert.ok(calls < 100)
  }
  await checkOnly((await reopened(store)).state, [kept as Link])
})

test('closing the handle interrupts it; a handle that only reads cannot collect; keep is a number of states', async () => {
  const store = new MemoryStore()
  const db = await filled(store, 2)
  const reader = await openDatabase(store, { isWritable: false })
  assert.is((await failureOf(reader.gc())).code, 'STORE_READ_ONLY')
  for (const keep of [0, -1, 1.5, Number.NaN]) assert.instance(await thrownBy(db.gc({ keep })), RangeError)
  const closing = thrownBy(db.gc())
  const closed = db.close()
  assert.is(((await closing) as Error).name, 'AbortError')
  await closed
})

test('pins: notes of one line, states that are here as a whole', async () => {
  const store = new MemoryStore()
  const db = await filled(store, 2)
  const snapshot = await db.snapshot()
  for (const note of ['two\nlines', 'x'.repeat(161), '\u2028', '\ud800']) {
    assert.is((await failureOf(db.pin(snapshot, { note }))).code, 'USAGE')
  }
  assert.is((await failureOf(db.unpin('nothing'))).code, 'USAGE')
  await db.put(key(5), utf8('between'))
  const between = await db.snapshot()
  await db.put(key(5), utf8('after'))
  assert.is(await db.pin(between, { note: 'never published, and whole' }), true)
  const { root } = between.tree.ref
  const leaf = (await between.tree.leaves().next()).value
  await db.put(key(5), utf8('later still'))
  const late = await db.snapshot()
  await db.put(key(5), utf8('end'))
  assert.ok(leaf !== undefined)
  const ofLate = (await late.tree.leaves().next()).value
  assert.ok(ofLate !== undefined)
  const { linkTo, CODEC_DAG_CBOR } = await import('../../src/link.ts')
  await store.write({ removeBlocks: [linkTo(CODEC_DAG_CBOR, ofLate.leaf.bytes)] })
  assert.is((await failureOf(db.pin(late))).code, 'ROOT_NOT_FOUND')
  assert.equal(
    (await db.pins()).map((pin) => pin.root),
    [formatLink(root)],
  )
})

test.run()
