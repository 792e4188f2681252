/** Boundaries (docs/spec/tree.md, 3): committed decisions, and the rule in exact numbers for every format. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_1 } from '../../src/prolly/index.ts'
import { isBoundary } from '../../src/prolly/splitter.ts'
import { xxh32 } from '../../src/prolly/xxh32.ts'
import { assertProperty } from '../support/property.ts'
import { referenceCloses } from '../support/tree-reference.ts'
import { DEEP, WIDE } from '../support/tree-sets.ts'
import { hex } from '../support/hex.ts'
import { type BoundaryVector, ownVectors, sharedVectors } from '../support/tree-vectors.ts'

const test = suite('prolly/splitter')
const shared = sharedVectors()

function assertDecisions(vectors: readonly BoundaryVector[]): void {
  assert.ok(vectors.length >= 200, 'there are decisions')
  for (const { format = FORMAT_1, level, key: text, n, x, e, h, closes } of vectors) {
    const key = hex(text)
    assert.is(xxh32(key, 0, key.length, level), h, `hash of ${text} at level ${level}`)
    const decided = isBoundary(format, level, n, x, e, key, 0, key.length)
    assert.is(decided, closes, `key ${text} level ${level} n ${n} x ${x} e ${e}`)
  }
}

test('committed decisions, each pair one byte apart', () => assertDecisions(ownVectors().boundaries))

const sharedTest = shared === undefined ? test.skip : test
sharedTest(`shared decisions${shared === undefined ? ' (skipped: no shared folder)' : ''}`, () =>
  assertDecisions(shared?.boundaries ?? []),
)

test('every decision equals the rule in exact numbers', async () => {
  const cases = fc.property(
    fc.constantFrom(FORMAT_1, DEEP, WIDE, { ...FORMAT_1, targetBits: 8 }, { ...FORMAT_1, targetBits: 9 }),
    fc.nat(32),
    fc.integer({ min: 1, max: 400 }),
    fc.integer({ min: 1, max: 18445 }),
    fc.integer({ min: 1, max: 2100 }),
    fc.uint8Array({ maxLength: 40 }),
    (format, level, n, x, e, key) => {
      const decided = isBoundary(format, level, n, x, e, key, 0, key.length)
      assert.is(decided, referenceCloses(format, level, n, x, e, key))
    },
  )
  await assertProperty(cases, 3000)
})

test('limits: none before the minimum, always from the maximum, never a single child', () => {
  const key = Uint8Array.of(1, 2, 3)
  const at = (level: number, n: number, x: number, e: number): boolean =>
    isBoundary(FORMAT_1, level, n, x, e, key, 0, 3)
  for (let e = 1; e <= 2048; e += 89) {
    assert.is(at(0, 1, 1023, e), false)
    assert.is(at(0, 1, 16384, e), true)
    assert.is(at(1, 1, 16384, e), false)
    assert.is(at(1, 1, 18445, 18445), false)
    assert.is(at(1, 2, 16384, e), true)
  }
})

test.run()
