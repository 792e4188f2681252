/** Collections: typed primary keys, ranges of them, and schemas that the first document settles. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type CollectionView,
  type Document,
  DOCUMENT_BYTES_MAX,
  encodeDocument,
  type KeyPart,
  Schema,
  schemaKey,
} from '../../src/db/index.ts'
import { collect, createDatabase, failureOf, thrownBy } from '../support/database-lab.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('db/collection')

interface City {
  readonly country: string
  readonly id: number
  readonly name: string
}

const AMSTERDAM: City = { country: 'NL', id: 2759794, name: 'Amsterdam' }
const CITIES: readonly City[] = [
  { country: 'BE', id: 2800866, name: 'Brussels' },
  AMSTERDAM,
  { country: 'NL', id: 2747891, name: 'Rotterdam' },
  { country: 'SM', id: 3168070, name: 'San Marino' },
  { country: 'SM', id: -1, name: 'nowhere' },
]
const KEY = ['country', 'id'] as const

/** In the order of their keys. */
const SORTED = CITIES.toSorted((a, b) => (a.country < b.country ? -1 : a.country > b.country ? 1 : a.id - b.id))

test('get, has, put and del by typed keys', async () => {
  const db = await createDatabase()
  const cities = db.collection<City, typeof KEY>('cities', { key: KEY })
  for (const city of CITIES) await cities.put(city)
  assert.equal(await cities.get(['NL', 2759794]), AMSTERDAM)
  assert.is(await cities.get(['NL', 1]), undefined)
  assert.is(await cities.has(['SM', -1]), true)
  await cities.put({ ...AMSTERDAM, name: 'Mokum' })
  assert.is((await cities.get(['NL', 2759794]))?.name, 'Mokum')
  assert.is(await cities.del(['NL', 2759794]), true)
  assert.is(await cities.del(['NL', 2759794]), false)
  assert.is(await cities.count(), CITIES.length - 1)
  // @ts-expect-error a key's parts have the types of its fields
  assert.is((await failureOf(cities.get([1, 'NL']))).code, 'KEY_INVALID')
  // @ts-expect-error all parts of a key
  assert.is((await failureOf(cities.get(['NL']))).code, 'KEY_INVALID')
})

test('ranges by prefix, start and end, both ways, against a sorted array', async () => {
  const db = await createDatabase()
  const cities = db.collection('cities', { key: ['country', 'id'] })
  await db.batch(async (tx) => {
    for (const city of CITIES) await tx.collection('cities', { key: ['country', 'id'] }).put({ ...city })
  })
  const part = fc.oneof(
    fc.constantFrom('BE', 'NL', 'SM', 'A', 'Z').map((c): KeyPart[] => [c]),
    fc.constantFrom(...CITIES).map(({ country, id }): KeyPart[] => [country, id]),
  )
  const range = fc.record(
    {
      prefix: fc.constantFrom('BE', 'NL', 'SM', 'A').map((c): KeyPart[] => [c]),
      start: part,
      end: part,
      reverse: fc.boolean(),
      limit: fc.nat(6),
    },
    { requiredKeys: [] },
  )
  /** -1, 0, 1; a shorter key stands for the first of its range. */
  const order = ({ country, id }: City, [c, n]: readonly KeyPart[]): number =>
    country < String(c) ? -1 : country > String(c) ? 1 : n === undefined ? 0 : id - Number(n)
  await assertProperty(
    fc.asyncProperty(range, async (options) => {
      const { prefix, start, end, reverse = false, limit = Infinity } = options
      const within = SORTED.filter(
        (city) =>
          (prefix === undefined || order(city, prefix) === 0) &&
          (start === undefined || order(city, start) >= 0) &&
          (end === undefined || order(city, end) < 0),
      )
      const expected = (reverse ? within.toReversed() : within).slice(0, limit)
      assert.equal(await collect(cities.scan(options)), expected)
      const { reverse: _, limit: __, ...bounds } = options
      assert.is(await cities.count(bounds), within.length)
    }),
    200,
  )
})

test('neighbours in name and key never mix', async () => {
  const db = await createDatabase()
  for (const name of ['a', 'a.b', 'ab', 'a-']) await db.collection(name, { key: ['id'] }).put({ id: name })
  for (const name of ['a', 'a.b', 'ab', 'a-']) {
    assert.equal(await collect(db.collection(name).scan()), [{ id: name }])
    assert.is(await db.collection(name).count(), 1)
  }
  const schemas = await (await db.snapshot()).collections()
  assert.equal(
    schemas.map(({ collection }) => collection),
    ['a', 'a-', 'a.b', 'ab'],
  )
})

test('a collection that nobody declared is unknown; a declared one is empty until its first document', async () => {
  const db = await createDatabase()
  const unknown: CollectionView = db.collection('cities')
  const uses = [
    () => unknown.get(['x']),
    () => unknown.has(['x']),
    () => unknown.count(),
    () => collect(unknown.scan()),
    () => unknown.schema(),
    () => db.collection('cities').del(['x']),
    () => db.collection('cities').put({ id: 1 }),
  ]
  for (const use of uses) assert.is((await failureOf(use())).code, 'COLLECTION_UNKNOWN')
  const declared = db.collection('cities', { key: ['id'] })
  assert.is(await declared.get([1]), undefined)
  assert.is(await declared.has([1]), false)
  assert.is(await declared.count(), 0)
  assert.equal(await collect(declared.scan()), [])
  assert.is(await declared.del([1]), false)
  assert.is((await failureOf(declared.schema())).code, 'COLLECTION_UNKNOWN')
  assert.is(await db.count(), 0)
  await declared.put({ id: 1 })
  assert.is(await unknown.count(), 1, 'known to everybody from then on')
})

test('what is declared must agree with what is there', async () => {
  const db = await createDatabase()
  await db.collection('cities', { key: ['country', 'id'] }).put({ ...AMSTERDAM })
  const { root } = await db.snapshot()
  for (const options of [
    { key: ['id', 'country'] },
    { key: ['country'] },
    { types: { id: 'text' } as const },
    { key: ['country', 'id'], types: { id: 'number' } as const },
  ]) {
    const error = await failureOf(db.collection('cities', options).put({ country: 'NL', id: 1 }))
    assert.is(error.code, 'SCHEMA_MISMATCH')
    assert.match(error.message, 'country:text,id:integer')
  }
  assert.is((await db.snapshot()).root, root)
  await db.collection('cities', { types: { id: 'integer' } }).put({ country: 'NL', id: 1 })
})

test('documents that do not fit are refused, each with its code, and nothing is written', async () => {
  const db = await createDatabase()
  const cities = db.collection('cities', { key: ['country', 'id'] })
  await cities.put({ ...AMSTERDAM })
  const { root } = await db.snapshot()
  const loop: Record<string, unknown> = { country: 'NL', id: 1 }
  loop['self'] = loop
  for (const [code, document] of [
    ['KEY_INVALID', { country: 'NL' }],
    ['KEY_INVALID', { country: 'NL', id: 'x' }],
    ['KEY_INVALID', { country: 'NL', id: 1.5 }],
    ['KEY_INVALID', { country: null, id: 1 }],
    ['KEY_TOO_LONG', { country: 'x'.repeat(2000), id: 1 }],
    ['DOCUMENT_INVALID', { country: 'NL', id: 1, f: () => 1 }],
    ['DOCUMENT_INVALID', { country: 'NL', id: 1, n: Number.NaN }],
    ['DOCUMENT_INVALID', loop],
    ['VALUE_TOO_LARGE', { country: 'NL', id: 1, text: 'x'.repeat(DOCUMENT_BYTES_MAX) }],
  ] as const) {
    const error = await failureOf(cities.put(document as unknown as Document))
    assert.is(error.code, code, `${code}: ${error.code} ${error.message}`)
  }
  assert.is((await db.snapshot()).root, root)
  for (const name of ['', '.x', '-x', 'a b', 'a/b', 'x'.repeat(65), 'ü']) {
    assert.is((await failureOf(db.collection(name, { key: ['id'] }).put({ id: 1 }))).code, 'KEY_INVALID')
  }
})

test('first documents written side by side agree on one schema', async () => {
  const db = await createDatabase()
  const outcomes = await db.batch(async (tx) => {
    const writer = tx.collection('points', { key: ['x'] })
    const other = tx.collection('points', { key: ['x'] })
    return await Promise.allSettled([
      writer.put({ x: 1 }),
      writer.put({ x: 1.5 }),
      other.put({ x: 'text' }),
      other.put({ x: 2 }),
    ])
  })
  assert.equal(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  )
  assert.equal((await db.collection('points').schema()).key, [{ field: 'x', type: 'integer' }])
  assert.equal(await collect(db.collection('points').scan()), [{ x: 1 }, { x: 2 }])
})

test('a batch that fails with its first document leaves no schema', async () => {
  const db = await createDatabase()
  const batch = db.batch(async (tx) => {
    await tx.collection('cities', { key: ['id'] }).put({ id: 1 })
    throw new Error('no')
  })
  assert.match(String(await thrownBy(batch)), 'no')
  assert.is(await db.count(), 0)
})

test('a collection of a batch reads what the batch wrote', async () => {
  const db = await createDatabase()
  await db.batch(async (tx) => {
    const cities = tx.collection<City, typeof KEY>('cities', { key: KEY })
    assert.is(await cities.get(['NL', 2759794]), undefined)
    for (const city of CITIES) await cities.put(city)
    assert.equal(await cities.get(['NL', 2759794]), AMSTERDAM)
    assert.equal(await collect(cities.scan({ prefix: ['NL'], reverse: true })), SORTED.slice(1, 3).toReversed())
    assert.is(await cities.count({ prefix: ['SM'] }), 2)
    assert.is(await cities.del(['SM', -1]), true)
    assert.is(await cities.has(['SM', -1]), false)
  })
  assert.is(await db.collection('cities').count(), CITIES.length - 1)
})

test('damaged or newer schemas are told apart', async () => {
  const db = await createDatabase()
  await db.put(schemaKey('newer'), encodeDocument({ key: [{ field: 'id', type: 'text' }], indexes: {} }))
  await db.put(schemaKey('damaged'), Uint8Array.of(0xff))
  assert.is((await failureOf(db.collection('newer').get(['x']))).code, 'FORMAT_NEWER')
  assert.is((await failureOf(db.collection('damaged').get(['x']))).code, 'DOCUMENT_INVALID')
})

test('metadata is a document of its own', async () => {
  const db = await createDatabase()
  assert.is(await (await db.snapshot()).metadata(), undefined)
  await db.setMetadata({ title: 'Cities', licenses: ['CC0-1.0'] })
  assert.equal(await (await db.snapshot()).metadata(), { title: 'Cities', licenses: ['CC0-1.0'] })
})

test('calls heed a signal', async () => {
  const db = await createDatabase()
  const cities = db.collection('cities', { key: ['id'] })
  await db.batch(async (tx) => {
    const writer = tx.collection('cities', { key: ['id'] })
    for (let id = 0; id < 2000; id++) await writer.put({ id, text: 'x'.repeat(50) })
  })
  const signal = AbortSignal.abort(new Error('stop'))
  const calls = [
    cities.get([1], { signal }),
    cities.has([1], { signal }),
    cities.count({ signal }),
    collect(cities.scan({ signal })),
    cities.put({ id: 1 }, { signal }),
    cities.del([1], { signal }),
    db.get(Uint8Array.of(1), { signal }),
    db.count({ signal }),
    collect(db.scan({ signal })),
    db.publish({ signal }),
    db.setMetadata({}, { signal }),
    collect((await db.snapshot()).scan({ signal })),
  ]
  for (const call of calls) assert.match(String(await thrownBy(call)), 'stop')
  const later = new AbortController()
  const scan = cities.scan({ signal: later.signal })
  await scan.next()
  later.abort(new Error('stop'))
  assert.match(String(await thrownBy(collect(scan))), 'stop')
})

test('the schema of an import and of a put is the same', async () => {
  const schema = new Schema('cities', [{ field: 'id', type: 'integer' }])
  const db = await createDatabase()
  await db.collection('cities', { key: ['id'] }).put({ id: 1 })
  assert.ok(schema.equals(await db.collection('cities').schema()))
})

test.run()
