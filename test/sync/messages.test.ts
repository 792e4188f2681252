/** Messages as bytes: every one round-trips, whatever decodes is canonical, and nothing but coded errors comes out. */
import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, CODEC_RAW, linkTo } from '../../src/link.ts'
import {
  type Answer,
  decodeAnswer,
  decodeHello,
  decodeRequest,
  decodeWelcome,
  encodeMessage,
  type Message,
  type Request,
  type RootId,
} from '../../src/sync/messages.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('sync/messages')

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength })
const id = fc.nat(0xffffffff)
const node = bytes(0, 8).map((seed) => linkTo(CODEC_DAG_CBOR, seed))
const link = fc.oneof(
  node,
  bytes(0, 8).map((seed) => linkTo(CODEC_RAW, seed)),
)
const rootId: fc.Arbitrary<RootId | null> = fc.option(
  fc.record({ payload: node, epoch: fc.nat(4095), sequence: fc.maxSafeNat() }),
)
const signedRoot = bytes(1, 996)

const request: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ type: fc.constant('get root' as const), id, have: rootId, waitMs: fc.nat(30_000) }),
  fc.record({
    type: fc.constant('get blocks' as const),
    id,
    links: fc.array(link, { minLength: 1, maxLength: 40 }),
    bytesMax: fc.integer({ min: 1, max: 1024 * 1024 }),
  }),
  fc.record({ type: fc.constant('tell' as const), signedRoot }),
)
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ type: fc.constant('root' as const), id, signedRoot: fc.option(signedRoot) }),
  fc.record({
    type: fc.constant('blocks' as const),
    id,
    blocks: fc.array(fc.option(bytes(0, 300)), { minLength: 1, maxLength: 40 }),
  }),
  fc.record({ type: fc.constant('refusal' as const), id, reason: fc.constantFrom('busy' as const, 'failed' as const) }),
)
const hello = fc.record({
  type: fc.constant('hello' as const),
  version: fc.constant(1),
  author: bytes(32, 32),
  name: fc.stringMatching(/^[a-z0-9]{1,48}$/),
  have: rootId,
})
const welcome = fc.oneof(
  fc.record({
    type: fc.constant('welcome' as const),
    version: fc.constant(1),
    status: fc.constantFrom('same' as const, 'empty' as const, 'unknown' as const, 'version' as const, 'busy' as const),
    signedRoot: fc.constant(null),
  }),
  fc.record({
    type: fc.constant('welcome' as const),
    version: fc.constant(1),
    status: fc.constant('newest' as const),
    signedRoot,
  }),
)

const KINDS: readonly (readonly [string, fc.Arbitrary<Message>, (frame: Uint8Array) => unknown])[] = [
  ['hello', hello, decodeHello],
  ['welcome', welcome, decodeWelcome],
  ['request', request, decodeRequest],
  ['answer', answer, decodeAnswer],
]

for (const [name, messages, decode] of KINDS) {
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
          for (const [, , anyDecode] of KINDS) assertTotal(anyDecode, frame)
        },
      ),
      500,
    ))

  test(`${name}: any bytes give a coded error`, () =>
    assertProperty(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => assertTotal(decode, frame)),
      500,
    ))
}

function assertTotal(decode: (frame: Uint8Array) => unknown, frame: Uint8Array): void {
  let message: unknown
  try {
    message = decode(frame)
  } catch (error) {
    assert.ok(isCoppiceError(error, 'PEER_PROTOCOL'), String(error))
    return
  }
  if ((message as { type: string }).type === 'foreign hello') return
  assert.equal(encodeMessage(message as Message), frame)
}

test('blocks of an answer do not keep its frame alive', () => {
  const frame = encodeMessage({ type: 'blocks', id: 1, blocks: [new Uint8Array(10), null] })
  const decoded = decodeAnswer(frame)
  assert.is(decoded.type === 'blocks' && decoded.blocks[0]?.buffer.byteLength, 10)
})

test('bounds hold before anything is allocated', () => {
  const cases: readonly (readonly [(frame: Uint8Array) => unknown, string])[] = [
    [decodeAnswer, '8305009b001fffffffffffff'],
    [decodeAnswer, '83050081 5b001fffffffffffff'],
    [decodeAnswer, '83050080'],
    [decodeRequest, `840400 80 01`],
    [decodeRequest, `840400 9a00000101`],
    [decodeRequest, '8206 5a7fffffff'],
    [decodeHello, '8500015820'],
    [decodeHello, '850000'],
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
