/** The CBOR of the pointer against @ipld/dag-cbor, and against everything that is not the one form. */
import { encode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import { CODEC_DAG_CBOR, linkTo } from '../../src/link.ts'
import { cborArray, cborBytes, cborLink, CborReader, cborText, cborUint, CBOR_NULL } from '../../src/pointer/cbor.ts'
import { hex } from '../support/hex.ts'
import { assertProperty } from '../support/property.ts'
import { throwsType } from '../support/throws.ts'

const test = suite('pointer/cbor')

class Refused extends Error {}

const read = (bytes: Uint8Array): CborReader => new CborReader(bytes, (message) => new Refused(message))

test('each kind is written as @ipld/dag-cbor writes it, and read back', async () => {
  const number = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.nat(70_000), fc.nat(2 ** 33))
  const text = fc.string({ unit: 'grapheme', maxLength: 300 })
  const property = fc.property(number, fc.uint8Array({ maxLength: 300 }), text, (n, bytes, string) => {
    const link = linkTo(CODEC_DAG_CBOR, bytes)
    const written = cborArray([cborUint(n), cborBytes(bytes), cborText(string), cborLink(link), CBOR_NULL])
    assert.ok(equalBytes(written, encode([n, bytes, string, CID.decode(link), null])))
    const reader = read(written)
    assert.is(reader.array('all', 0, 9), 5)
    assert.is(reader.uint('n', 0, Number.MAX_SAFE_INTEGER), n)
    assert.equal(reader.bytes('bytes', 0, 300), bytes)
    assert.is(reader.text('text', 10_000), string)
    assert.equal(reader.link('link', CODEC_DAG_CBOR), link)
    assert.is(
      reader.nullable(() => 1),
      null,
    )
    reader.end('all')
    const skipping = read(written)
    skipping.skip('all')
    skipping.end('all')
  })
  await assertProperty(property, 300)
})

test('integers out of bounds are not written', () => {
  for (const value of [-1, 1.5, NaN, 2 ** 53, Infinity]) throwsType(() => cborUint(value), RangeError)
})

test('one form only', () => {
  for (const long of [
    '1800',
    '1817',
    '190000',
    '1900ff',
    '1a00000000',
    '1a0000ffff',
    '1b0000000000000001',
    '1b00000000ffffffff',
  ]) {
    throwsType(() => read(hex(long)).uint('n', 0, 2 ** 53), Refused, long)
    throwsType(() => read(hex(long)).skip('n'), Refused, long)
  }
  assert.is(read(hex('1b001fffffffffffff')).uint('n', 0, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
  for (const odd of [
    '',
    '1b0020000000000000',
    '1bffffffffffffffff',
    '20',
    '1c',
    '1f',
    '18',
    '19ff',
    'f90000',
    'fb00',
  ]) {
    throwsType(() => read(hex(odd)).uint('n', 0, Number.MAX_SAFE_INTEGER), Refused, odd)
  }
  for (const odd of ['5f', '5fff', '4201', '5b001fffffffffffff', '580100', '6161', '80']) {
    throwsType(() => read(hex(odd)).bytes('b', 0, 2 ** 53), Refused, odd)
  }
  for (const odd of ['61ff', '63eda080', '62c080', '7f6161ff', '4161']) {
    throwsType(() => read(hex(odd)).text('t', 99), Refused, odd)
  }
  for (const odd of ['9f', '9fff', '9800', '9b0020000000000000', 'a0', 'f6']) {
    throwsType(() => read(hex(odd)).array('a', 0, 2 ** 53), Refused, odd)
  }
})

test('links have one form', () => {
  const link = cborLink(linkTo(CODEC_DAG_CBOR, new Uint8Array(0)))
  for (let at = 0; at < 9; at++) {
    const odd = link.map((byte, i) => (i === at ? byte ^ 1 : byte))
    throwsType(() => read(odd).link('l', CODEC_DAG_CBOR), Refused, `byte ${at}`)
  }
  for (let length = 0; length < link.length; length++) {
    throwsType(() => read(link.subarray(0, length)).link('l', CODEC_DAG_CBOR), Refused)
  }
})

test('skipping is total, follows no depth, and ends', async () => {
  const deep = new Uint8Array(100_000).fill(0x81)
  throwsType(() => read(deep).skip('deep'), Refused)
  const closed = deep.slice()
  closed[closed.length - 1] = 0
  read(closed).skip('deep')
  throwsType(() => read(hex('9b001fffffffffffff')).skip('many'), Refused)
  throwsType(() => read(hex('bb001fffffffffffff')).skip('many'), Refused)
  await assertProperty(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const reader = read(bytes)
      try {
        reader.skip('any')
        assert.ok(reader.offset > 0 && reader.offset <= bytes.length)
      } catch (error) {
        assert.instance(error, Refused)
      }
    }),
    500,
  )
  await assertProperty(
    fc.property(
      fc.anything({
        withNullPrototype: false,
        withBigInt: false,
        withDate: false,
        withMap: false,
        withSet: false,
        withTypedArray: false,
      }),
      (value) => {
        let bytes: Uint8Array
        try {
          bytes = encode(value)
        } catch {
          return
        }
        const reader = read(bytes)
        reader.skip('any')
        reader.end('any')
      },
    ),
    200,
  )
})

test.run()
