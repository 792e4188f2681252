/** A speed and a time left that can be believed: near the truth, without jumps, and nothing where nothing can be known. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ProgressMeter } from '../../src/db/pulling/progress-meter.ts'
import { Random } from '../support/random.ts'

const test = suite('db/progress-meter')

interface Line {
  /** Bytes in a second, at a time in milliseconds. */
  readonly rate: (ms: number) => number
  /** Bytes of an arrival. */
  readonly lump: (arrival: number) => number
  /** Of what is passed at that byte, how much is here before: 0..1. */
  readonly here?: (byte: number) => number
}

interface Reading {
  readonly at: number
  readonly rate: number | undefined
  readonly left: number | undefined
}

/** A pull of `total` bytes over the line, looked at every 200 ms. */
function pull(total: number, { rate, lump, here = () => 0 }: Line): { readings: Reading[]; endedAt: number } {
  const meter = new ProgressMeter(0)
  const readings: Reading[] = []
  let [now, looked, fetched, held] = [0, 0, 0, 0]
  for (let arrival = 0; fetched + held < total; arrival++) {
    const bytes = Math.min(total - fetched - held, lump(arrival))
    const found = Math.round(bytes * here(fetched + held))
    for (let left = bytes - found; left > 0;) {
      const step = Math.min(left, (rate(now) * 50) / 1000)
      left -= step
      now += Math.max(1, (step * 1000) / Math.max(1, rate(now)))
      for (; looked < now; looked += 200) {
        const bytesLeft = total - fetched - held
        readings.push({ at: looked, rate: meter.bytesPerSecond(looked), left: meter.secondsLeft(looked, bytesLeft) })
      }
    }
    fetched += bytes - found
    held += found
    meter.note(now, fetched, held)
  }
  return { readings, endedAt: now }
}

const told = (readings: readonly Reading[]): Reading[] => readings.filter(({ left }) => left !== undefined)

/** `lumpSeconds`: what one arrival takes away at once. */
function assertSteady(readings: readonly Reading[], where: string, lumpSeconds = 0): void {
  let before: Reading | undefined
  for (const reading of readings) {
    const { left = 0 } = reading
    assert.ok(Number.isInteger(left) && left >= 0, where)
    if (before !== undefined && reading.at - before.at <= 200) {
      const change = Math.abs(left - (before.left ?? 0))
      assert.ok(
        change <= 3 + 0.3 * (before.left ?? 0) + lumpSeconds,
        `${where}: ${before.left} s, then ${left} s at ${reading.at} ms`,
      )
    }
    before = reading
  }
}

test('at a steady rate it is right all the way, whatever the size of arrivals', () => {
  const random = new Random(1)
  for (const lump of [4_000, 64_000, 1_000_000]) {
    for (const rate of [100_000, 3_000_000, 50_000_000]) {
      const total = rate * 120
      const { readings, endedAt } = pull(total, {
        rate: () => rate,
        lump: () => lump * (0.5 + random.below(100) / 100),
      })
      const where = `${rate} bytes/s in pieces of ${lump}`
      const seen = told(readings)
      assert.ok(
        seen.length > readings.length / 2 || lump > rate * 5,
        `${where}: told ${seen.length} of ${readings.length}`,
      )
      for (const { at, left = 0 } of seen) {
        const truth = (endedAt - at) / 1000
        assert.ok(
          Math.abs(left - truth) <= 2 + 0.35 * truth + (2 * lump) / rate,
          `${where}: ${left} s where ${truth} s were left`,
        )
      }
      assertSteady(seen, where, (1.5 * lump) / rate)
    }
  }
})

test('nothing is said in the first seconds, nor before some arrivals', () => {
  const { readings } = pull(10_000_000, { rate: () => 1_000_000, lump: () => 10_000 })
  assert.ok(readings.filter(({ at }) => at < 3000).every(({ rate, left }) => rate === undefined && left === undefined))
  assert.ok(readings.some(({ at, left }) => at < 4000 && left !== undefined))
  const slow = pull(3_000_000, { rate: () => 100_000, lump: () => 1_000_000 })
  assert.equal(told(slow.readings), [])
})

test('a line that gets slower or faster is followed within its window, without a jump', () => {
  for (const [before, after] of [
    [4_000_000, 1_000_000],
    [1_000_000, 4_000_000],
  ] as const) {
    const rate = (ms: number): number => (ms < 60_000 ? before : after)
    const { readings, endedAt } = pull(before * 60 + after * 120, { rate, lump: () => 50_000 })
    const seen = told(readings)
    assertSteady(seen, `${before}, then ${after}`)
    for (const { at, left = 0 } of seen.filter(({ at }) => at > 77_000)) {
      const truth = (endedAt - at) / 1000
      assert.ok(Math.abs(left - truth) <= 2 + 0.1 * truth, `${left} s where ${truth} s were left`)
    }
  }
})

test('where nothing comes, the speed falls, the time grows, and soon nothing is said', () => {
  const meter = new ProgressMeter(0)
  for (let ms = 100; ms <= 10_000; ms += 100) meter.note(ms, ms * 1000, 0)
  const at = (ms: number): [number | undefined, number | undefined] => [
    meter.bytesPerSecond(ms),
    meter.secondsLeft(ms, 10_000_000),
  ]
  assert.equal(at(10_000), [1_000_000, 10])
  const [rate = 0, left = 0] = at(25_000)
  assert.ok(rate < 500_000 && left > 20, `${rate} bytes/s, ${left} s`)
  assert.is(at(39_999)[1] === undefined, false)
  assert.is(at(40_000)[1], undefined)
})

test('what was here is no speed, and where most of the tree is, nobody knows how much is left to fetch', () => {
  // A clone that goes on: the first half is here.
  const resumed = pull(100_000_000, { rate: () => 1_000_000, lump: () => 20_000, here: (byte) => (byte < 5e7 ? 1 : 0) })
  assert.ok(Math.abs(resumed.endedAt - 50_000) < 1000)
  const seen = told(resumed.readings)
  assert.ok(seen.length > 0)
  for (const { at, left = 0, rate = 0 } of seen) {
    assert.ok(Math.abs(rate - 1_000_000) < 50_000, `${rate} bytes/s`)
    assert.ok(Math.abs(left - (resumed.endedAt - at) / 1000) <= 3, `${left} s at ${at} ms`)
  }
  // An update of one percent.
  const updated = pull(1e9, { rate: () => 500_000, lump: () => 100_000, here: () => 0.99 })
  assert.equal(told(updated.readings), [])
  assert.ok(updated.readings.some(({ rate }) => rate !== undefined && Math.abs(rate - 500_000) < 50_000))
})

test('a newer target keeps the speed, and what came for the last one counts as progress, not as luck', () => {
  const meter = new ProgressMeter(0)
  for (let ms = 100; ms <= 20_000; ms += 100) meter.note(ms, ms * 1000, 0)
  assert.ok(Math.abs((meter.secondsLeft(20_000, 20_000_000) ?? 0) - 20) <= 1)
  meter.retarget()
  meter.note(20_100, 0, 19_000_000)
  assert.ok(Math.abs((meter.bytesPerSecond(20_100) ?? 0) - 1_000_000) < 20_000)
  assert.ok(Math.abs((meter.secondsLeft(20_100, 20_000_000) ?? 0) - 20) <= 1)
  for (let ms = 100; ms <= 5_000; ms += 100) meter.note(20_100 + ms, ms * 1000, 19_000_000)
  assert.ok(Math.abs((meter.secondsLeft(25_100, 15_000_000) ?? 0) - 15) <= 1)
})

test('at the end there is nothing left', () => {
  const meter = new ProgressMeter(0)
  assert.is(meter.secondsLeft(0, 0), 0)
  assert.is(meter.secondsLeft(10_000, -1), 0)
})

test.run()
