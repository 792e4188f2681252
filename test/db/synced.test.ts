/** `replica.synced`: resolves when what is shown has the sequence, and not before, whoever pulls and however it races. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, Replica } from '../../src/db/index.ts'
import { createDatabase, DatabaseLab, text, thrownBy, utf8, WatchedStore } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { Random } from '../support/random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/synced')

interface Scene {
  readonly clock: VirtualClock
  readonly lab: DatabaseLab
  readonly db: Database
  readonly replica: Replica
  readonly store: WatchedStore
  publish(): Promise<number>
}

async function scene(): Promise<Scene> {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase({ clock })
  lab.serve('alice', db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  const publish = async (): Promise<number> => {
    const sequence = ((await db.published())?.payload.sequence ?? 0) + 1
    await db.put(utf8('n'), utf8(String(sequence)))
    await db.publish()
    return sequence
  }
  return { clock, lab, db, replica, store, publish }
}

test('at once where it is there; without a sequence, the newest accepted', async () => {
  const { clock, lab, replica, publish } = await scene()
  await publish()
  await clock.run(replica.pull())
  assert.is((await replica.synced()).payload.sequence, 1)
  assert.is((await replica.synced(1)).payload.sequence, 1)
  // A newer root is accepted, and cannot be had: that one is waited for.
  await publish()
  lab.stop('alice')
  let isSynced = false
  const waiting = thrownBy(replica.synced(2).then(() => (isSynced = true)))
  await clock.run(clock.sleep(10_000))
  assert.is(isSynced, false)
  await clock.run(replica.close())
  assert.is(((await waiting) as Error).name, 'AbortError')
})

test('before the first pull it waits for the first state', async () => {
  const { clock, replica, publish } = await scene()
  const waiting = replica.synced()
  await publish()
  await clock.run(clock.sleep(5_000))
  await clock.run(replica.pull())
  assert.is((await clock.run(waiting)).payload.sequence, 1)
})

test('any order of publishes, pulls and waits: each resolves when its sequence is shown, and reads at least that', async () => {
  const random = new Random(3)
  for (let round = 0; round < 20; round++) {
    const { clock, replica, publish } = await scene()
    const control = new AbortController()
    let published = 0
    let shown = 0
    const following = (async (): Promise<void> => {
      for await (const { to } of replica.follow({ signal: control.signal })) shown = to.payload.sequence
    })()
    const waits: Promise<void>[] = []
    for (let step = 0; step < 20; step++) {
      if (random.chance(0.5)) published = await publish()
      const sequence = random.between(1, published + 3)
      waits.push(
        replica.synced(sequence).then(async (root) => {
          assert.ok(root.payload.sequence >= sequence, `${root.payload.sequence} where ${sequence} was waited for`)
          const value = Number(text(await replica.get(utf8('n'))))
          assert.ok(value >= sequence, `reads ${value} where ${sequence} was waited for`)
        }),
      )
      if (random.chance(0.5)) await clock.run(clock.sleep(random.between(0, 3_000)))
    }
    while (published < 25) published = await publish()
    await clock.run(Promise.all(waits))
    await clock.run(replica.synced(25))
    await clock.run(clock.sleep(1_000))
    assert.is(shown, 25)
    control.abort()
    await clock.run(following)
  }
})

test('what another handle pulls counts, and what was accepted and not completed does not', async () => {
  const { clock, lab, replica, store, publish } = await scene()
  await publish()
  const other = await lab.openReplica(store)
  const waiting = replica.synced(1)
  store.failsAtWrite = store.writes + 1
  await clock.run(other.pull().catch(() => {}))
  assert.is((await replica.standing()).newest?.payload.sequence, 1)
  let isSynced = false
  void waiting.then(() => (isSynced = true))
  await clock.run(clock.sleep(5_000))
  assert.is(isSynced, false)
  const newest = replica.synced()
  store.failsAtWrite = Infinity
  await clock.run(other.pull())
  assert.equal([(await clock.run(waiting)).payload.sequence, (await clock.run(newest)).payload.sequence], [1, 1])
})

test('it ends with its signal and with the handle, before and while it waits', async () => {
  const { clock, replica } = await scene()
  const aborted = AbortSignal.abort(new Error('stop'))
  assert.match(String(await thrownBy(replica.synced(1, { signal: aborted }))), 'stop')
  const control = new AbortController()
  const waiting = thrownBy(replica.synced(1, { signal: control.signal }))
  await clock.run(clock.sleep(1_000))
  control.abort(new Error('enough'))
  assert.match(String(await clock.run(waiting)), 'enough')
  await clock.run(replica.close())
  assert.is(((await thrownBy(replica.synced())) as Error).name, 'AbortError')
})

test('a higher epoch supersedes whatever sequence the one before had come to', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const author = new RogueAuthor(clock)
  const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]
  await author.publish(rows('1'))
  const other = author.fork()
  for (const value of ['2', '3']) await author.publish(rows(value))
  const before = await author.publish(rows('4'))
  const after = await other.publish(rows('2, anew'), { epoch: 1 })
  const store = new WatchedStore()
  const replica = await lab.replica(author, ['alice'], store)
  const settled: string[] = []
  const wait = (name: string, sequence?: number): Promise<void> =>
    replica.synced(sequence).then(({ payload }) => void settled.push(`${name}: ${payload.epoch}/${payload.sequence}`))
  const early = wait('before any root', 4)
  lab.handle('alice', author.showing(before))
  await clock.run(replica.pull())
  await clock.run(early)
  const waits = [wait('of the epoch before', 5)]
  await clock.run(clock.sleep(1_000))
  // The higher epoch is accepted, and its tree does not come: what is shown has a higher sequence, and is superseded.
  lab.handle('alice', other.showing(after))
  store.failsAtWrite = store.writes + 2
  await clock.run(replica.pull().catch(() => {}))
  assert.equal((await replica.standing()).newest?.payload.epoch, 1)
  assert.is((await replica.published())?.payload.sequence, 4)
  waits.push(wait('newest'), wait('2', 2))
  const never = thrownBy(replica.synced(3))
  await clock.run(clock.sleep(5_000))
  assert.equal(settled, ['before any root: 0/4'])
  store.failsAtWrite = Infinity
  await clock.run(replica.pull())
  await clock.run(Promise.all(waits))
  assert.equal(settled.slice(1).toSorted(), ['2: 1/2', 'newest: 1/2', 'of the epoch before: 1/2'])
  await clock.run(clock.sleep(1_000))
  await replica.close()
  assert.is(((await never) as Error).name, 'AbortError')
})

test.run()
