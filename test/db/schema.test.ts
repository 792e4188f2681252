import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, equalBytes } from '../../src/bytes.ts'
import { encodeDocument } from '../../src/db/documents/document.ts'
import { renderTreeKey } from '../../src/db/documents/key-text.ts'
import {
  inferKeyFields,
  meaningOfKey,
  METADATA_KEY,
  Schema,
  SCHEMA_RANGE,
  schemaKey,
  type KeyField,
} from '../../src/db/documents/schema.ts'
import { encodeTuple, type PartType } from '../../src/db/documents/tuple.ts'
import type { Document } from '../../src/document-model.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { hex } from '../support/hex.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('db/schema')

const KEY: readonly KeyField[] = [
  { field: 'country', type: 'text' },
  { field: 'id', type: 'integer' },
]
const cities = new Schema('cities', KEY)

function failure(action: () => unknown): { code: string; field?: unknown; message: string } {
  try {
    action()
  } catch (error) {
    if (isCoppiceError(error)) return { code: error.code, field: error.details.field, message: error.message }
    throw error
  }
  return { code: 'none', message: '' }
}

test('where things stand', () => {
  assert.equal(METADATA_KEY, hex('14'))
  assert.equal(schemaKey('cities'), hex('1402636974696573' + '00'))
  assert.equal(
    cities.keyOf({ country: 'NL', id: 5, name: 'x' }),
    encodeTuple([1, 'cities', 'NL', 5], ['integer', 'text', 'text', 'integer']),
  )
  assert.equal(cities.keyFor(['NL', 5]), cities.keyOf({ id: 5, country: 'NL' }))
  assert.equal(cities.partsIn(cities.keyFor(['NL', 2n ** 60n])), ['NL', 2n ** 60n])
})

test('a schema survives its document', () => {
  const again = Schema.decode('cities', cities.encode())
  assert.ok(again.equals(cities))
  assert.equal(again.key, KEY)
  assert.not.ok(new Schema('cities', KEY.toReversed()).equals(cities))
  assert.not.ok(new Schema('towns', KEY).equals(cities))
})

test('a range holds exactly the documents of the collection, or of a first part', async () => {
  await assertProperty(
    fc.property(
      fc.constantFrom('a', 'a\u0000', 'a\u0000b', 'b', ''),
      fc.constantFrom('a', 'b', ''),
      fc.integer(),
      (country, asked, id) => {
        const key = cities.keyFor([country, id])
        const all = cities.rangeFor()
        assert.ok(compareBytes(key, all.start) >= 0 && compareBytes(key, all.end) < 0)
        const { start, end } = cities.rangeFor([asked])
        assert.is(compareBytes(key, start) >= 0 && compareBytes(key, end) < 0, country === asked)
        const other = new Schema('cities2', KEY).keyFor([country, id])
        assert.not.ok(compareBytes(other, all.start) >= 0 && compareBytes(other, all.end) < 0)
      },
    ),
    200,
  )
  for (const name of ['a', 'cities', 'z'.repeat(64)]) {
    assert.ok(
      compareBytes(schemaKey(name), SCHEMA_RANGE.start) >= 0 && compareBytes(schemaKey(name), SCHEMA_RANGE.end) < 0,
    )
  }
  assert.ok(compareBytes(METADATA_KEY, SCHEMA_RANGE.start) < 0)
  assert.ok(compareBytes(cities.rangeFor().start, SCHEMA_RANGE.end) > 0)
})

test('documents without a proper key', () => {
  const bad: readonly (readonly [Document, string])[] = [
    [{ country: 'NL' }, 'id'],
    [{ country: 'NL', id: null }, 'id'],
    [{ country: 'NL', id: '5' }, 'id'],
    [{ country: 'NL', id: 1.5 }, 'id'],
    [{ country: 5, id: 5 }, 'country'],
    [{ country: ['NL'], id: 5 }, 'country'],
    [{ country: '\ud800', id: 5 }, 'country'],
  ]
  for (const [document, field] of bad) {
    const { code, field: named } = failure(() => cities.keyOf(document))
    assert.is(code, 'KEY_INVALID')
    assert.is(named, field)
  }
  assert.is(failure(() => new Schema('x', [{ field: 'constructor', type: 'text' }]).keyOf({})).code, 'KEY_INVALID')
  assert.is(failure(() => cities.keyOf({ country: 'x'.repeat(2000), id: 1 })).code, 'KEY_TOO_LONG')
  assert.match(failure(() => cities.keyFor(['NL'])).message, 'expected country:text, id:integer, got 1 part')
  assert.match(failure(() => cities.keyFor(['NL', 'x'])).message, 'key field "id" of "cities": expected an integer')
})

test('schemas that cannot be', () => {
  const bad: readonly (readonly [string, KeyField[]])[] = [
    ['', [...KEY]],
    ['.hidden', [...KEY]],
    ['-option', [...KEY]],
    ['../x', [...KEY]],
    ['a b', [...KEY]],
    ['x'.repeat(65), [...KEY]],
    ['x\u0000', [...KEY]],
    ['x', []],
    [
      'x',
      [
        { field: 'a', type: 'text' },
        { field: 'a', type: 'text' },
      ],
    ],
    ['x', [{ field: '', type: 'text' }]],
    ['x', [{ field: '\ud800', type: 'text' }]],
    ['x', [{ field: 'a', type: 'date' as PartType }]],
    ['x', Array.from({ length: 17 }, (_, i) => ({ field: `f${i}`, type: 'text' as const }))],
  ]
  for (const [name, key] of bad) assert.is(failure(() => new Schema(name, key)).code, 'KEY_INVALID', name)
})

test('stored schemas are checked', () => {
  const bad: readonly Document[] = [
    {},
    { key: 'id' },
    { key: [] },
    { key: [null] },
    { key: [{ field: 'a' }] },
    { key: [{ field: 'a', type: 1 }] },
    { key: [{ field: 'a', type: 'date' }] },
    { key: [['a', 'text']] },
  ]
  for (const document of bad) {
    assert.is(
      failure(() => Schema.decode('x', encodeDocument(document))).code,
      'DOCUMENT_INVALID',
      JSON.stringify(document),
    )
  }
  assert.is(failure(() => Schema.decode('x', hex('ff'))).code, 'DOCUMENT_INVALID')
  const key = [{ field: 'a', type: 'text' }]
  assert.is(failure(() => Schema.decode('x', encodeDocument({ key, indexes: {} }))).code, 'FORMAT_NEWER')
  assert.is(
    failure(() => Schema.decode('x', encodeDocument({ key: [{ ...key[0], order: 'descending' }] }))).code,
    'FORMAT_NEWER',
  )
})

test('types inferred from the first document', () => {
  const document: Document = {
    i: 1,
    big: 2n ** 60n,
    n: 1.5,
    t: 'x',
    b: true,
    raw: new Uint8Array(1),
    map: {},
    none: null,
  }
  const fields = inferKeyFields(document, ['i', 'big', 'n', 't', 'b', 'raw'])
  assert.equal(
    fields.map(({ type }) => type),
    ['integer', 'integer', 'number', 'text', 'boolean', 'bytes'],
  )
  for (const field of ['map', 'none', 'absent', 'toString']) {
    assert.is(failure(() => inferKeyFields(document, [field])).code, 'KEY_INVALID', field)
  }
})

test('what a key means, and how it reads', () => {
  assert.equal(meaningOfKey(METADATA_KEY), { space: 'metadata' })
  assert.equal(meaningOfKey(schemaKey('cities')), { space: 'schema', collection: 'cities' })
  const key = cities.keyFor(['N\u202eL', 5])
  assert.equal(meaningOfKey(key), { space: 'document', collection: 'cities', parts: ['N\u202eL', 5] })
  assert.is(renderTreeKey(key), 'cities["N\\u202eL",5]')
  assert.is(renderTreeKey(METADATA_KEY), 'metadata')
  assert.is(renderTreeKey(schemaKey('cities')), 'schema of cities')
  assert.is(renderTreeKey(encodeTuple([2, 'x'], ['integer', 'text'])), '[2,"x"]')
  assert.is(renderTreeKey(hex('666f6f')), '"foo"')
  assert.is(renderTreeKey(hex('1b5b')), '0x1b5b')
  assert.is(renderTreeKey(hex('')), '0x')
  const hostile = encodeTuple([1, '../x', 'a'], ['integer', 'text', 'text'])
  assert.is(meaningOfKey(hostile), undefined)
  assert.ok(equalBytes(hostile, hostile))
})

test.run()
