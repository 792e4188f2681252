/** Frames of the sync protocol: made, damaged and random ones, to every decoder. */
import fc from 'fast-check'
import { encodeMessage } from '../src/sync/wire/index.ts'
import { damaged } from '../test/support/damage.ts'
import { assertDecodesStrictly, MESSAGE_KINDS } from '../test/support/message-properties.ts'
import { Random } from '../test/support/random.ts'

export const summary = 'a frame is the one encoding of its message, or refused with PEER_PROTOCOL'

export function run(seed: number): void {
  const random = new Random(seed)
  assertAnyDecoder(random.bytes(random.below(300)))
  for (const [, messages] of MESSAGE_KINDS) {
    const [message] = fc.sample(messages, { seed: seed | 0, numRuns: 1 })
    if (message === undefined) continue
    const frame = encodeMessage(message)
    assertAnyDecoder(frame)
    for (let i = 0; i < 20; i++) assertAnyDecoder(damaged(random, frame))
  }
}

function assertAnyDecoder(frame: Uint8Array): void {
  for (const [, , decode] of MESSAGE_KINDS) assertDecodesStrictly(decode, frame)
}
