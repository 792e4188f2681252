import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, equalBytes, hexToBytes } from '../../src/bytes.ts'
import { CODEC_DAG_CBOR, linkTo } from '../../src/link.ts'
import { decodeCompleteRecord, encodeCompleteRecord } from '../../src/store/complete-record.ts'
import type { CompleteRecord } from '../../src/store/interface.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('store/complete-record')

const RUNS = 2000
const link = linkTo(CODEC_DAG_CBOR, new Uint8Array([0x80]))
const key = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 1020, maxLength: 1024 }),
  fc
    .uint8Array({ maxLength: 3 })
    .map((tail) => Uint8Array.from([...new TextEncoder().encode('a long common prefix/'), ...tail])),
)
const record: fc.Arbitrary<CompleteRecord> = fc.record(
  {
    link: fc.constant(link),
    level: fc.integer({ min: -1, max: 32 }),
    entries: fc.maxSafeNat(),
    bytes: fc.oneof(fc.maxSafeNat(), fc.nat({ max: 300 })),
    firstKey: key,
    lastKey: key,
    spineClosed: fc.boolean(),
  },
  { noNullPrototype: true },
)

test("records come back, and nothing but the encoder's bytes is read", async () => {
  await assertProperty(
    fc.property(record, (each) => {
      const encoded = encodeCompleteRecord(each)
      assert.equal(decodeCompleteRecord(link, encoded), each)
      assert.is(decodeCompleteRecord(link, encoded.subarray(0, -1)), undefined)
      assert.is(decodeCompleteRecord(link, Uint8Array.from([...encoded, 0])), undefined)
    }),
    RUNS,
  )
})

test('decoding is total and canonical', async () => {
  const damaged = fc.tuple(record, fc.nat(), fc.nat({ max: 255 })).map(([each, at, byte]) => {
    const encoded = encodeCompleteRecord(each)
    encoded[at % encoded.length] = byte
    return encoded
  })
  await assertProperty(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 30 })), (bytes) => {
      const decoded = decodeCompleteRecord(link, bytes)
      if (decoded !== undefined) assert.ok(equalBytes(encodeCompleteRecord(decoded), bytes))
    }),
    RUNS,
  )
})

test('golden bytes', () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const leaf = {
    link,
    level: 0,
    entries: 300,
    bytes: 3700,
    firstKey: text('nl/1'),
    lastKey: text('nl/27'),
    spineClosed: true,
  }
  assert.is(bytesToHex(encodeCompleteRecord(leaf)), '1101ac02f41c046e6c2f3103023237')
  const value = {
    ...leaf,
    level: -1,
    entries: 0,
    bytes: 5000,
    firstKey: text(''),
    lastKey: text(''),
    spineClosed: false,
  }
  assert.is(bytesToHex(encodeCompleteRecord(value)), '1000008827000000')
})

test('longer forms and other versions are not records', () => {
  for (const hex of [
    '',
    '11',
    '1000008827000001',
    '1000808800270000',
    '2000008827000000',
    '1022008827000000',
    '10000088270002',
    '1000800000000000',
  ]) {
    assert.is(decodeCompleteRecord(link, hexToBytes(hex) as Uint8Array), undefined, hex)
  }
  // 'nl/1' and 'nl/27' again, with a shared prefix one shorter than it is.
  assert.is(decodeCompleteRecord(link, hexToBytes('1101ac02f41c046e6c2f3102032f3237') as Uint8Array), undefined)
})

test("fields out of bounds are the caller's error", () => {
  const good = {
    link,
    level: 0,
    entries: 1,
    bytes: 1,
    firstKey: new Uint8Array(1),
    lastKey: new Uint8Array(1),
    spineClosed: true,
  }
  const bad: Partial<CompleteRecord>[] = [
    { level: 33 },
    { level: -2 },
    { entries: -1 },
    { bytes: 2 ** 53 },
    { bytes: 0.5 },
    { lastKey: new Uint8Array(1025) },
  ]
  for (const over of bad)
    assert.throws(
      () => encodeCompleteRecord({ ...good, ...over }),
      (error: unknown) => error instanceof RangeError,
    )
})

test.run()
