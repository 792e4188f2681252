import fc from 'fast-check'
import * as fdb from 'fdb-tuple'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, compareBytes, equalBytes } from '../../src/bytes.ts'
import {
  decodeTuple,
  encodeTuple,
  encodeTuplePrefix,
  inspectTuple,
  PART_TYPES,
  rangeOf,
  type KeyPart,
  type PartType,
} from '../../src/db/documents/tuple.ts'
import { INTEGER_MAX, INTEGER_MIN, normalizeInteger } from '../../src/document-model.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { text } from '../support/arbitraries.ts'
import { assertTupleStrict } from '../support/decoder-properties.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('db/tuple')
const RUNS = 300

const integer = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: INTEGER_MIN, max: INTEGER_MAX }).map(normalizeInteger),
  fc.constantFrom(
    0,
    1,
    -1,
    255,
    256,
    -255,
    -256,
    2 ** 32,
    -(2 ** 32),
    2 ** 53 - 1,
    -(2 ** 53 - 1),
    2n ** 53n,
    INTEGER_MIN,
    INTEGER_MAX,
  ),
)
const number = fc.double({ noNaN: true }).map((n) => (n === 0 ? 0 : n))
const bytes = fc.uint8Array({ maxLength: 12 }).map((b) => new Uint8Array(b))
const partOf: Record<PartType, fc.Arbitrary<KeyPart>> = { integer, number, text, bytes, boolean: fc.boolean() }
const types = fc.array(fc.constantFrom(...PART_TYPES), { maxLength: 4 })
const typed = types.chain((list) =>
  fc.record({
    types: fc.constant(list),
    a: fc.tuple(...list.map((type) => partOf[type])),
    b: fc.tuple(...list.map((type) => partOf[type])),
  }),
)

function compareParts(a: KeyPart, b: KeyPart): number {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b)
  if (typeof a === 'string' && typeof b === 'string') return compareBytes(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'none'
  } catch (error) {
    if (isCoppiceError(error)) return error.code
    throw error
  }
}

test('the published test cases', () => {
  const hex = (parts: KeyPart[], list: PartType[]): string => bytesToHex(encodeTuple(parts, list))
  assert.is(hex([Uint8Array.from(Buffer.from('foo\x00bar'))], ['bytes']), '01666f6f00ff62617200')
  assert.is(hex(['F\u00d4O\u0000bar'], ['text']), '0246c3944f00ff62617200')
  assert.is(hex([-5551212], ['integer']), '11ab4b93')
  assert.is(hex([0], ['integer']), '14')
  assert.is(hex([false, true], ['boolean', 'boolean']), '2627')
  assert.is(hex([-42], ['number']), '213fbaffffffffffff')
})

test('as fdb-tuple encodes and decodes', async () => {
  await assertProperty(
    fc.property(typed, ({ types, a }) => {
      const theirs = fdb.pack(
        a.map((part, i) =>
          types[i] === 'number'
            ? { type: 'double', value: part as number }
            : part instanceof Uint8Array
              ? Buffer.from(part)
              : part,
        ) as Parameters<typeof fdb.pack>[0],
      )
      assert.ok(equalBytes(encodeTuple(a, types), theirs))
      const back = fdb
        .unpack(Buffer.from(encodeTuple(a, types)))
        .map((part) => (Buffer.isBuffer(part) ? new Uint8Array(part) : part))
      assert.equal(back, a)
    }),
    RUNS,
  )
})

test('order of keys is the order of their parts', async () => {
  await assertProperty(
    fc.property(typed, ({ types, a, b }) => {
      let expected = 0
      for (let i = 0; i < a.length && expected === 0; i++) expected = compareParts(a[i] as KeyPart, b[i] as KeyPart)
      const got = compareBytes(encodeTuple(a, types), encodeTuple(b, types))
      assert.is(Math.sign(got), Math.sign(expected))
    }),
    RUNS,
  )
})

test('decoding is the inverse, with and without the types', async () => {
  await assertProperty(
    fc.property(typed, ({ types, a }) => {
      const key = encodeTuple(a, types)
      assert.equal(decodeTuple(key, types), a)
      assert.equal(inspectTuple(key), { parts: a, types })
    }),
    RUNS,
  )
})

test('decoding is total and canonical', async () => {
  const mutated = fc.tuple(typed, fc.nat(), fc.nat(255)).map(([{ types, a }, at, byte]) => {
    const key = encodeTuple(a, types)
    if (key.length > 0) key[at % key.length] = byte
    return { key, types }
  })
  const random = fc.record({ key: fc.uint8Array({ maxLength: 30 }).map((b) => new Uint8Array(b)), types })
  await assertProperty(
    fc.property(fc.oneof(mutated, random), ({ key, types }) => assertTupleStrict(key, types)),
    RUNS,
  )
})

test('forms of other writers are refused', () => {
  const refused: [string, PartType][] = [
    ['1500', 'integer'], // a zero with a byte
    ['160001', 'integer'], // a leading zero
    ['12ffff', 'integer'],
    ['0c7fffffffffffffff00', 'integer'], // trailing byte
    ['0c7ffffffffffffffe', 'integer'], // -2^63 - 1
    ['1d09010000000000000000', 'integer'],
    ['217fffffffffffffff', 'number'], // -0
    ['21fff8000000000000', 'number'], // NaN
    ['20bf800000', 'number'], // 32 bits
    ['02ff00', 'text'],
    ['02eda08000', 'text'], // lone surrogate
    ['0261', 'text'], // no end
    ['026100ff', 'text'],
    ['00', 'text'],
    ['050014', 'bytes'],
    ['14', 'text'],
  ]
  for (const [hex, type] of refused) {
    assert.is(
      codeOf(() => decodeTuple(Uint8Array.from(Buffer.from(hex, 'hex')), [type])),
      'KEY_INVALID',
      hex,
    )
  }
  assert.equal(decodeTuple(Uint8Array.from(Buffer.from('0c7fffffffffffffff', 'hex')), ['integer']), [INTEGER_MIN])
})

test('parts that are not of their type', () => {
  const bad: [unknown, PartType][] = [
    [1.5, 'integer'],
    [2 ** 53, 'integer'],
    [INTEGER_MAX + 1n, 'integer'],
    [INTEGER_MIN - 1n, 'integer'],
    ['1', 'integer'],
    [Number.NaN, 'number'],
    [1n, 'number'],
    ['\ud800', 'text'],
    ['a\udc00b', 'text'],
    [1, 'text'],
    [null, 'text'],
    [undefined, 'integer'],
    [[1], 'bytes'],
    [0, 'boolean'],
  ]
  for (const [part, type] of bad) {
    assert.is(
      codeOf(() => encodeTuple([part as KeyPart], [type])),
      'KEY_INVALID',
      `${String(part)} as ${type}`,
    )
  }
  assert.is(
    codeOf(() => encodeTuple([1], [])),
    'KEY_INVALID',
  )
  assert.is(
    codeOf(() => encodeTuple([], ['text'])),
    'KEY_INVALID',
  )
})

test('-0 is 0, infinities have an order', () => {
  assert.ok(equalBytes(encodeTuple([-0], ['number']), encodeTuple([0], ['number'])))
  assert.ok(equalBytes(encodeTuple([-0], ['integer']), encodeTuple([0], ['integer'])))
  const keys = [-Infinity, -1, 0, 5e-324, 1, Infinity].map((n) => encodeTuple([n], ['number']))
  assert.equal(keys.toSorted(compareBytes), keys)
})

test('1024 bytes and no more', () => {
  assert.is(encodeTuple(['x'.repeat(1022)], ['text']).length, 1024)
  for (const part of ['x'.repeat(1023), '\u0000'.repeat(512), '\u20ac'.repeat(341), 'x'.repeat(5_000_000)]) {
    assert.is(
      codeOf(() => encodeTuple([part], ['text'])),
      'KEY_TOO_LONG',
    )
  }
  assert.is(
    codeOf(() => encodeTuple([new Uint8Array(1023).fill(1)], ['bytes'])),
    'KEY_TOO_LONG',
  )
  const long = new Uint8Array(1025).fill(0x14)
  assert.is(inspectTuple(long), undefined)
  assert.is(
    codeOf(() => decodeTuple(long, [])),
    'KEY_INVALID',
  )
  // The buffer they share is none the worse for it.
  assert.equal(decodeTuple(encodeTuple(['a', 1], ['text', 'integer']), ['text', 'integer']), ['a', 1])
})

test('a range holds the keys that go on from its prefix, and no others', async () => {
  await assertProperty(
    fc.property(typed, fc.nat(4), ({ types, a, b }, count) => {
      const prefix = a.slice(0, count)
      const { start, end } = rangeOf(encodeTuplePrefix(prefix, types))
      const key = encodeTuple(b, types)
      const inside = compareBytes(key, start) >= 0 && compareBytes(key, end) < 0
      assert.is(
        inside,
        prefix.every((part, i) => compareParts(part, b[i] as KeyPart) === 0),
      )
    }),
    RUNS,
  )
  const { start, end } = rangeOf(encodeTuple(['a'], ['text']))
  const other = encodeTuple(['a\u0000b'], ['text'])
  assert.ok(compareBytes(other, start) > 0 && compareBytes(other, end) >= 0)
})

test.run()
