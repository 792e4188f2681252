/** Frames of the sync protocol: made, damaged and random ones, to every decoder; and packed answers, folded and damaged at each step. */
import fc from 'fast-check'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../src/errors.ts'
import { packings } from '../src/packings.ts'
import { DecodeFailure } from '../src/prolly/cbor.ts'
import {
  type Answer,
  dataBytesOf,
  decodePacked,
  encodeMessage,
  encodePacked,
  foldAnswer,
  type Packed,
  unpackAnswer,
} from '../src/sync/wire/index.ts'
import { unfoldAnswer } from '../src/sync/wire/unfold.ts'
import { damaged } from '../test/support/damage.ts'
import { randomDataAnswer } from '../test/support/data-answers.ts'
import { assertDecodesStrictly, MESSAGE_KINDS } from '../test/support/message-properties.ts'
import { Random } from '../test/support/random.ts'

export const summary =
  'a frame is the one encoding of its message, or refused with PEER_PROTOCOL; packed answers are what was packed, or refused'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  assertAnyDecoder(random.bytes(random.below(300)))
  for (const [, messages] of MESSAGE_KINDS) {
    const [message] = fc.sample(messages, { seed: seed | 0, numRuns: 1 })
    if (message === undefined) continue
    const frame = encodeMessage(message)
    assertAnyDecoder(frame)
    for (let i = 0; i < 20; i++) assertAnyDecoder(damaged(random, frame))
  }
  await packAndDamage(random)
}

function assertAnyDecoder(frame: Uint8Array): void {
  for (const [, , decode] of MESSAGE_KINDS) assertDecodesStrictly(decode, frame)
  assertUnpacksStrictly(frame)
}

/** No more data comes of it than is allowed, whatever it is. */
async function packAndDamage(random: Random): Promise<void> {
  const answer = await randomDataAnswer(random)
  const dataBytes = dataBytesOf(answer)
  const folded = foldAnswer(answer, dataBytes)
  assert.equal(encodeMessage(unfoldAnswer(folded, dataBytes)), encodeMessage(answer))
  for (const { id, pack } of packings) {
    const bytes = pack?.(folded) ?? folded
    if (bytes.length >= folded.length) continue
    const packed = { packing: id, foldedBytes: folded.length, bytes }
    if (folded.length <= dataBytes) {
      assert.equal(encodeMessage(await unpackAnswer(packed, packings, dataBytes)), encodeMessage(answer))
    }
    const frame = encodePacked(packed)
    assert.is(decodePacked(frame)?.foldedBytes, packed.foldedBytes)
    for (let i = 0; i < 5; i++) assertUnpacksStrictly(damaged(random, frame))
    assertUnpacks({ ...packed, bytes: damaged(random, bytes) }, dataBytes)
  }
  for (let i = 0; i < 10; i++) assertUnfolds(damaged(random, folded), random.below(2 * dataBytes + 1))
}

function assertUnpacksStrictly(frame: Uint8Array): void {
  let packed: Packed | undefined
  try {
    packed = decodePacked(frame)
  } catch (error) {
    assert.ok(isCoppiceError(error, 'PEER_PROTOCOL'), String(error))
  }
  if (packed === undefined) return
  assert.equal(encodePacked(packed), frame)
  assertUnpacks(packed, packed.foldedBytes)
}

function assertUnpacks(packed: Packed, dataBytesMax: number): void {
  try {
    assertWithin(unpackAnswer(packed, packings, dataBytesMax) as Answer, dataBytesMax)
  } catch (error) {
    assert.ok(isCoppiceError(error, 'PEER_PROTOCOL'), String(error))
  }
}

function assertUnfolds(folded: Uint8Array, dataBytesMax: number): void {
  try {
    assertWithin(unfoldAnswer(folded, dataBytesMax), dataBytesMax)
  } catch (error) {
    assert.instance(error, DecodeFailure)
  }
}

/** It is a message of the wire, too. */
function assertWithin(answer: Answer, dataBytesMax: number): void {
  if (answer.type !== 'blocks' && answer.type !== 'range' && answer.type !== 'patch') throw new TypeError(answer.type)
  assert.ok(dataBytesOf(answer) <= dataBytesMax)
  for (const [kind, , decode] of MESSAGE_KINDS) if (kind === 'answer') decode(encodeMessage(answer))
}
