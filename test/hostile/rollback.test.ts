/** Threat 2: peers offer an older root as the newest. A replica never goes back, whoever says so, restarts included. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Replica } from '../../src/db/index.ts'
import type { SignedRoot } from '../../src/pointer/index.ts'
import type { Put } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import { DatabaseLab, outcomesOf, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'

const test = suite('hostile/rollback')

const rows = (value: string): Put[] => [{ key: utf8('n'), value: utf8(value) }]

async function history(author: RogueAuthor, count: number): Promise<SignedRoot[]> {
  const roots: SignedRoot[] = []
  for (let i = 1; i <= count; i++) roots.push(await author.publish(rows(String(i))))
  return roots
}

async function shown(replica: Replica): Promise<(string | number | undefined)[]> {
  return [text(await replica.get(utf8('n'))), (await replica.published())?.payload.sequence]
}

test('every older root is stale, from one peer, from all of them, and after a restart', async () => {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  const roots = await history(author, 5)
  const store = new MemoryStore()
  let replica = await lab.replica(author, ['alice', 'bob'], store)
  for (const name of ['alice', 'bob']) lab.handle(name, author.showing(roots[3] as SignedRoot))
  await replica.pull()
  for (const old of roots.slice(0, 3)) {
    for (const name of ['alice', 'bob']) lab.handle(name, author.showing(old))
    const { changed, judgements, report } = await replica.pull()
    assert.is(changed, false)
    assert.ok(judgements.every(({ outcome }) => outcome === 'stale'))
    assert.equal(outcomesOf(report), { alice: 'outdated', bob: 'outdated' })
    assert.equal(await shown(replica), ['4', 4])
    replica = await lab.openReplica(store)
  }
  lab.handle('bob', author.showing(roots[4] as SignedRoot))
  await replica.pull()
  assert.equal(await shown(replica), ['5', 5])
})

test('a newer root seen but not fetched is the floor all the same', async () => {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  const roots = await history(author, 3)
  const store = new MemoryStore()
  const replica = await lab.replica(author, ['alice'], store)
  lab.handle('alice', author.showing(roots[0] as SignedRoot))
  await replica.pull()
  const stop = new AbortController()
  lab.handle('alice', author.showing(roots[2] as SignedRoot))
  await replica.pull({ signal: stop.signal, onTarget: () => stop.abort() }).catch(() => {})
  assert.equal(await shown(replica), ['1', 1])
  assert.is((await replica.standing()).newest?.payload.sequence, 3)
  const restarted = await lab.openReplica(store)
  lab.handle('alice', author.showing(roots[1] as SignedRoot))
  const outcome = await restarted.pull().then(
    (result) => result.to.payload.sequence,
    (error: unknown) => (error as { code?: string }).code,
  )
  // The peer with the older root has not the newer one's blocks; what it shows is not taken instead.
  assert.ok(outcome === 3 || outcome === 'NO_PEER_LEFT', String(outcome))
  assert.not.equal(await shown(restarted), ['2', 2])
})

test('a follower is not moved back either', async () => {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  const [first, second] = (await history(author, 2)) as [SignedRoot, SignedRoot]
  let newest = second
  lab.handle(
    'alice',
    author.showing(() => newest),
  )
  const replica = await lab.replica(author, ['alice'])
  const follow = replica.follow()
  await follow.next()
  newest = first
  const pending = follow.next()
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(await shown(replica), ['2', 2])
  newest = await author.publish(rows('3'))
  assert.is((await pending).value?.to.payload.sequence, 3)
  await replica.close()
})

test.run()
