/** Patience at the edge of the minimum rate: a property over how a peer spreads its bytes. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PATIENCE_MS, RATE_BYTES_PER_SECOND_MIN } from '../../src/sync/limits.ts'
import { Patience } from '../../src/sync/peers/patience.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('sync/patience')

/** Looks once a second at a peer that owes something, until it is dropped or the bytes are used up. */
function watch(bytesPerSecond: readonly number[], answers = 0): 'silent' | 'slow' | undefined {
  const patience = new Patience()
  for (const bytes of bytesPerSecond) {
    const fault = patience.judge({ elapsedMs: 1000, owes: true, bytes, answers })
    if (fault !== undefined) return fault
  }
  return undefined
}

test('nothing at all: silent, after the whole patience and no sooner', () => {
  assert.is(watch(Array.from({ length: PATIENCE_MS / 1000 - 1 }, () => 0)), undefined)
  assert.is(watch(Array.from({ length: PATIENCE_MS / 1000 }, () => 0)), 'silent')
})

test('a peer at the minimum rate is never dropped, whatever the pauses between its bursts', () =>
  assertProperty(
    fc.property(fc.array(fc.integer({ min: 1, max: PATIENCE_MS / 1000 - 1 }), { maxLength: 50 }), (pauses) => {
      // Each pause is paid for by the burst at its end.
      const seconds = pauses.flatMap((pause) => [
        ...Array.from({ length: pause - 1 }, () => 0),
        pause * RATE_BYTES_PER_SECOND_MIN,
      ])
      assert.is(watch(seconds), undefined)
    }),
    200,
  ))

test('a peer at nine tenths of it is, however it spreads its bytes', () =>
  assertProperty(
    fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 200, maxLength: 200 }), (pauses) => {
      const seconds = pauses.flatMap((pause) => [
        ...Array.from({ length: pause - 1 }, () => 0),
        Math.floor(pause * RATE_BYTES_PER_SECOND_MIN * 0.9),
      ])
      assert.is(watch(seconds), 'slow')
    }),
    50,
  ))

test('small answers over a slow line are no fault: each brings a second', () => {
  assert.is(
    watch(
      Array.from({ length: 1000 }, () => 100),
      1,
    ),
    undefined,
  )
})

test('what is not owed costs nothing, and a machine that slept does not blame its peers', () => {
  const patience = new Patience()
  for (let i = 0; i < 100; i++) {
    assert.is(patience.judge({ elapsedMs: 1000, owes: false, bytes: 0, answers: 0 }), undefined)
  }
  assert.is(patience.judge({ elapsedMs: 86_400_000, owes: true, bytes: 0, answers: 0 }), undefined)
})

test.run()
