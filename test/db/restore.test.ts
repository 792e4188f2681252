/** Going back to a held state: whatever is broken in the one before, in one batch, and with what is remembered as merged. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Database, readBases } from '../../src/db/index.ts'
import { basesName, ROOT } from '../../src/db/meta.ts'
import { formatLink, type Link, linkMapKey, parseLink } from '../../src/link.ts'
import { MemoryStore, type Store } from '../../src/store/index.ts'
import { createDatabase, failureOf, openDatabase, thrownBy, utf8 } from '../support/database-lab.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { forkOf, putAll, rowsOf, withRows } from '../support/fork-lab.ts'
import { blocksOf, lose } from '../support/store-damage.ts'

const test = suite('db/restore')

const ROWS = 3000
const key = (i: number): Uint8Array => utf8(String(i).padStart(6, '0'))

/** Published, then changed: gives the blocks that only the change has. */
async function withDraft(store: Store): Promise<{ db: Database; published: string; draft: string; fresh: Link[] }> {
  const db = await createDatabase({ store })
  await db.batch((tx) => tx.apply(Array.from({ length: ROWS }, (_, i) => ({ key: key(i), value: utf8(`row ${i}`) }))))
  await db.publish()
  const before = new Set((await blocksOf(store)).map(linkMapKey))
  const published = (await db.snapshot()).root
  await db.put(key(5), utf8('changed'))
  const draft = (await db.snapshot()).root
  const fresh = (await blocksOf(store)).filter((link) => !before.has(linkMapKey(link)))
  return { db, published, draft, fresh }
}

test('a working state of which nothing can be read is left behind; what it held can be written again', async () => {
  const store = new MemoryStore()
  const { published, draft, fresh } = await withDraft(store)
  assert.ok(fresh.length >= 2)
  for (const link of fresh) await lose(store, link)
  const db = await openDatabase(store)
  await thrownBy(db.put(key(6), utf8('more')))
  const { to, left, isLeftPublished } = await db.restore(published)
  assert.equal([to.root, left, isLeftPublished], [published, draft, false])
  assert.is((await db.snapshot()).root, published)
  await db.gc()
  await db.put(key(5), utf8('changed'))
  assert.is((await db.snapshot()).root, draft)
  assert.is(await db.count(), ROWS)
  assert.ok((await db.publish()).isNew)
})

test('only a link to no state at all is not told as left', async () => {
  const store = new MemoryStore()
  const { db, published } = await withDraft(store)
  await store.write({ meta: new Map([[ROOT, Uint8Array.of(1, 2, 3)]]) })
  assert.is((await db.restore(published)).left, undefined)
  assert.is((await db.snapshot()).root, published)
})

test('a draft is restored in turn while it is whole, and not where a part is gone', async () => {
  const store = new MemoryStore()
  const { db, published, draft, fresh } = await withDraft(store)
  await db.restore(await db.state.at((await db.published())?.payload.root ?? key(0)))
  const { to, left, isLeftPublished } = await db.restore(draft)
  assert.equal([to.root, left, isLeftPublished], [draft, published, true])
  assert.is((await db.restore(draft)).left, draft, 'it is there already')
  await db.restore(published)
  const leaf = fresh.find((link) => formatLink(link) !== draft)
  await lose(store, leaf ?? key(0))
  assert.is((await failureOf(db.restore(draft))).code, 'ROOT_NOT_FOUND')
  assert.is((await db.snapshot()).root, published)
})

test('a published state that gc removed, or with known damage, is not restored', async () => {
  const store = new MemoryStore()
  const { db, published, fresh } = await withDraft(store)
  await db.publish()
  const second = (await db.snapshot()).root
  await db.restore(published)
  const leaf = fresh.find((link) => formatLink(link) !== second)
  await lose(store, leaf ?? key(0))
  await db.repair({ all: true })
  assert.is((await failureOf(db.restore(second))).code, 'ROOT_NOT_FOUND')
  const sound = new MemoryStore()
  const other = await withDraft(sound)
  await other.db.publish()
  // Another handle has no snapshot of it in use.
  const opened = await openDatabase(sound)
  await opened.gc({ keep: 1 })
  assert.is((await failureOf(opened.restore(other.published))).code, 'ROOT_NOT_FOUND')
})

test('one batch: all of it or, where it fails, is aborted or has no lock, nothing', async () => {
  const store = new FaultyStore()
  const { db, published, draft } = await withDraft(store)
  store.failOnce('refused', 0)
  assert.is((await failureOf(db.restore(published))).code, 'STORE_FULL')
  assert.is((await db.snapshot()).root, draft)
  // Aborted as late as it can be.
  const abort = new AbortController()
  const getMeta = store.getMeta.bind(store)
  store.getMeta = (name) => {
    if (name === basesName(parseLink(draft))) abort.abort()
    return getMeta(name)
  }
  await thrownBy(db.restore(published, { signal: abort.signal }))
  assert.ok(abort.signal.aborted)
  assert.is((await db.snapshot()).root, draft)
  const reader = await openDatabase(store, { isWritable: false })
  assert.is((await failureOf(reader.restore(published))).code, 'STORE_READ_ONLY')
  assert.is((await db.snapshot()).root, draft)
  store.failOnce('unflushed', 0)
  assert.is((await failureOf(db.restore(published))).code, 'STORE_FULL', 'it is durable')
  assert.ok(store.hasStruck)
  await db.restore(draft)
  let writes = 0
  store.onWritten = () => void writes++
  await db.restore(published)
  assert.is(writes, 1)
})

test('a merge that was not published goes back with its state, and is found again', async () => {
  const origin = await withRows({ a: '1', b: '1' })
  const fork = await forkOf(origin, 'fork')
  await fork.publish()
  const first = await fork.snapshot()
  await putAll(origin, { a: '2' })
  await fork.merge(origin)
  await fork.publish()
  const second = await fork.snapshot()
  await putAll(origin, { b: '3', c: '3' })
  await fork.merge(origin)
  const merged = await fork.snapshot()

  await fork.restore(second)
  assert.equal(await rowsOf(fork), { a: '2', b: '1' })
  assert.is((await fork.publish()).isNew, false, 'it is what was signed, with what was merged')
  const again = await fork.merge(origin)
  assert.equal([again.isMerged, again.conflicts, await rowsOf(fork)], [true, 0, { a: '2', b: '3', c: '3' }])
  assert.is((await fork.snapshot()).root, merged.root)

  // Back beyond a published merge: it comes again, too.
  await fork.restore(first)
  assert.equal(await rowsOf(fork), { a: '1', b: '1' })
  assert.ok((await fork.merge(origin)).isMerged)
  assert.equal(await rowsOf(fork), { a: '2', b: '3', c: '3' })

  // What a restore left has its merges with it when it is restored in turn.
  await fork.restore(first)
  await fork.restore(merged)
  assert.equal((await fork.merge(origin)).to?.root, merged.root)
  await putAll(fork, { c: null })
  await putAll(origin, { a: '4' })
  await fork.merge(origin)
  assert.equal(await rowsOf(fork), { a: '4', b: '3' }, 'nothing that was merged comes twice')
})

test('of a draft that nobody noted an older base is found, never a newer one; one that is gone is none', async () => {
  const origin = await withRows({ a: '1', b: '1' })
  const store = new MemoryStore()
  const fork = await forkOf(origin, 'fork', store)
  await fork.publish()
  await putAll(fork, { d: 'draft' })
  const draft = await fork.snapshot()
  await fork.pin(draft)
  await putAll(fork, { e: 'more' })
  await putAll(origin, { a: '2' })
  await fork.merge(origin)
  await fork.publish()
  await fork.restore(draft)
  assert.equal(await readBases(store), [])
  await fork.merge(origin)
  assert.equal(await rowsOf(fork), { a: '2', b: '1', d: 'draft' })

  const held = (await fork.published())?.payload.root ?? key(0)
  await putAll(origin, { a: '3' })
  await fork.merge(origin)
  for (const { root } of await readBases(store, basesName(held))) await lose(store, root)
  await fork.restore(formatLink(held))
  assert.equal(await readBases(store), [])
})

test.run()
