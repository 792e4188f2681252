/**
 * Batches and imports that end badly in the middle: cancelled after any number of rows, or with input out of order. The
 * reason comes out as it was given, nothing is visible to anybody, the store serves the next batch, and all that is left
 * of the attempt are blocks that nothing refers to.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import type { Database } from '../../src/db/index.ts'
import { checkTree, type Put } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { importRaw } from '../../src/transfer/index.ts'
import { createDatabase, failureOf, openDatabase, thrownBy, utf8 } from '../support/database-lab.ts'

const test = suite('db/failed-batch')

const ROWS = 2000
/** 5 MB in all: more than is staged in memory, so blocks of a failed batch are in the store. */
const VALUE_BYTES = 2500

const rows: readonly Put[] = Array.from({ length: ROWS }, (_, i) => {
  const key = utf8(`k${String(i).padStart(5, '0')}`)
  return { key, value: Uint8Array.from({ length: VALUE_BYTES }, (__, at) => key[at % key.length] ?? 0) }
})

const lines: readonly Uint8Array[] = rows.map(({ key, value }) =>
  utf8(`${JSON.stringify({ key: bytesToHex(key), value: bytesToHex(value) })}\n`),
)

function* watched<T>(items: readonly T[], at: number, onItem: () => void): Generator<T> {
  for (const [i, item] of items.entries()) {
    if (i === at) onItem()
    yield item
  }
}

async function* late<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item)
}

type Attempt = (db: Database, at: number, controller: AbortController) => Promise<unknown>

const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  puts: (db, at, controller) => {
    const { signal } = controller
    const source = watched(rows, at, () => controller.abort())
    return db.batch(
      async (tx) => {
        for (const { key, value } of source) await tx.put(key, value)
      },
      { signal },
    )
  },
  apply: (db, at, controller) => {
    const { signal } = controller
    const source = watched(rows, at, () => controller.abort())
    return db.batch((tx) => tx.apply(at % 2 === 0 ? source : late(source)), { signal })
  },
  import: (db, at, controller) => {
    const { signal } = controller
    return importRaw(db, late(watched(lines, at, () => controller.abort())), { signal, sortMemoryBytesMax: 1_000_000 })
  },
}

/** What anybody sees of the database, in this handle and another one. */
async function visible(db: Database, store: MemoryStore): Promise<unknown> {
  const other = await openDatabase(store, { isWritable: false })
  const { complete } = await store.usage()
  const meta = ['root', 'published', 'log', 'log/0', 'log/1'].map((name) => bytesToHex(store.getMeta(name) ?? utf8('')))
  const handles = await Promise.all([db, other].map(async (each) => [(await each.snapshot()).root, await each.count()]))
  return { handles, complete, meta }
}

async function prepare(): Promise<{ db: Database; store: MemoryStore }> {
  const store = new MemoryStore()
  const db = await createDatabase({ store })
  await db.batch(async (tx) => {
    for (let i = 0; i < 500; i++) await tx.put(utf8(`k${String(4 * i).padStart(5, '0')}`), utf8(`before ${i}`))
  })
  await db.publish()
  return { db, store }
}

/** The shown tree is whole, the next batch works, and it gives what it gives in a database without that past. */
async function assertUsable(db: Database, store: MemoryStore): Promise<void> {
  const { tree } = await db.snapshot()
  assert.is((await checkTree(store, tree.ref)).problemCount, 0)
  const apply = (to: Database): Promise<void> => to.batch((tx) => tx.apply(rows))
  await apply(db)
  const { db: fresh } = await prepare()
  await apply(fresh)
  assert.is((await db.snapshot()).root, (await fresh.snapshot()).root)
  const { signedRoot } = await db.publish()
  assert.is((await checkTree(store, signedRoot.payload)).problemCount, 0)
}

for (const [name, attempt] of Object.entries(ATTEMPTS)) {
  test(`${name}: cancelled at every n-th row, the reason comes out and nothing else happened`, async () => {
    const { db, store } = await prepare()
    const before = await visible(db, store)
    const { blocks } = await store.usage()
    for (const at of [0, 1, 333, 666, 1000, 1333, 1667, ROWS - 2, ROWS - 1]) {
      const controller = new AbortController()
      const error = await thrownBy(attempt(db, at, controller))
      assert.is(error, controller.signal.reason, `at ${at}`)
      assert.is((error as Error).name, 'AbortError')
      assert.equal(await visible(db, store), before, `at ${at}`)
    }
    const left = (await store.usage()).blocks - blocks
    // Puts and imports gather what they read before they write it: cancelled meanwhile, they leave nothing at all.
    assert.ok(name === 'apply' ? left > 500 : left === 0, `${left} blocks are left`)
    await assertUsable(db, store)
  })
}

test('rows out of order or twice: the position of the first such row, and nothing else happened', async () => {
  const { db, store } = await prepare()
  const before = await visible(db, store)
  for (const at of [1, 2, 700, 1500, ROWS - 1]) {
    for (const [code, wrong] of [
      ['INPUT_DUPLICATE_KEY', rows[at - 1]],
      ['INPUT_UNSORTED', { ...(rows[0] as Put), key: utf8('a') }],
    ] as const) {
      const source = rows.with(at, wrong as Put)
      const error = await failureOf(db.batch((tx) => tx.apply(at % 2 === 0 ? source : late(source))))
      assert.equal([error.code, error.details['position']], [code, at])
      assert.equal(await visible(db, store), before, `at ${at}`)
    }
  }
  await assertUsable(db, store)
})

test.run()
