/** Messages as bytes: every one round-trips, whatever decodes is canonical, and nothing but coded errors comes out. */
import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { decodeAnswer, decodeHello, decodeRequest, encodeMessage } from '../../src/sync/wire/index.ts'
import { SLAB_BYTES_MAX } from '../../src/sync/wire/slabs.ts'
import { assertDecodesStrictly, MESSAGE_KINDS } from '../support/message-properties.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('sync/messages')

for (const [name, messages, decode] of MESSAGE_KINDS) {
  test(`${name}: what is encoded decodes to itself, and is DAG-CBOR`, () =>
    assertProperty(
      fc.property(messages, (message) => {
        const frame = encodeMessage(message)
        assert.equal(decode(frame), structuredClone(message))
        assert.equal(new Uint8Array(dagCbor.encode(dagCbor.decode(frame))), frame)
      }),
      300,
    ))

  test(`${name}: changed bytes give another canonical message or a coded error`, () =>
    assertProperty(
      fc.property(
        messages,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
        fc.nat(),
        (message, edits, cut) => {
          let frame = Uint8Array.from(encodeMessage(message))
          for (const [at, value] of edits) frame[at % frame.length] = value
          if (cut % 3 === 0) frame = frame.slice(0, cut % frame.length)
          if (cut % 7 === 0) frame = Uint8Array.from([...frame, cut & 255])
          for (const [, , anyDecode] of MESSAGE_KINDS) assertDecodesStrictly(anyDecode, frame)
        },
      ),
      500,
    ))

  test(`${name}: any bytes give a coded error`, () =>
    assertProperty(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => assertDecodesStrictly(decode, frame)),
      500,
    ))
}

test('blocks of an answer do not keep its frame alive', () => {
  const large = new Uint8Array(1024 * 1024)
  const frame = encodeMessage({ type: 'blocks', id: 1, blocks: [new Uint8Array(10), large, new Uint8Array(4000)] })
  const decoded = decodeAnswer(frame)
  assert.is(decoded.type, 'blocks')
  const kept = decoded.type === 'blocks' ? decoded.blocks.map((block) => block?.buffer.byteLength ?? 0) : []
  assert.is(kept[1], large.length)
  assert.ok((kept[0] ?? 0) <= SLAB_BYTES_MAX && (kept[2] ?? 0) <= SLAB_BYTES_MAX)
})

test('bounds hold before anything is allocated', () => {
  const cases: readonly (readonly [(frame: Uint8Array) => unknown, string])[] = [
    [decodeAnswer, '8305009b001fffffffffffff'],
    [decodeAnswer, '83050081 5b001fffffffffffff'],
    [decodeAnswer, '83050080'],
    [decodeRequest, `840400 80 01`],
    [decodeRequest, `840400 9a00000101`],
    [decodeRequest, '8306 5a7fffffff'],
    // tells: of nothing; statements beyond 12 KiB in a tell, a root and a hello; attachments beyond 256 KiB; statements that are there and have no byte
    [decodeRequest, '8306 f6 f6'],
    [decodeRequest, '8306 f6 593001'],
    [decodeAnswer, '8403 00 f6 593001'],
    [decodeHello, `870001 5820${'00'.repeat(32)} 6161 f6 80 593001`],
    [decodeAnswer, '8317 00 5a00040001'],
    [decodeAnswer, '8403 00 f6 40'],
    // links: of a sequence to itself, to one that is not, of sequence 0; a history that is no hash; too many names; too many hashes
    [decodeRequest, `8510 00 02 02 5820${'00'.repeat(32)}`],
    [decodeRequest, `8510 00 02 01 5820${'00'.repeat(32)}`],
    [decodeRequest, `8510 00 00 01 5820${'00'.repeat(32)}`],
    [decodeRequest, `8510 00 f6 1b0000010000000000 5820${'00'.repeat(32)}`],
    [decodeRequest, '8510 00 f6 02 5b001fffffffffffff'],
    [decodeRequest, '8312 00 91'],
    [decodeRequest, '8312 00 80'],
    [decodeAnswer, '8413 00 59ffff'],
    [decodeAnswer, '8413 00 f6 9829'],
    [decodeAnswer, '8315 00 91'],
    [decodeHello, '8700015820'],
    [decodeHello, '870000'],
    [decodeAnswer, '850b00 9a00004001'],
    [decodeAnswer, '830900 990401'],
  ]
  for (const [decode, hex] of cases) {
    const frame = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
    assert.throws(
      () => decode(frame),
      (error: unknown) => isCoppiceError(error, 'PEER_PROTOCOL'),
    )
  }
})

test.run()
