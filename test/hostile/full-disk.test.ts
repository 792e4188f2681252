/**
 * Threat 22: a real disk fills up in the middle of an import, a batch, a publish, a pull, a repair, or while keys are made. Each is
 * STORE_FULL, loses nothing that was there, and goes well when there is room again. Skipped by name where no small disk can be mounted.
 */
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { Database, importDocuments } from '../../src/index.ts'
import { type Block, CODEC_RAW, linkMapKey, linkTo } from '../../src/link.ts'
import { checkTree, type Edit } from '../../src/prolly/index.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { collect, createDatabase, DatabaseLab, thrownBy, utf8 } from '../support/database-lab.ts'
import { CAN_MOUNT, onSmallDisk, remount } from '../support/privileges.ts'
import { blocksOf, lose } from '../support/store-damage.ts'

const test = suite('hostile/full-disk')
const withSmallDisk = CAN_MOUNT ? test : test.skip

const rows = (count: number, mark = 0): Edit[] =>
  Array.from({ length: count }, (_, i): Edit => {
    return { key: utf8(String(i).padStart(6, '0')), value: utf8(`row ${i} ${mark} ${'x'.repeat(100)}`) }
  })

async function* documents(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield utf8(`{"id":${i},"text":"${'row '.repeat(30)}${i}"}\n`)
}

/** Takes what is left of the disk at `path`, but for `bytes`; gives it back when called. */
function fillDisk(path: string, bytes: number): () => void {
  const { bavail, bsize } = statfsSync(path)
  const filler = join(path, 'filler')
  writeFileSync(filler, new Uint8Array(Math.max(0, bavail * bsize - bytes)))
  return () => rmSync(filler)
}

/** Takes pages that were free. */
function filler(i: number): Block {
  const bytes = new Uint8Array(3900)
  new DataView(bytes.buffer).setUint32(0, i)
  return { link: linkTo(CODEC_RAW, bytes), bytes }
}

async function assertFull(where: string, action: Promise<unknown>): Promise<void> {
  const error = await thrownBy(action)
  assert.ok(isCoppiceError(error, 'STORE_FULL'), `${where}: ${String(error)}`)
}

withSmallDisk('a bulk import and a batch', () =>
  onSmallDisk(4, async (path, use) => {
    const db = use(await Database.create(join(path, 'db'), { name: 'full' }))
    const options = { collection: 'c', key: ['id'] }
    await importDocuments(db, documents(50), options)
    const { root } = await db.snapshot()
    await assertFull('import', importDocuments(db, documents(100_000), { ...options, replace: true }))
    await assertFull(
      'batch',
      db.batch((tx) => tx.apply(rows(100_000))),
    )
    assert.is((await db.snapshot()).root, root)
    assert.is((await collect(db.collection('c').scan())).length, 50)
    remount(path, 'size=64m')
    await importDocuments(db, documents(100_000), { ...options, replace: true })
    assert.is(await db.collection('c').count(), 100_000)
  }),
)

withSmallDisk('a publish: signed and whole, or not at all', () =>
  onSmallDisk(8, async (path, use) => {
    const db = use(await Database.create(join(path, 'db'), { name: 'full' }))
    await db.batch((tx) => tx.apply(rows(20_000)))
    const empty = fillDisk(path, 0)
    await assertFull('publish', db.publish())
    assert.is(await db.published(), undefined)
    assert.is(await db.count(), 20_000)
    empty()
    assert.equal([(await db.publish()).signedRoot.payload.sequence, (await collect(db.log())).length], [1, 1])
  }),
)

withSmallDisk('a pull goes on where it ended', () =>
  onSmallDisk(5, async (path, use) => {
    const lab = new DatabaseLab()
    const db = await createDatabase()
    await db.batch((tx) => tx.apply(rows(50_000)))
    await db.publish()
    lab.serve('author', db)
    const store = use(await LmdbStore.open(join(path, 'copy'), 'write'))
    const replica = await lab.replica(db, ['author'], store)
    await assertFull('pull', replica.pull())
    assert.is(await replica.isComplete(), false)
    const here = (await blocksOf(store)).length
    assert.ok(here > 50, 'what was verified is kept')
    remount(path, 'size=32m')
    const { report } = await replica.pull()
    assert.is(report.blocksReceived, (await blocksOf(store)).length - here)
    assert.is((await collect(replica.scan())).length, 50_000)
  }),
)

withSmallDisk('a repair: what was sound stays so, and the next one goes on', () =>
  onSmallDisk(32, async (path, use) => {
    const lab = new DatabaseLab()
    const db = await createDatabase()
    await db.batch((tx) => tx.apply(rows(20_000)))
    const { signedRoot } = await db.publish()
    lab.serve('author', db)
    const store = use(await LmdbStore.open(join(path, 'copy'), 'write'))
    const replica = await lab.replica(db, ['author'], store)
    await replica.pull()
    const root = linkMapKey(signedRoot.payload.root)
    // Free pages are used up first: the more is lost, the more are needed.
    for (const link of await blocksOf(store)) if (linkMapKey(link) !== root) await lose(store, link)
    await store.write({ blocks: Array.from({ length: 1300 }, (_, i) => filler(i)) })
    const empty = fillDisk(path, 0)
    await assertFull('repair', replica.repair())
    empty()
    const { states } = await replica.repair()
    assert.is(states[0]?.left.problemCount, 0)
    assert.is((await collect(replica.scan())).length, 20_000)
    assert.equal((await checkTree(store, { ...signedRoot.payload }, { records: store })).problems, [])
  }),
)

withSmallDisk('keys and a new database: none, or whole ones', () =>
  onSmallDisk(2, async (path) => {
    const directory = join(path, 'db')
    const empty = fillDisk(path, 0)
    await assertFull('create', Database.create(directory, { name: 'full' }))
    const names: string[] = await readdir(directory).catch(() => [])
    assert.not.ok(names.includes('author.key'), `no half of a key: ${names.join()}`)
    empty()
    const db = await Database.create(directory, { name: 'full' })
    await db.publish()
    await db.close()
  }),
)

test.run()
