/** XXH32 against published values and against the specification's steps in BigInt. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { xxh32 } from '../../src/prolly/xxh32.ts'
import { assertProperty } from '../support/property.ts'
import { referenceXxh32 } from '../support/tree-reference.ts'
import { utf8 } from '../support/tree-sets.ts'

const test = suite('prolly/xxh32')

const PRIME32 = 2654435761

/** The buffer of xxHash's own sanity check: a generator's top bytes. */
function sanityBuffer(length: number): Uint8Array {
  let generator = PRIME32
  return Uint8Array.from({ length }, () => {
    const byte = generator >>> 24
    generator = Math.imul(generator, generator) >>> 0
    return byte
  })
}

/** [length, seed, hash], from the sanity check of Cyan4973/xxHash (BSD-2-Clause). */
const SANITY: readonly (readonly [number, number, number])[] = [
  [0, 0, 0x02cc5d05],
  [0, PRIME32, 0x36b78ae7],
  [1, 0, 0xb85cbee5],
  [1, PRIME32, 0xd5845d64],
  [14, 0, 0xe5aa0ab4],
  [14, PRIME32, 0x4481951d],
  [101, 0, 0x1f1aa412],
  [101, PRIME32, 0x498ec8e2],
]

/** Widely published values of seed 0. */
const TEXTS: readonly (readonly [string, number])[] = [
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
  ['Nobody inspects the spammish repetition', 0xe2293b2f],
]

test('published values', () => {
  for (const [text, hash] of TEXTS) {
    const bytes = utf8(text)
    assert.is(xxh32(bytes, 0, bytes.length, 0), hash, JSON.stringify(text))
  }
  for (const [length, seed, hash] of SANITY) {
    const bytes = sanityBuffer(length)
    assert.is(referenceXxh32(bytes, seed), hash, `reference, ${length} bytes, seed ${seed}`)
    assert.is(xxh32(bytes, 0, length, seed), hash, `${length} bytes, seed ${seed}`)
  }
})

test('any range of any bytes equals the specification in BigInt', async () => {
  const cases = fc.property(
    fc.uint8Array({ maxLength: 90 }),
    fc.nat(40),
    fc.nat(40),
    fc.oneof(fc.nat(32), fc.integer({ min: 0, max: 0xffffffff })),
    (bytes, skipped, dropped, seed) => {
      const start = Math.min(skipped, bytes.length)
      const end = Math.max(start, bytes.length - dropped)
      assert.is(xxh32(bytes, start, end, seed), referenceXxh32(bytes.subarray(start, end), seed))
    },
  )
  await assertProperty(cases, 2000)
})

test.run()
