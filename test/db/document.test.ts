import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import vm from 'node:vm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import {
  decodeDocument,
  DOCUMENT_BYTES_MAX,
  DOCUMENT_DEPTH_MAX,
  encodeDocument,
} from '../../src/db/documents/document.ts'
import { INTEGER_MAX, INTEGER_MIN, type Document } from '../../src/document-model.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { document } from '../support/arbitraries.ts'
import { assertDocumentStrict } from '../support/decoder-properties.ts'
import { hex } from '../support/hex.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('db/document')
const RUNS = 500

function failure(action: () => unknown): { code: string; path?: unknown; message: string } {
  try {
    action()
  } catch (error) {
    if (isCoppiceError(error)) return { code: error.code, path: error.details.path, message: error.message }
    throw error
  }
  return { code: 'none', message: '' }
}

/** The fields in another order, at every level. */
function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, inner]) => [name, reversed(inner)]),
  )
}

/** dag-cbor takes a map whose "/" and "bytes" are the same for a CID. */
function looksLikeLink(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  const map = value as { '/'?: unknown; bytes?: unknown }
  return (map['/'] !== undefined && map['/'] === map.bytes) || Object.values(value).some(looksLikeLink)
}

function nested(depth: number): Document {
  let value: Document = {}
  for (let i = 1; i < depth; i++) value = { a: value }
  return value
}

test('the same bytes as @ipld/dag-cbor', async () => {
  await assertProperty(
    fc.property(document, (value) => {
      fc.pre(!looksLikeLink(value))
      assert.ok(equalBytes(encodeDocument(value), dagCbor.encode(value)))
    }),
    RUNS,
  )
})

test('decoding is the inverse, and agrees with @ipld/dag-cbor', async () => {
  await assertProperty(
    fc.property(document, (value) => {
      const bytes = encodeDocument(value)
      assert.ok(isDeepStrictEqual(decodeDocument(bytes), value))
      assert.ok(isDeepStrictEqual(decodeDocument(Buffer.from(bytes)), value))
      assert.ok(isDeepStrictEqual(dagCbor.decode(bytes), value))
    }),
    RUNS,
  )
})

test('equal documents have equal bytes, whatever the order of their fields', async () => {
  await assertProperty(
    fc.property(document, (value) => {
      assert.ok(equalBytes(encodeDocument(reversed(value)), encodeDocument(value)))
    }),
    RUNS,
  )
})

test('decoding is total and canonical', async () => {
  const mutated = fc.tuple(document, fc.nat(), fc.nat(255), fc.nat(3)).map(([value, at, byte, mode]) => {
    const bytes = encodeDocument(value)
    if (mode === 0) return bytes.subarray(0, at % bytes.length)
    if (mode === 1) return Uint8Array.of(...bytes, byte)
    bytes[at % bytes.length] = byte
    return bytes
  })
  const random = fc.uint8Array({ maxLength: 40 }).map((bytes) => Uint8Array.of(0xa1, 0x61, 0x61, ...bytes))
  await assertProperty(fc.property(fc.oneof(mutated, random), assertDocumentStrict), 3000)
})

test('forms of other encoders are refused', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['', 'nothing'],
    ['00', 'no map'],
    ['a1', 'cut short'],
    ['a161611800', 'long form of 0'],
    ['a161611900ff', 'long form of 255'],
    ['a161611b00000000ffffffff', 'long form of 2^32-1'],
    ['a161613b8000000000000000', 'below -2^63'],
    ['a16161f93c00', '16-bit float'],
    ['a16161fa3fc00000', '32-bit float'],
    ['a16161fb3ff0000000000000', 'integral float'],
    ['a16161fb8000000000000000', '-0'],
    ['a16161fb7ff8000000000000', 'NaN'],
    ['a16161fb7ff0000000000000', 'infinity'],
    ['a16161f7', 'undefined'],
    ['a16161e0', 'simple value'],
    ['a16161c074', 'tag'],
    ['a16161d82a582500' + '01711220' + '00'.repeat(32), 'link'],
    ['a161617fff', 'indefinite text'],
    ['bf616101ff', 'indefinite map'],
    ['a1616161ff', 'not UTF-8'],
    ['a161a001', 'a name that is no text'],
    ['a10101', 'a name that is a number'],
    ['a2616201616101', 'names out of order'],
    ['a2626161016162 01'.replace(' ', ''), 'longer names first'],
    ['a2616101616101', 'a name twice'],
    ['a1612fa1656279746573617a', 'the reserved map'],
    ['a161615b0000ffffffffffffff', 'a length beyond everything'],
    ['a16161bbffffffffffffffff', 'a count beyond everything'],
    ['a0a0', 'something after it'],
  ]
  for (const [bytes, what] of refused)
    assert.is(failure(() => decodeDocument(hex(bytes))).code, 'DOCUMENT_INVALID', what)
})

test('integers are exact within 64 bits', () => {
  const exact = { a: INTEGER_MAX, b: INTEGER_MIN, c: 2n ** 53n, d: -(2n ** 53n), e: 2 ** 53 - 1, f: -(2 ** 53 - 1) }
  assert.equal(decodeDocument(encodeDocument(exact)), exact)
  assert.equal(decodeDocument(encodeDocument({ a: 5n, b: -0, c: 2 ** 53 })), { a: 5, b: 0, c: 2 ** 53 })
  assert.type(decodeDocument(encodeDocument({ a: 2 ** 53 })).a, 'number')
})

test('what a document cannot hold, with its path', () => {
  class City {
    id = 1
  }
  const cycle: Record<string, unknown> = {}
  cycle['self'] = [cycle]
  const bad: readonly (readonly [unknown, string])[] = [
    [{ a: { b: [1, 2, 3, undefined] } }, '/a/b/3'],
    [{ a: new Date(0) }, '/a'],
    [{ a: new Map() }, '/a'],
    [{ a: new Set() }, '/a'],
    [{ a: new City() }, '/a'],
    [{ a: Number.NaN }, '/a'],
    [{ a: [Infinity] }, '/a/0'],
    [{ a: -Infinity }, '/a'],
    [{ a: '\ud800' }, '/a'],
    [{ a: 'x'.repeat(100) + '\udc00' }, '/a'],
    [{ a: () => 1 }, '/a'],
    [{ a: Symbol('x') }, '/a'],
    [{ a: INTEGER_MAX + 1n }, '/a'],
    [{ a: INTEGER_MIN - 1n }, '/a'],
    [{ a: new Float64Array(1) }, '/a'],
    [{ a: new ArrayBuffer(1) }, '/a'],
    // eslint-disable-next-line no-sparse-arrays -- a hole is what is tested
    [{ a: [1, , 2] }, '/a/1'],
    [{ a: { '/': { bytes: 'AA' } } }, '/a'],
    [{ 'x/y~z': undefined }, '/x~1y~0z'],
    [[], ''],
    [null, ''],
    ['text', ''],
    [new City(), ''],
  ]
  for (const [value, path] of bad) {
    const { code, path: got } = failure(() => encodeDocument(value))
    assert.is(code, 'DOCUMENT_INVALID', path)
    assert.is(got, path)
  }
  assert.is(failure(() => encodeDocument({ '\ud800': 1 })).code, 'DOCUMENT_INVALID')
  assert.match(failure(() => encodeDocument(cycle)).message, 'cycle')
  assert.match(failure(() => encodeDocument({ a: new Date(0) })).message, 'an instance of Date (at /a)')
  assert.not.match(failure(() => encodeDocument({ 'a\u001b]0;x': undefined })).message, '\u001b')
})

test('plain objects of any origin', () => {
  const foreign: unknown = vm.runInNewContext('({ a: [1, { b: 2 }] })')
  assert.equal(decodeDocument(encodeDocument(foreign)), { a: [1, { b: 2 }] })
  const bare: unknown = Object.assign(Object.create(null), { a: 1 })
  assert.equal(decodeDocument(encodeDocument(bare)), { a: 1 })
})

test('__proto__ is a field like any other', () => {
  const value = JSON.parse('{"__proto__":{"polluted":true},"a":1}') as Document
  const back = decodeDocument(encodeDocument(value))
  assert.equal(Object.keys(back).toSorted(), ['__proto__', 'a'])
  assert.is(Object.getPrototypeOf(back), Object.prototype)
  assert.is((back as { polluted?: unknown }).polluted, undefined)
})

test('bounds of depth and size', () => {
  assert.equal(decodeDocument(encodeDocument(nested(DOCUMENT_DEPTH_MAX))), nested(DOCUMENT_DEPTH_MAX))
  assert.is(failure(() => encodeDocument(nested(DOCUMENT_DEPTH_MAX + 1))).code, 'DOCUMENT_INVALID')
  const deep = Uint8Array.of(...hex('a16161'.repeat(DOCUMENT_DEPTH_MAX)), 0xa0)
  assert.is(failure(() => decodeDocument(deep)).code, 'DOCUMENT_INVALID')
  const bomb = new Uint8Array(DOCUMENT_BYTES_MAX).fill(0x81)
  bomb.set([0xa1, 0x61, 0x61])
  assert.is(failure(() => decodeDocument(bomb)).code, 'DOCUMENT_INVALID')

  const head = encodeDocument({ a: new Uint8Array(DOCUMENT_BYTES_MAX - 10) }).length - (DOCUMENT_BYTES_MAX - 10)
  const largest = { a: new Uint8Array(DOCUMENT_BYTES_MAX - head) }
  assert.is(encodeDocument(largest).length, DOCUMENT_BYTES_MAX)
  assert.equal(decodeDocument(encodeDocument(largest)), largest)
  assert.is(failure(() => encodeDocument({ a: new Uint8Array(DOCUMENT_BYTES_MAX - head + 1) })).code, 'VALUE_TOO_LARGE')
  assert.is(failure(() => encodeDocument({ a: 'x'.repeat(50_000_000) })).code, 'VALUE_TOO_LARGE')
  const shared = Array.from({ length: 1000 }, () => 'x'.repeat(1000))
  assert.is(failure(() => encodeDocument({ a: Array.from({ length: 1000 }, () => shared) })).code, 'VALUE_TOO_LARGE')
  assert.equal(decodeDocument(encodeDocument({ a: '\u20ac'.repeat(100_000) })), { a: '\u20ac'.repeat(100_000) })
})

test('an encoder used while it is busy, and after an error', () => {
  const inner = {
    get a(): number {
      encodeDocument({ x: 'y'.repeat(1000) })
      return 1
    },
  }
  assert.equal(decodeDocument(encodeDocument({ list: [inner, 'z'] })), { list: [{ a: 1 }, 'z'] })
  failure(() => encodeDocument({ a: [1, 2, undefined] }))
  assert.equal(decodeDocument(encodeDocument({ b: 1 })), { b: 1 })
})

test('decoded byte strings share no memory', () => {
  const bytes = encodeDocument({ a: Uint8Array.of(1, 2, 3) })
  const { a } = decodeDocument(bytes)
  bytes.fill(0)
  assert.equal(a, Uint8Array.of(1, 2, 3))
})

test.run()
