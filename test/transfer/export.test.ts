/** Exports: import(export(db)) has the same root, byte for byte of every value a document may hold. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, Document, FieldValue } from '../../src/db/index.ts'
import { exportDocuments, exportRaw, importDocuments, importRaw } from '../../src/transfer/index.ts'
import { collect, createDatabase, failureOf, text, thrownBy, utf8 } from '../support/database-lab.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('transfer/export')

const field: fc.Arbitrary<FieldValue> = fc.letrec<{ value: FieldValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed()),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 4 }), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value

const documents = fc.uniqueArray(
  fc.tuple(
    fc.nat(),
    fc.string(),
    fc.dictionary(fc.string({ maxLength: 6 }), field, { maxKeys: 5, noNullPrototype: true }),
  ),
  { selector: ([id]) => id, minLength: 1, maxLength: 12 },
)

/** Not among metadata, schemas and documents, whose keys begin with the integers 0, 1 and 2, and whose values an import checks. */
function isElsewhere([first]: Uint8Array): boolean {
  return first !== undefined && first !== 0x14 && first !== 0x15
}

async function databaseOf(rows: readonly Document[]): Promise<Database | undefined> {
  const db = await createDatabase()
  try {
    await db.batch(async (tx) => {
      const things = tx.collection('things', { key: ['id', 'n'] })
      for (const row of rows) await things.put(row)
    })
  } catch {
    // Not every value is one of a document: a reserved map, a name beyond its bound.
    return undefined
  }
  return db
}

async function copyOf(db: Database, format: 'ndjson'): Promise<Database> {
  const copy = await createDatabase()
  const snapshot = await db.snapshot()
  for (const schema of await snapshot.collections()) {
    const key = schema.key.map((part) => part.field)
    const types = new Map(schema.key.map((part) => [part.field, part.type] as const))
    const { collection } = schema
    await importDocuments(copy, exportDocuments(snapshot, { collection, format }), { collection, key, types, format })
  }
  return copy
}

test('NDJSON: the same root, for any documents', async () => {
  let kept = 0
  await assertProperty(
    fc.asyncProperty(documents, async (rows) => {
      const db = await databaseOf(rows.map(([id, n, rest]) => ({ ...rest, id, n })))
      if (db === undefined) return
      kept++
      assert.is((await (await copyOf(db, 'ndjson')).snapshot()).root, (await db.snapshot()).root)
    }),
    150,
  )
  assert.ok(kept > 100, `${kept} databases`)
})

test('raw: the same root, of everything there is', async () => {
  await assertProperty(
    fc.asyncProperty(
      documents,
      fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.uint8Array())),
      async (rows, raw) => {
        const db = await databaseOf(rows.map(([id, n]) => ({ id, n })))
        if (db === undefined) return
        await db.setMetadata({ title: 'x' })
        await db.batch(async (tx) => {
          for (const [key, value] of raw) if (isElsewhere(key)) await tx.put(key, value)
        })
        const copy = await createDatabase()
        await copy.put(utf8('to be replaced'), utf8('x'))
        await importRaw(copy, exportRaw(await db.snapshot()), { replace: true })
        assert.is((await copy.snapshot()).root, (await db.snapshot()).root)
      },
    ),
    60,
  )
})

test('CSV: the key first, formulas guarded, and with its types the same root', async () => {
  const db = await createDatabase()
  await db.batch(async (tx) => {
    const cities = tx.collection('cities', { key: ['country', 'id'] })
    await cities.put({ name: '=1+1', country: 'NL', id: 2, tags: ['a', 'b'] })
    await cities.put({ name: 'x,"y"\nz', country: '-1', id: -5, tags: [] })
  })
  const types = new Map([
    ['id', 'integer'],
    ['tags', 'json'],
  ] as const)
  const snapshot = await db.snapshot()
  const chunks = await collect(exportDocuments(snapshot, { collection: 'cities', format: 'csv', types }))
  const csv = chunks.map((chunk) => text(chunk)).join('')
  assert.is(csv.split('\n')[0], 'country,id,name,tags')
  assert.match(csv, `'=1+1`)
  const copy = await createDatabase()
  await importDocuments(copy, chunks, { collection: 'cities', key: ['country', 'id'], format: 'csv', types })
  assert.is((await copy.snapshot()).root, snapshot.root)
})

test('a snapshot is exported as it is, whatever is written meanwhile', async () => {
  const db = await createDatabase()
  await db.batch(async (tx) => {
    const things = tx.collection('things', { key: ['id'] })
    for (let id = 0; id < 5000; id++) await things.put({ id, text: 'x'.repeat(50) })
  })
  const exported = exportDocuments(await db.snapshot(), { collection: 'things', format: 'ndjson' })
  const first = await exported.next()
  await db.batch(async (tx) => {
    for await (const { key } of tx.scan()) await tx.del(key)
  })
  const rest = await collect(exported)
  const lines = [first.value as Uint8Array, ...rest].map((chunk) => text(chunk)).join('')
  assert.is(lines.trim().split('\n').length, 5000)
})

test('unknown collections, empty ones, and aborts', async () => {
  const db = await createDatabase()
  for (const format of ['ndjson', 'csv'] as const) {
    const unknown = collect(exportDocuments(await db.snapshot(), { collection: 'none', format }))
    assert.is((await failureOf(unknown)).code, 'COLLECTION_UNKNOWN')
  }
  assert.equal(await collect(exportRaw(await db.snapshot())), [])
  await db.collection('things', { key: ['id'] }).put({ id: 1 })
  await db.collection('things').del([1])
  const snapshot = await db.snapshot()
  assert.equal(await collect(exportDocuments(snapshot, { collection: 'things', format: 'ndjson' })), [])
  const header = await collect(exportDocuments(snapshot, { collection: 'things', format: 'csv' }))
  assert.is(text(header[0]), 'id\n')
  await db.collection('things').put({ id: 1 })
  const signal = AbortSignal.abort(new Error('stop'))
  const full = await db.snapshot()
  for (const aborted of [
    exportRaw(full, { signal }),
    exportDocuments(full, { collection: 'things', format: 'ndjson', signal }),
    exportDocuments(full, { collection: 'things', format: 'csv', signal }),
  ]) {
    assert.match(String(await thrownBy(collect(aborted))), 'stop')
  }
})

test.run()
