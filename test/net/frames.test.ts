import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { FRAME_BYTES_MAX } from '../../src/limits.ts'
import { encodeFrames, FrameDecoder } from '../../src/net/frames.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('net/frames')

const smallFrame = fc.uint8Array({ minLength: 1, maxLength: 40 })
const largeFrame = fc.integer({ min: 900, max: 9_000 }).map((size) => new Uint8Array(size).fill(size))
const frameList = fc.array(fc.oneof(smallFrame, largeFrame), { maxLength: 20 })

/** `bytes` in pieces of the given sizes, over and over. */
function* cut(bytes: Uint8Array, sizes: readonly number[]): Iterable<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    yield bytes.slice(at, at + size)
    at += size
  }
}

function takeAll(decoder: FrameDecoder): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let frame = decoder.take(); frame !== undefined; frame = decoder.take()) frames.push(frame)
  return frames
}

test('a length is 32 bits, big-endian', () => {
  assert.equal(encodeFrames([Uint8Array.of(9), Uint8Array.of(7, 8)]), Uint8Array.of(0, 0, 0, 1, 9, 0, 0, 0, 2, 7, 8))
  assert.is(encodeFrames([new Uint8Array(0x10203)])[1], 1)
})

test('decoding is the inverse of encoding, however the bytes are cut', async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 500, max: 5_000 })), {
    minLength: 1,
    maxLength: 6,
  })
  const property = fc.property(frameList, sizes, fc.boolean(), (frames, pieces, eager) => {
    const decoder = new FrameDecoder()
    const decoded: Uint8Array[] = []
    for (const piece of cut(encodeFrames(frames), pieces)) {
      decoder.push(piece)
      if (eager) decoded.push(...takeAll(decoder))
    }
    decoded.push(...takeAll(decoder))
    assert.equal(decoded, frames)
    assert.ok(decoder.atBoundary)
    assert.is(decoder.bytes, 0)
  })
  await assertProperty(property, 300)
})

test('any bytes give frames or PEER_PROTOCOL', async () => {
  const property = fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 30 }), (chunks) => {
    const decoder = new FrameDecoder(64)
    try {
      for (const chunk of chunks) {
        decoder.push(chunk)
        const ready = decoder.ready
        assert.is(decoder.take() !== undefined, ready)
      }
    } catch (error) {
      assert.ok(isCoppiceError(error, 'PEER_PROTOCOL'))
    }
  })
  await assertProperty(property, 500)
})

test('a forbidden length is refused from its header alone', () => {
  for (const announced of [0, FRAME_BYTES_MAX + 1, 0xffff_ffff]) {
    const decoder = new FrameDecoder()
    const header = new Uint8Array(4)
    new DataView(header.buffer).setUint32(0, announced)
    decoder.push(header)
    assert.ok(decoder.ready)
    assert.throws(
      () => decoder.take(),
      (error: unknown) => isCoppiceError(error, 'PEER_PROTOCOL'),
    )
    assert.throws(
      () => decoder.take(),
      (error: unknown) => isCoppiceError(error, 'PEER_PROTOCOL'),
    )
  }
})

test('knows whether it stands between two frames', () => {
  const decoder = new FrameDecoder()
  assert.ok(decoder.atBoundary)
  for (const byte of encodeFrames([Uint8Array.of(5, 6)])) {
    decoder.push(Uint8Array.of(byte))
    assert.not.ok(decoder.atBoundary)
  }
  assert.equal(decoder.take(), Uint8Array.of(5, 6))
  assert.ok(decoder.atBoundary)
})

test.run()
