/**
 * What every Channel does, whatever carries it. Sizes are of frames; where the number of bytes on the way matters,
 * bytes are counted, never time measured.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { CoppiceError, type ErrorCode } from '../../src/errors.ts'
import { FRAME_BYTES_MAX } from '../../src/limits.ts'
import type { Channel } from '../../src/sync/channel.ts'
import { seededRandom } from '../support/seeded-random.ts'

export interface ChannelPair {
  readonly a: Channel
  readonly b: Channel
}

/** What a sender may have on the way to a reader that does not read: buffers of both sides and one frame. */
const ON_THE_WAY_BYTES_MAX = 4 * 1024 * 1024

export function testChannels(test: Test, open: () => Promise<ChannelPair>): void {
  test('carries frames of any size in order, both ways at once', async () => {
    const { a, b } = await open()
    const random = seededRandom(1)
    const sizes = Array.from({ length: 300 }, () => 1 + Math.floor(random() ** 4 * 200_000))
    const transfer = async (from: Channel, to: Channel): Promise<void> => {
      const sending = sendAll(from, sizes.map(patterned))
      for (const [i, size] of sizes.entries()) assert.ok(isPattern(await to.receive(), size, i), `frame ${i}`)
      await sending
    }
    await Promise.all([transfer(a, b), transfer(b, a)])
    await endBoth(a, b)
    assert.is(a.bytesSent, b.bytesReceived)
    assert.is(b.bytesSent, a.bytesReceived)
    assert.is(a.bytesSent, sizes.reduce((sum, size) => sum + 4 + size, 0)) // prettier-ignore
  })

  test('carries the largest frame, and refuses larger and empty ones unharmed', async () => {
    const { a, b } = await open()
    await rejects(a.send(new Uint8Array(FRAME_BYTES_MAX + 1)), RangeError)
    await rejects(a.send(new Uint8Array(0)), RangeError)
    const sending = a.send(patterned(FRAME_BYTES_MAX, 0))
    assert.ok(isPattern(await b.receive(), FRAME_BYTES_MAX, 0))
    await sending
    await endBoth(a, b)
  })

  test('carries 20,000 frames of 12 bytes', async () => {
    const { a, b } = await open()
    const sending = (async () => {
      for (let i = 0; i < 20_000; i++) await a.send(patterned(12, i))
    })()
    for (let i = 0; i < 20_000; i++) assert.ok(isPattern(await b.receive(), 12, i))
    await sending
    await endBoth(a, b)
  })

  test('stops a sender whenever its peer stops reading, and lets it go on after', async () => {
    const { a, b } = await open()
    const frames = 256
    const size = 64 * 1024
    let accepted = 0
    const sending = (async () => {
      for (let i = 0; i < frames; i++) {
        await a.send(patterned(size, i))
        accepted += size
      }
    })()
    let received = 0
    for (const readThen of [0, 1, 8, 12, 40]) {
      for (let i = 0; i < readThen; i++) assert.ok(isPattern(await b.receive(), size, received++), `frame ${received}`)
      await untilSteady(() => accepted)
      const onTheWay = accepted - received * size
      assert.ok(onTheWay < ON_THE_WAY_BYTES_MAX, `${onTheWay} bytes accepted and not read, after ${received} frames`)
    }
    while (received < frames) assert.ok(isPattern(await b.receive(), size, received++), `frame ${received}`)
    await sending
    await endBoth(a, b)
  })

  test('moves 100 MiB to a slow reader with a bounded number of bytes on the way', async () => {
    const { a, b } = await open()
    const size = 256 * 1024
    const frames = 400
    let sent = 0
    let received = 0
    let onTheWayMax = 0
    const sending = (async () => {
      for (let i = 0; i < frames; i++) {
        await a.send(patterned(size, i))
        sent += size
        onTheWayMax = Math.max(onTheWayMax, sent - received)
      }
    })()
    for (let i = 0; i < frames; i++) {
      assert.ok(isPattern(await b.receive(), size, i))
      received += size
      if (i % 16 === 0) await nextTurn()
    }
    await sending
    assert.ok(onTheWayMax < ON_THE_WAY_BYTES_MAX, `${onTheWayMax} bytes on the way`)
    await endBoth(a, b)
  })

  test('delivers what was sent before a close, to a reader that comes later', async () => {
    const { a, b } = await open()
    const sizes = Array.from({ length: 20 }, (_, i) => 1 + i * 2_000)
    await sendAll(a, sizes.map(patterned))
    await a.close()
    await sleep(20)
    for (const [i, size] of sizes.entries()) assert.ok(isPattern(await b.receive(), size, i))
    assert.is(await b.receive(), undefined)
    await b.close()
  })

  test('delivers what is in flight when closed, however much that is', async () => {
    const { a, b } = await open()
    const size = 128 * 1024
    const sending = Promise.all(Array.from({ length: 64 }, (_, i) => a.send(patterned(size, i))))
    const closing = a.close()
    for (let i = 0; i < 64; i++) assert.ok(isPattern(await b.receive(), size, i))
    assert.is(await b.receive(), undefined)
    assert.is(await b.receive(), undefined)
    await Promise.all([sending, closing])
    await b.close()
  })

  test('is closed in each direction by itself', async () => {
    const { a, b } = await open()
    await a.send(patterned(5, 0))
    await a.close()
    assert.ok(isPattern(await b.receive(), 5, 0))
    assert.is(await b.receive(), undefined)
    await b.send(patterned(7, 1))
    await b.close()
    assert.ok(isPattern(await a.receive(), 7, 1))
    assert.is(await a.receive(), undefined)
    await a.close()
  })

  test('takes nothing after its own close', async () => {
    const { a, b } = await open()
    await a.close()
    await rejects(a.send(patterned(1, 0)), 'PEER_UNREACHABLE')
    await b.close()
  })

  test('abort rejects what is pending here with its reason, and breaks the other side', async () => {
    const { a, b } = await open()
    const reason = new Error('enough')
    const receiving = a.receive()
    const blocked = Promise.all(Array.from({ length: 128 }, () => a.send(new Uint8Array(64 * 1024))))
    await nextTurn()
    a.abort(reason)
    a.abort(new Error('again'))
    await rejects(receiving, reason)
    await rejects(blocked, reason)
    await rejects(a.send(patterned(1, 0)), reason)
    await rejects(a.receive(), reason)
    await a.close()
    await rejects(receiveAll(b), 'PEER_UNREACHABLE')
    await rejects(b.receive(), 'PEER_UNREACHABLE')
    await rejects(b.send(patterned(1, 0)), 'PEER_UNREACHABLE')
    await b.close()
  })

  test('a sender that waits learns that the reader is gone', async () => {
    const { a, b } = await open()
    const blocked = Promise.all(Array.from({ length: 128 }, () => a.send(new Uint8Array(64 * 1024))))
    await Promise.all([rejects(blocked, 'PEER_UNREACHABLE'), nextTurn().then(() => b.abort(new Error('gone')))])
    await rejects(a.receive(), 'PEER_UNREACHABLE')
  })

  test('has one reader at a time', async () => {
    const { a, b } = await open()
    const first = a.receive()
    await rejects(a.receive(), TypeError)
    await b.send(patterned(3, 0))
    assert.ok(isPattern(await first, 3, 0))
    await endBoth(a, b)
  })

  test('gives frames that belong to the receiver', async () => {
    const { a, b } = await open()
    await sendAll(a, [patterned(10, 0), patterned(10, 1)])
    const first = await b.receive()
    first?.fill(255)
    assert.ok(isPattern(await b.receive(), 10, 1))
    assert.is(first?.buffer.byteLength, 10)
    await endBoth(a, b)
  })
}

/** Bytes that tell their frame and place apart. */
function patterned(size: number, index: number): Uint8Array {
  const frame = new Uint8Array(size).fill(index)
  frame[0] = index >> 8
  frame[size - 1] = size + index
  return frame
}

function isPattern(frame: Uint8Array | undefined, size: number, index: number): boolean {
  return frame !== undefined && Buffer.compare(frame, patterned(size, index)) === 0
}

async function sendAll(channel: Channel, frames: readonly Uint8Array[]): Promise<void> {
  for (const frame of frames) await channel.send(frame)
}

async function receiveAll(channel: Channel): Promise<void> {
  while ((await channel.receive()) !== undefined) continue
}

async function endBoth(a: Channel, b: Channel): Promise<void> {
  await Promise.all([a.close(), b.close()])
  assert.equal(await Promise.all([a.receive(), b.receive()]), [undefined, undefined])
}

/** Until `value` has not changed for a while: the only way to see that something waits. */
async function untilSteady(value: () => number): Promise<void> {
  for (let last = -1, same = 0; same < 5;) {
    await sleep(30)
    same = value() === last ? same + 1 : 0
    last = value()
  }
}

/** Expects a rejection with this very error, of this class, or of this code. */
export async function rejects(work: Promise<unknown>, expected: Error | ErrorCode | ErrorConstructor): Promise<void> {
  const error: unknown = await work.then(
    (value) => assert.unreachable(`expected a rejection, got ${String(value)}`),
    (thrown: unknown) => thrown,
  )
  if (expected instanceof Error) return assert.is(error, expected)
  if (typeof expected === 'function') return assert.instance(error, expected)
  if (!(error instanceof CoppiceError)) throw error
  assert.is(error.code, expected, error.message)
}
