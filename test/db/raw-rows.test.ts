/** Raw rows in the spaces of documents: exactly what an export has, whatever else is put there is refused. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { type Database, encodeDocument, RawRowCheck } from '../../src/db/index.ts'
import { METADATA_KEY, Schema, schemaKey } from '../../src/db/documents/schema.ts'
import { encodeTuple } from '../../src/db/documents/tuple.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { exportRaw, importRaw } from '../../src/transfer/index.ts'
import { collect, createDatabase, failureOf, utf8 } from '../support/database-lab.ts'

const test = suite('db/raw-rows')

const schema = new Schema('cities', [{ field: 'id', type: 'integer' }])
const document = encodeDocument({ id: 7, name: 'Rome' })
const around = schema.keyFor([7]).subarray(0, -2)

async function cities(): Promise<Database> {
  const db = await createDatabase()
  await db.collection('cities', { key: ['id'] }).put({ id: 1, name: 'Amsterdam' })
  await db.setMetadata({ title: 'cities' })
  return db
}

const REFUSED: readonly (readonly [string, Uint8Array, Uint8Array, ErrorCode])[] = [
  ['no document', schema.keyFor([7]), Uint8Array.of(0), 'DOCUMENT_INVALID'],
  ['of another key', schema.keyFor([8]), document, 'KEY_INVALID'],
  ['without its key field', schema.keyFor([7]), encodeDocument({}), 'KEY_INVALID'],
  ['a key of other types', encodeTuple([1, 'cities', '7'], ['integer', 'text', 'text']), document, 'KEY_INVALID'],
  ['the bare prefix', around, document, 'KEY_INVALID'],
  ['no tuple, in the range of the collection', Uint8Array.of(...around, 0x99), document, 'KEY_INVALID'],
  ['of no collection', encodeTuple([1, 'towns', 7], ['integer', 'text', 'integer']), document, 'KEY_INVALID'],
  ['metadata', METADATA_KEY, Uint8Array.of(0xff), 'DOCUMENT_INVALID'],
  ['no schema', schemaKey('towns'), document, 'DOCUMENT_INVALID'],
  [
    'another schema',
    schemaKey('cities'),
    encodeDocument({ key: [{ field: 'name', type: 'text' }] }),
    'SCHEMA_MISMATCH',
  ],
  ['kept for indexes', encodeTuple([2, 'cities', 1], ['integer', 'text', 'integer']), document, 'KEY_INVALID'],
]

const line = (key: Uint8Array, value: Uint8Array): string =>
  `{"key":"${bytesToHex(key)}","value":"${bytesToHex(value)}"}\n`

test('a row that would be in the way of its collection is refused, with its line', async () => {
  const db = await cities()
  const { root } = await db.snapshot()
  for (const [what, key, value, code] of REFUSED) {
    const failure = await failureOf(importRaw(db, [utf8(line(utf8('a'), utf8('1')) + line(key, value))]))
    assert.equal([failure.code, failure.details['line']], [code, 2], what)
    assert.is((await db.snapshot()).root, root)
    if (what === 'no schema' || what === 'another schema') continue
    assert.throws(() => RawRowCheck.refuse(key), /KEY_INVALID|expected a key outside/, what)
  }
})

test('what belongs there, and every key elsewhere, is taken; of an export all, in any order, into any database', async () => {
  const db = await cities()
  const elsewhere = [
    utf8('cities'),
    Uint8Array.of(0x14, 0x99),
    Uint8Array.of(0x15, 1, 2, 0x2e, 0, 1),
    Uint8Array.of(0x15, 1, 2, 0x61),
    Uint8Array.of(...around, 0xff, 0),
    encodeTuple([3, 'cities'], ['integer', 'text']),
    encodeTuple([0, 'cities', 1], ['integer', 'text', 'integer']),
  ]
  for (const key of elsewhere) RawRowCheck.refuse(key)
  const rows = [[schema.keyFor([7]), document] as const, ...elsewhere.map((key) => [key, Uint8Array.of(0)] as const)]
  await importRaw(db, [utf8(rows.map(([key, value]) => line(key, value)).join(''))])
  assert.equal(await db.collection('cities').get([7]), { id: 7, name: 'Rome' })

  const exported = await collect(exportRaw(await db.snapshot()))
  const lines = new TextDecoder().decode(Buffer.concat(exported)).split('\n').filter(Boolean)
  for (const replace of [false, true]) {
    const copy = await createDatabase()
    await importRaw(copy, [utf8(`${lines.toReversed().join('\n')}\n`)], { replace })
    assert.is((await copy.snapshot()).root, (await db.snapshot()).root)
  }
})

test('replaced by raw rows, a collection goes with its schema, and takes another one', async () => {
  const db = await cities()
  const row = line(schema.keyFor([7]), document)
  assert.is((await failureOf(importRaw(db, [utf8(row)], { replace: true }))).code, 'KEY_INVALID')
  const other = encodeDocument({ key: [{ field: 'name', type: 'text' }] })
  await importRaw(db, [utf8(line(schemaKey('cities'), other))], { replace: true })
  assert.is((await (await db.snapshot()).collection('cities').schema()).key[0]?.field, 'name')
})

test('bytes that a program put there are told with the key to delete', async () => {
  const db = await cities()
  const key = schema.keyFor([7])
  await db.put(key, Uint8Array.of(0))
  const failure = await failureOf(collect(db.collection('cities').scan()))
  assert.equal([failure.code, failure.details['rawKey']], ['DOCUMENT_INVALID', bytesToHex(key)])
})

test.run()
