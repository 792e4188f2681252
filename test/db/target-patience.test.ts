/** How long a target is kept: as long as the pull had run before it, so that nobody publishes faster than this is patient. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TargetPatience } from '../../src/db/pulling/target-patience.ts'
import { Random } from '../support/random.ts'

const test = suite('db/target-patience')

/** The targets of a pull that hears of a newer root every `newsMs`, when each takes `fetchMs` and nothing is shared. */
function targetsOf(newsMs: number, fetchMs: number): { targets: number; endedAt: number } {
  const patience = new TargetPatience(0)
  let now = 0
  for (;;) {
    patience.begin(now)
    const news = (Math.floor(now / newsMs) + 1) * newsMs
    const leaveAt = Math.max(news, patience.mayLeaveAt)
    if (patience.since + fetchMs <= leaveAt) return { targets: patience.targets, endedAt: patience.since + fetchMs }
    now = leaveAt
  }
}

test('a first target is left at the first news, later ones get as long as all before them together', () => {
  const patience = new TargetPatience(1000)
  patience.begin(1000)
  assert.equal([patience.targets, patience.mayLeaveAt], [1, 1000])
  patience.begin(1500)
  assert.is(patience.mayLeaveAt, 2000)
  patience.begin(4000)
  assert.equal([patience.targets, patience.mayLeaveAt], [3, 7000])
})

test('whatever the rate of news, the pull ends within four times one fetch, and after few targets', () => {
  const random = new Random(1)
  for (let i = 0; i < 500; i++) {
    const fetchMs = random.between(1, 1_000_000)
    const newsMs = random.between(1, fetchMs)
    const { targets, endedAt } = targetsOf(newsMs, fetchMs)
    const where = `news every ${newsMs} ms, ${fetchMs} ms to fetch: ${targets} targets, ended at ${endedAt} ms`
    assert.ok(endedAt <= 4 * fetchMs + newsMs, where)
    assert.ok(targets <= 3 + Math.log2(fetchMs / newsMs), where)
  }
})

test.run()
