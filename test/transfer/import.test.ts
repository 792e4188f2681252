/** Imports: one batch whatever the size and order, the smallest change for a new release, and nothing at all of a bad input. */
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { countChanges, type Database, type Document, DOCUMENT_BYTES_MAX } from '../../src/db/index.ts'
import { importDocuments, type ImportOptions, type ImportReport, importRaw } from '../../src/transfer/index.ts'
import { collect, createDatabase, failureOf, thrownBy, utf8, WatchedStore } from '../support/database-lab.ts'
import { assertProperty } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('transfer/import')

const CITIES: ImportOptions = { collection: 'cities', key: ['id'], format: 'ndjson' }

function ndjson(documents: readonly object[]): Uint8Array[] {
  return [utf8(documents.map((document) => `${JSON.stringify(document)}\n`).join(''))]
}

function importAll(
  db: Database,
  documents: readonly object[],
  options: Partial<ImportOptions> = {},
): Promise<ImportReport> {
  return importDocuments(db, ndjson(documents), { ...CITIES, ...options })
}

async function rootOf(db: Database): Promise<string> {
  return (await db.snapshot()).root
}

/** A database with these documents, put one by one. */
async function built(documents: readonly Document[]): Promise<Database> {
  const db = await createDatabase()
  await db.batch(async (tx) => {
    const cities = tx.collection('cities', { key: ['id'] })
    for (const document of documents) await cities.put(document)
  })
  return db
}

const documentsArbitrary = fc.uniqueArray(
  fc.record({ id: fc.nat(60), name: fc.string({ maxLength: 5 }), size: fc.integer() }, { noNullPrototype: true }),
  { selector: ({ id }) => id, maxLength: 40 },
)

test('whatever the order: an import gives the root that puts give', async () => {
  await assertProperty(
    fc.asyncProperty(
      documentsArbitrary.filter((documents) => documents.length > 0),
      async (documents) => {
        const db = await createDatabase()
        const report = await importAll(db, documents)
        assert.equal([report.added, report.records, report.unchanged], [documents.length, documents.length, 0])
        assert.is(await rootOf(db), await rootOf(await built(documents)))
      },
    ),
    40,
  )
})

test('replace makes the collection equal to the input by the smallest change; others are not touched', async () => {
  await assertProperty(
    fc.asyncProperty(documentsArbitrary, documentsArbitrary, async (before, after) => {
      const db = await createDatabase()
      await db.collection('towns', { key: ['id'] }).put({ id: 'x' })
      if (before.length > 0) await importAll(db, before)
      const { added, updated, removed, unchanged, from, to } = await importAll(db, after, {
        replace: true,
        maxChanges: { rows: 1000 },
      })
      const stored = before.length + after.length === 0 ? [] : await collect(db.collection('cities').scan())
      assert.equal(
        stored,
        after.toSorted((a, b) => a.id - b.id),
      )
      const counts = await countChanges(from, to)
      const newSchema = before.length === 0 && after.length > 0 ? 1 : 0
      assert.equal(counts, { added: added + newSchema, updated, removed })
      assert.is(added + updated + unchanged, after.length)
      assert.is(await db.collection('towns').count(), 1)
      if (after.length === 0) return
      const fresh = await createDatabase()
      await fresh.collection('towns', { key: ['id'] }).put({ id: 'x' })
      await importAll(fresh, after)
      assert.is(await rootOf(db), await rootOf(fresh))
    }),
    60,
  )
})

test('without replace: puts what is new or differs, and removes nothing', async () => {
  const db = await built([
    { id: 1, name: 'a' },
    { id: 2, name: 'b' },
  ])
  const report = await importAll(db, [
    { id: 2, name: 'c' },
    { id: 3, name: 'd' },
    { id: 1, name: 'a' },
  ])
  assert.equal([report.added, report.updated, report.removed, report.unchanged], [1, 1, 0, 1])
  assert.is(await db.collection('cities').count(), 3)
})

test('an import of what is there writes nothing', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  const documents = Array.from({ length: 3000 }, (_, id) => ({ id, text: `text ${id}` }))
  await importAll(db, documents)
  const { writes } = store
  for (const replace of [false, true]) {
    const report = await importAll(db, documents, { replace })
    assert.equal([report.unchanged, report.blocksWritten], [3000, 0])
  }
  assert.is(store.writes, writes)
})

test('a new release costs blocks near its changes only', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  const documents = Array.from({ length: 20_000 }, (_, id) => ({ id, text: `text ${id}` }))
  await importAll(db, documents)
  const { blocksWritten } = await importAll(db, documents.with(10_000, { id: 10_000, text: 'other' }), {
    replace: true,
  })
  assert.ok(blocksWritten <= 8, `${blocksWritten} blocks`)
})

test('a limit on changes stops an import before anything is written', async () => {
  const documents = Array.from({ length: 100 }, (_, id) => ({ id, name: 'a' }))
  const changed = (count: number): object[] =>
    documents.map((document, i) => (i < count ? { ...document, name: 'b' } : document))
  const db = await built(documents)
  const before = await rootOf(db)
  for (const [maxChanges, changes] of [
    [{ share: 0.05 }, changed(6)],
    [{ rows: 5 }, changed(6)],
    [{ share: 0.05 }, documents.slice(6)],
    [{ rows: 0 }, changed(1)],
    [{ share: 0.5 }, []],
  ] as const) {
    const error = await failureOf(importAll(db, changes, { replace: true, maxChanges }))
    assert.is(error.code, 'TOO_MANY_CHANGES')
    assert.is(await rootOf(db), before)
  }
  for (const maxChanges of [{ share: 0.05 }, { rows: 5 }]) {
    assert.is((await importAll(await built(documents), changed(5), { replace: true, maxChanges })).updated, 5)
  }
  // A share of nothing binds no first import; a number of rows does.
  assert.is((await importAll(await createDatabase(), documents, { maxChanges: { share: 0.05 } })).added, 100)
  const first = importAll(await createDatabase(), documents, { maxChanges: { rows: 5 } })
  assert.is((await failureOf(first)).code, 'TOO_MANY_CHANGES')
})

test('a broken line anywhere: its place and what was expected, and the database as it was', async () => {
  const good = Array.from({ length: 500 }, (_, id) => JSON.stringify({ id, name: `n${id}` }))
  const db = await built([{ id: 'x' }].map(() => ({ id: 0, name: 'before' })))
  const before = await rootOf(db)
  for (const [code, line, column] of [
    ['INPUT_SYNTAX', '{"id":1,}', 9],
    ['INPUT_SYNTAX', '[1]', 1],
    ['INPUT_SYNTAX', '{"id":1', 8],
    ['INPUT_SYNTAX', '{"id":18446744073709551616}', 7],
    ['KEY_INVALID', '{"name":"no id"}', 1],
    ['KEY_INVALID', '{"id":"text"}', 1],
    ['KEY_INVALID', '{"id":null}', 1],
    ['VALUE_TOO_LARGE', `{"id":1000,"text":"${'x'.repeat(DOCUMENT_BYTES_MAX)}"}`, 1],
    ['INPUT_DUPLICATE_KEY', '{"id":7,"name":"again"}', 1],
  ] as const) {
    for (const at of [0, 250, 500]) {
      const lines = good.toSpliced(at, 0, line)
      for (const replace of [false, true]) {
        const source = [utf8(lines.join('\n'))]
        // A key of another type in the first line of a new collection would be its type: here there is one.
        const error = await failureOf(importDocuments(db, source, { ...CITIES, replace }))
        assert.is(error.code, code, `${line.slice(0, 40)}: ${error.message}`)
        const expectedLine = code === 'INPUT_DUPLICATE_KEY' ? Math.max(at + 1, at <= 7 ? 9 : 8) : at + 1
        assert.is(error.details['line'], expectedLine, error.message)
        assert.is(error.details['column'], column, error.message)
        assert.is(await rootOf(db), before)
      }
    }
  }
})

test('a key twice is named with both lines, in memory and when sorted on the disk', async () => {
  const documents = Array.from({ length: 2000 }, (_, id) => ({ id, text: 'x'.repeat(20) }))
  for (const sortMemoryBytesMax of [undefined, 20_000]) {
    const db = await createDatabase()
    const error = await failureOf(importAll(db, [...documents, { id: 41 }], { sortMemoryBytesMax }))
    assert.is(error.code, 'INPUT_DUPLICATE_KEY')
    assert.equal([error.details['firstLine'], error.details['line']], [42, 2001])
    assert.match(error.message, 'cities[41]')
    assert.is(await db.count(), 0)
  }
})

test('sorted with little memory: the same root, and no file is left, also after errors and aborts', async () => {
  const documents = Array.from({ length: 4000 }, (_, id) => ({ id, text: `text ${id}` }))
  const shuffled = new Random(1).shuffled(documents)
  const files = async (): Promise<number> =>
    (await readdir(tmpdir())).filter((name) => name.startsWith('coppice-sort')).length
  const before = await files()
  const one = await createDatabase()
  await importAll(one, documents)
  const two = await createDatabase()
  await importAll(two, shuffled, { sortMemoryBytesMax: 30_000 })
  assert.is(await rootOf(two), await rootOf(one))
  const limited = importAll(two, [], { replace: true, maxChanges: { rows: 3 }, sortMemoryBytesMax: 30_000 })
  assert.is((await failureOf(limited)).code, 'TOO_MANY_CHANGES')
  const half = importAll(one, documents.slice(2000), {
    replace: true,
    maxChanges: { rows: 1 },
    sortMemoryBytesMax: 30_000,
  })
  assert.is((await failureOf(half)).code, 'TOO_MANY_CHANGES')
  assert.is(await files(), before)
})

test('empty inputs: of a new collection, of a known one, and as its replacement', async () => {
  const db = await createDatabase()
  const nothing = await importAll(db, [])
  assert.equal([nothing.records, nothing.added], [0, 0])
  assert.is(await db.count(), 0)
  assert.is((await importAll(db, [], { replace: true })).removed, 0)
  await importAll(db, [{ id: 1 }, { id: 2 }])
  assert.is((await importAll(db, [])).unchanged, 0)
  assert.is(await db.collection('cities').count(), 2)
  assert.is((await failureOf(importAll(db, [], { replace: true }))).code, 'INPUT_EMPTY')
  assert.is(await db.collection('cities').count(), 2, 'an empty download empties nothing')
  assert.is((await importAll(db, [], { replace: true, maxChanges: { share: 1 } })).removed, 2)
  assert.is(await db.collection('cities').count(), 0)
  assert.is(await db.count(), 1, 'the schema stays')
})

test('an abort at any moment: the reason at once, also of a source that never brings anything, and nothing is written', async () => {
  const db = await createDatabase()
  const reason = new Error('stop')
  const silent: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }
  const stop = new AbortController()
  const waiting = importDocuments(db, silent, { ...CITIES, signal: stop.signal })
  await new Promise((resolve) => setImmediate(resolve))
  stop.abort(reason)
  assert.is(await thrownBy(waiting), reason)
  const raw = new AbortController()
  const waitingRaw = importRaw(db, silent, { signal: raw.signal })
  raw.abort(reason)
  assert.is(await thrownBy(waitingRaw), reason)
  for (const at of [1000, 3000, 5000]) {
    const control = new AbortController()
    const documents = Array.from({ length: 5000 }, (_, id) => ({ id }))
    const onProgress = (records: number): void => void (records === at && control.abort(reason))
    const aborted = importAll(db, documents, { signal: control.signal, onProgress, sortMemoryBytesMax: 50_000 })
    assert.is(await thrownBy(aborted), reason)
  }
  assert.is(await db.count(), 0)
  await db.put(utf8('a'), utf8('1'))
})

test('a source that fails fails the import, and is closed when the import fails', async () => {
  const db = await createDatabase()
  const broken = new Error('the pipe broke')
  let isClosed = false
  async function* source(text: string): AsyncGenerator<Uint8Array> {
    try {
      yield utf8(text)
      throw broken
    } finally {
      isClosed = true
    }
  }
  assert.is(await thrownBy(importDocuments(db, source('{"id":1}\n'), CITIES)), broken)
  isClosed = false
  assert.is((await failureOf(importDocuments(db, source('nonsense\n'.repeat(100)), CITIES))).code, 'INPUT_SYNTAX')
  assert.is(isClosed, true)
  assert.is(await db.count(), 0)
})

test('key and types must agree with the collection; a new one needs its key', async () => {
  const db = await createDatabase()
  assert.is((await failureOf(importAll(db, [{ id: 1 }], { key: undefined }))).code, 'COLLECTION_UNKNOWN')
  assert.is((await failureOf(importAll(db, [{ id: 1 }], { collection: '../x' }))).code, 'KEY_INVALID')
  await importAll(db, [{ id: 1, name: 'a' }])
  assert.is((await importAll(db, [{ id: 2 }], { key: undefined })).added, 1)
  assert.is((await failureOf(importAll(db, [{ id: 3 }], { key: ['name'] }))).code, 'SCHEMA_MISMATCH')
  const types = new Map([['id', 'text']] as const)
  assert.is((await failureOf(importAll(db, [{ id: 3 }], { types }))).code, 'SCHEMA_MISMATCH')
})

test('formats by name, compressed or not, all give one root', async () => {
  const array = utf8('[{"id":1,"name":"a"},{"id":2,"name":"b"}]')
  const csv = utf8('id,name\r\n2,b\r\n1,a\r\n')
  const types = new Map([['id', 'integer']] as const)
  const roots = new Set<string>()
  for (const [name, bytes] of [
    ['x.ndjson', utf8('{"id":1,"name":"a"}\n{"name":"b","id":2}')],
    ['x.json', array],
    ['x.json.gz', gzipSync(array)],
    ['x.csv', csv],
    ['x.csv.gz', gzipSync(csv)],
  ] as const) {
    const db = await createDatabase()
    await importDocuments(db, [bytes], { collection: 'cities', key: ['id'], name, types })
    roots.add(await rootOf(db))
  }
  assert.is(roots.size, 1)
  const db = await createDatabase()
  const unknown = importDocuments(db, [array], { collection: 'cities', key: ['id'], name: 'x.xlsx' })
  assert.is((await failureOf(unknown)).code, 'INPUT_TYPE_UNKNOWN')
})

test('raw imports work on all keys, with replace on the whole key space', async () => {
  const db = await createDatabase()
  await db.put(utf8('old'), utf8('1'))
  const report = await importRaw(db, [utf8('{"key":"62","value":"32"}\n{"key":"61","value":""}\n')])
  assert.equal([report.added, report.records], [2, 2])
  assert.equal(await db.get(utf8('a')), new Uint8Array(0))
  const replaced = await importRaw(db, [utf8('{"key":"62","value":"33"}\n')], { replace: true })
  assert.equal([replaced.updated, replaced.removed], [1, 2])
  const before = await rootOf(db)
  for (const [code, line] of [
    ['INPUT_SYNTAX', '{"key":"6","value":""}'],
    ['INPUT_SYNTAX', '{"key":"61"}'],
    ['KEY_TOO_LONG', `{"key":"${'61'.repeat(1025)}","value":""}`],
    ['INPUT_DUPLICATE_KEY', '{"key":"61","value":""}\n{"key":"61","value":""}'],
  ] as const) {
    const error = await failureOf(importRaw(db, [utf8(`${line}\n`)], { replace: true }))
    assert.is(error.code, code)
    assert.ok(Number(error.details['line']) >= 1)
    assert.is(await rootOf(db), before)
  }
})

test('batches that wait for an import see what it left', async () => {
  const db = await createDatabase()
  const imported = importAll(db, [{ id: 1 }, { id: 2 }])
  const removed = db.collection('cities', { key: ['id'] }).del([2])
  await imported
  assert.is(await removed, true)
  assert.equal(await collect(db.collection('cities').scan()), [{ id: 1 }])
})

test('CSV into a collection that exists: keys have their types, other columns must not turn into text unasked', async () => {
  const db = await built([
    { id: 1, name: 'a', size: null },
    { id: 2, name: 'b', size: 5 },
  ])
  const csv = (text: string, options: Partial<ImportOptions> = {}): Promise<ImportReport> =>
    importDocuments(db, [utf8(text)], { collection: 'cities', format: 'csv', ...options })
  const refused = await failureOf(csv('id,name,size\n3,c,7\n'))
  assert.is(refused.code, 'SCHEMA_MISMATCH')
  assert.is(refused.details['types'], 'size:integer')
  assert.is((await csv('id,name,size\n3,c,7\n', { types: new Map([['size', 'integer']]) })).added, 1)
  assert.equal(await db.collection('cities').get([3]), { id: 3, name: 'c', size: 7 })
  assert.is((await csv('id,name,size\n4,d,8\n', { types: new Map([['size', 'text']]) })).added, 1)
  assert.equal(await db.collection('cities').get([4]), { id: 4, name: 'd', size: '8' })
  assert.is((await csv('id,name\n5,e\n')).added, 1)
})

test.run()
