/** What a node takes from strangers: bounds of the table, of signatures and of each stranger's share, by a clock of the test. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ValueRules } from '../../../src/carriers/value-network.ts'
import { BoundedDatastore } from '../../../src/net/discovery/bounded-datastore.ts'
import { ValueFloors, type ValueLimits, ValueRefused } from '../../../src/net/discovery/value-floors.ts'
import { seeds } from '../../support/property.ts'
import { Random } from '../../support/random.ts'

const test = suite('net/discovery/value-floors')

/** Values are numbers, and the higher one wins; those that end in 9 are forged, 255 expires at 5000 ms, and 250 has three signatures. */
class Numbers implements ValueRules<number> {
  readonly namespace = 'n'
  readonly bytesMax = 2
  verified = 0
  read(_: Uint8Array, value: Uint8Array): ReturnType<ValueRules<number>['read']> {
    const [number] = value
    if (number === undefined) return undefined
    return {
      floor: number,
      expiresAt: number === 255 ? 5000 : null,
      signatures: number === 250 ? 3 : 1,
      verify: () => {
        this.verified++
        return number % 10 !== 9
      },
    }
  }
  replaces(held: number, next: number): boolean {
    return next > held
  }
}

const SELF = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'

const key = (n: number): Uint8Array => new TextEncoder().encode(`/n/${n}`)
const value = (n: number): Uint8Array => Uint8Array.of(n)

function create(limits: Partial<ValueLimits> = {}): {
  floors: ValueFloors
  rules: Numbers
  clock: { now: number }
  put: (at: number, n: number, source?: string) => string
} {
  const rules = new Numbers()
  const clock = { now: 0 }
  const floors = new ValueFloors([rules], () => clock.now, limits)
  const put = (at: number, n: number, source?: string): string => {
    try {
      floors.admit(key(at), value(n), source)
      return 'taken'
    } catch (error) {
      if (!(error instanceof ValueRefused)) throw error
      return error.reason
    }
  }
  return { floors, rules, clock, put }
}

test('whatever the order of puts, the highest that is no forgery stays', () => {
  for (const seed of seeds(20)) {
    const random = new Random(seed)
    const { put } = create()
    let highest = -1
    for (let i = 0; i < 100; i++) {
      const n = random.below(200)
      const outcome = put(1, n, 'a')
      if (n === highest) assert.is(outcome, 'taken')
      else if (n < highest) assert.is(outcome, 'older')
      else assert.is(outcome, n % 10 === 9 ? 'signature' : 'taken')
      if (outcome === 'taken') highest = n
    }
  }
})

test('what is older, too large, unknown, or the same costs no signature', () => {
  const { floors, rules, put } = create()
  put(1, 50, 'a')
  assert.is(rules.verified, 1)
  for (let i = 0; i < 50; i++) {
    assert.is(put(1, 50, 'a'), 'taken')
    assert.is(put(1, i, 'a'), 'older')
  }
  const reasonOf = (at: Uint8Array, bytes: Uint8Array): string => {
    try {
      floors.admit(at, bytes, 'a')
      return 'taken'
    } catch (error) {
      return error instanceof ValueRefused ? error.reason : 'other'
    }
  }
  assert.is(reasonOf(key(1), Uint8Array.of(200, 0, 0)), 'size')
  assert.is(reasonOf(key(1), new Uint8Array()), 'form')
  for (const name of ['/m/1', '/n', 'n/1', '', '/', '//', `/${'n'.repeat(99)}/1`]) {
    assert.is(reasonOf(new TextEncoder().encode(name), value(1)), 'kind', name)
  }
  assert.is(rules.verified, 1)
  assert.is(floors.counts.same, 50)
})

test('what has expired is not taken, but shown', () => {
  const { floors, put, clock } = create()
  assert.is(put(1, 255, 'a'), 'taken')
  clock.now = 5000
  assert.is(put(2, 255, 'a'), 'expired')
  floors.check(key(2), value(255))
  assert.throws(() => floors.check(key(2), value(9)), /signature/)
})

test('older values of others are shown, and the newest of several is found', () => {
  const { floors, put } = create()
  put(1, 50, 'a')
  floors.check(key(1), value(3))
  assert.is(floors.newest(key(1), [3, 50, 7, 50].map(value)), 1)
  assert.is(put(1, 60, 'b'), 'taken')
  // What a lookup of our own found is kept here from then on.
  assert.is(floors.newest(key(1), [60, 80].map(value)), 1)
  assert.is(put(1, 70, 'b'), 'older')
  floors.newest(key(1), [60, 99].map(value))
  assert.is(put(1, 85, 'b'), 'taken', 'but no forgery')
  floors.newest(key(2), [60].map(value))
  assert.is(floors.size, 1)
})

test('a stranger has so many signatures at once, and so many a second; others have their own', () => {
  const { rules, put, clock } = create({ burst: 4, perSecond: 2, burstOfAll: 10, perSecondOfAll: 5 })
  const flood = (source: string): number =>
    Array.from({ length: 20 }, (_, i) => put(1000 + i, rules.verified % 9, source)).filter((each) => each !== 'busy')
      .length
  const before = rules.verified
  assert.is(flood('a') > 0 ? rules.verified - before : 0, 4)
  flood('b')
  assert.is(rules.verified - before, 8)
  flood('c')
  assert.is(rules.verified - before, 10, 'all together')
  clock.now = 1000
  flood('a')
  assert.is(rules.verified - before, 12)
  clock.now = 10_000_000
  flood('a')
  assert.is(rules.verified - before, 16, 'no more than at once')
  assert.is(put(1, 8), 'taken', 'ourselves are not counted')
})

test('a value with many signatures costs as many', () => {
  const { put, clock } = create({ burst: 7, perSecond: 1, burstOfAll: 100, perSecondOfAll: 100 })
  assert.equal(
    [1, 2, 3].map((at) => put(at, 250, 'a')),
    ['taken', 'taken', 'busy'],
  )
  assert.is(put(4, 1, 'a'), 'taken')
  clock.now = 2000
  assert.is(put(3, 250, 'a'), 'busy')
  clock.now = 3000
  assert.is(put(3, 250, 'a'), 'taken')
})

test('the table is bounded, and a stranger pushes out his own', () => {
  const { floors, put } = create({ floorsMax: 20, floorsPerSourceMax: 5, burst: 1e6, burstOfAll: 1e6 })
  put(1, 50, 'honest')
  put(2, 50)
  // Brought first by the stranger, and kept alive by its author.
  put(3, 1, 'flood')
  put(3, 2, 'honest')
  for (let i = 100; i < 300; i++) put(i, 1, 'flood')
  assert.is(put(3, 1, 'flood'), 'older')
  assert.is(floors.size, 7)
  assert.is(put(1, 40, 'flood'), 'older')
  assert.is(put(2, 40, 'flood'), 'older')
  assert.is(put(299, 0, 'x'), 'older', 'what came last is kept')
  // Put again by the stranger, it is not his to be pushed out.
  put(1, 50, 'flood')
  for (let i = 300; i < 400; i++) put(i, 1, 'flood')
  assert.is(put(1, 40, 'flood'), 'older')
  for (let i = 400; i < 500; i++) put(i, 1, `source ${i}`)
  assert.is(floors.size, 20)
})

test('sources that are remembered are bounded, too', () => {
  const { rules, put } = create({ sourcesMax: 3, burst: 1, perSecond: 0, burstOfAll: 1e6 })
  for (let i = 0; i < 100; i++) put(i, 1, `source ${i}`)
  assert.is(rules.verified, 100)
  assert.is(put(1, 2, 'source 99'), 'busy')
})

test('values kept are bounded in all and by who put them first', () => {
  const memory = new BoundedDatastore(SELF, { valuesMax: 20, valuesPerSourceMax: 5 })
  let source: string | undefined
  memory.currentSource = () => source
  const keyOf = (n: number): Parameters<typeof memory.put>[0] =>
    ({ toString: () => `/dht/record/${n}` }) as Parameters<typeof memory.put>[0]
  const put = (n: number, by: string | undefined): void => {
    source = by
    memory.put(keyOf(n), value(1))
  }
  put(1, 'honest')
  put(2, undefined)
  put(3, 'flood')
  put(3, 'honest')
  for (let i = 100; i < 200; i++) put(i, 'flood')
  assert.is(memory.values, 7)
  assert.ok(memory.has(keyOf(3)), 'what others put, too, goes last')
  put(1, 'flood')
  for (let i = 200; i < 300; i++) put(i, 'flood')
  assert.ok(memory.has(keyOf(1)) && memory.has(keyOf(2)))
  for (let i = 300; i < 400; i++) put(i, `source ${i}`)
  assert.is(memory.values, 20)
  memory.delete(keyOf(399))
  assert.is(memory.values, 19)
  assert.is(memory.entries, 0)
})

test.run()
