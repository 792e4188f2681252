/** Messages of the sync protocol for properties: what there is, and what holds of any bytes. Shared by the test and the fuzz target. */
import fc from 'fast-check'
import * as assert from 'uvu/assert'
import { bytesToHex, compareBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, CODEC_RAW, linkTo } from '../../src/link.ts'
import { REASONS } from '../../src/sync/wire/message.ts'
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
} from '../../src/sync/wire/index.ts'

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
const links = fc.array(link, { minLength: 1, maxLength: 40 })
const budget = fc.integer({ min: 1, max: 1024 * 1024 })
const address = fc.stringMatching(/^[\x21-\x7e]{1,80}$/)
const hash = bytes(32, 32)
const sequence = fc.integer({ min: 1, max: 2 ** 40 - 1 })
const getLink = fc
  .record({ id, older: fc.option(sequence), newer: sequence, history: hash })
  .filter(({ older, newer }) => older === null || older < newer)
  .map((fields) => ({ type: 'get link' as const, ...fields }))
const outOfLine = fc.record({
  link: bytes(0, 8).map((seed) => linkTo(CODEC_RAW, seed)),
  size: fc.integer({ min: 1025, max: 1024 * 1024 }),
})
/** Rows of a patch, in order. */
const rows = fc.uniqueArray(fc.tuple(bytes(0, 20), fc.oneof(bytes(0, 60), outOfLine, fc.constant(null))), {
  maxLength: 30,
  selector: ([key]) => bytesToHex(key),
})
const patch = fc.record({ id, rows, isLast: fc.boolean() }).map(({ rows: unsorted, ...rest }) => {
  const sorted = unsorted.toSorted(([a], [b]) => compareBytes(a, b))
  return { type: 'patch' as const, ...rest, keys: sorted.map(([key]) => key), values: sorted.map(([, value]) => value) }
})

/** Of hellos, welcomes, roots and tells: what is in them is nothing that a message knows. */
const statements = fc.option(bytes(1, 200))

const request: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ type: fc.constant('get root' as const), id, have: rootId, waitMs: fc.nat(30_000) }),
  fc.record({
    type: fc.constant('get blocks' as const),
    id,
    root: node,
    links,
    bytesMax: budget,
  }),
  fc.record({
    type: fc.constant('get range' as const),
    id,
    root: node,
    base: fc.option(node),
    links,
    bytesMax: budget,
  }),
  fc.record({
    type: fc.constant('get patch' as const),
    id,
    from: node,
    to: node,
    after: fc.option(bytes(0, 40)),
    until: fc.option(bytes(0, 40)),
    bytesMax: budget,
  }),
  fc.record({ type: fc.constant('get have' as const), id, root: node, links }),
  fc.record({ type: fc.constant('get peers' as const), id, addresses: fc.array(address, { maxLength: 8 }) }),
  fc
    .record({ signedRoot: fc.option(signedRoot), statements })
    .filter((told) => told.signedRoot !== null || told.statements !== null)
    .map((told) => ({ type: 'tell' as const, ...told })),
  fc.record({ type: fc.constant('get attachments' as const), id }),
  getLink,
  fc.record({
    type: fc.constant('get payloads' as const),
    id,
    names: fc.array(fc.record({ sequence, link: node }), { minLength: 1, maxLength: 16 }),
  }),
)
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ type: fc.constant('root' as const), id, signedRoot: fc.option(signedRoot), statements }),
  fc.record({ type: fc.constant('attachments' as const), id, attachments: fc.option(bytes(1, 300)) }),
  fc.record({
    type: fc.constant('blocks' as const),
    id,
    blocks: fc.array(fc.option(bytes(0, 300)), { minLength: 1, maxLength: 40 }),
  }),
  fc.record({ type: fc.constant('range' as const), id, blocks: fc.array(bytes(0, 300), { maxLength: 40 }) }),
  patch,
  fc.record({ type: fc.constant('have' as const), id, has: fc.array(fc.boolean(), { minLength: 1, maxLength: 256 }) }),
  fc.record({ type: fc.constant('peers' as const), id, addresses: fc.array(address, { maxLength: 32 }) }),
  fc.record({
    type: fc.constant('link' as const),
    id,
    proof: fc.option(bytes(1, 200)),
    frontier: fc.array(hash, { maxLength: 40 }),
  }),
  fc.record({
    type: fc.constant('payloads' as const),
    id,
    signedRoots: fc.array(fc.option(signedRoot), { minLength: 1, maxLength: 16 }),
  }),
  fc.record({ type: fc.constant('refusal' as const), id, reason: fc.constantFrom(...REASONS) }),
)
const hello = fc.record({
  type: fc.constant('hello' as const),
  version: fc.constant(1),
  author: bytes(32, 32),
  name: fc.stringMatching(/^[a-z0-9]{1,48}$/),
  have: rootId,
  packings: fc.uniqueArray(fc.nat(255), { maxLength: 8 }).map((packings) => packings.toSorted((a, b) => a - b)),
  statements,
})
const welcome = fc.oneof(
  fc.record({
    type: fc.constant('welcome' as const),
    version: fc.constant(1),
    status: fc.constantFrom('same' as const, 'empty' as const, 'unknown' as const, 'version' as const, 'busy' as const),
    signedRoot: fc.constant(null),
    statements,
  }),
  fc.record({
    type: fc.constant('welcome' as const),
    version: fc.constant(1),
    status: fc.constantFrom('newest' as const, 'partial' as const),
    signedRoot,
    statements,
  }),
)

/** Name, messages of the kind, and their decoder. */
export const MESSAGE_KINDS: readonly (readonly [string, fc.Arbitrary<Message>, (frame: Uint8Array) => unknown])[] = [
  ['hello', hello, decodeHello],
  ['welcome', welcome, decodeWelcome],
  ['request', request, decodeRequest],
  ['answer', answer, decodeAnswer],
]

/** `frame` is refused with `PEER_PROTOCOL`, or is the one encoding of what it says. */
export function assertDecodesStrictly(decode: (frame: Uint8Array) => unknown, frame: Uint8Array): void {
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
