/** Threat 4, and 5 with it: peers serve an old root for ever, or the author's number jumps. Neither goes unreported. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describePulled } from '../../src/cli/pull-report.ts'
import type { SignedRoot } from '../../src/pointer/index.ts'
import { DatabaseLab, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('hostile/freeze')

const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]

test('a promise that was not kept is reported by pull and by status, and the state stays readable', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const author = new RogueAuthor(clock)
  const now = Math.floor(clock.now() / 1000)
  const root = await author.publish(rows('1'), { expires: now + 3600 })
  lab.handle('alice', author.showing(root))
  const replica = await lab.replica(author, ['alice'])
  assert.is((await clock.run(replica.pull())).freshness, 'fresh')
  await clock.run(clock.sleep(3_600_000))
  const { changed, freshness } = await clock.run(replica.pull())
  assert.equal([changed, freshness], [false, 'expired'])
  assert.is((await replica.standing()).freshness, 'expired')
  assert.is(text(await replica.get(utf8('n'))), '1')
  // An expired root still moves the floor: late news beat none.
  const late = await author.publish(rows('2'), { expires: Math.floor(clock.now() / 1000) + 1 })
  await clock.run(clock.sleep(5_000))
  lab.handle('alice', author.showing(late))
  assert.equal((await clock.run(replica.pull())).to.link, late.link)
})

test('a root from far ahead moves nothing, until its time comes', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const author = new RogueAuthor(clock)
  lab.handle(
    'alice',
    author.showing(() => author.published?.signed),
  )
  await author.publish(rows('1'))
  const replica = await lab.replica(author, ['alice'])
  await clock.run(replica.pull())
  await author.publish(rows('2'), { now: Math.floor(clock.now() / 1000) + 601 })
  const early = await clock.run(replica.pull())
  assert.equal([early.changed, early.judgements[0]?.outcome], [false, 'future'])
  assert.match(
    describePulled('pulled', early).join('\n'),
    /not taken from alice: its root @2 was issued 60[01] s ahead of this clock/,
  )
  assert.is((await replica.standing()).newest?.payload.sequence, 1)
  await clock.run(clock.sleep(2_000))
  assert.is((await clock.run(replica.pull())).to.payload.sequence, 2)
})

test('a jump of the sequence is taken and called unlinked; the next step is linked again', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const author = new RogueAuthor(clock)
  const roots: SignedRoot[] = []
  for (let i = 1; i <= 9; i++) roots.push(await author.publish(rows(String(i))))
  const replica = await lab.replica(author, ['alice'])
  const links: string[] = []
  for (const i of [0, 7, 8]) {
    lab.handle('alice', author.showing(roots[i] as SignedRoot))
    links.push((await clock.run(replica.pull())).link)
  }
  assert.equal(links, ['first', 'unlinked', 'linked'])
})

test.run()
