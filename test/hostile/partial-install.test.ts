/**
 * Threats 7 and 13: a state mixed from several roots, or shown before all of it is there. A pull has one pinned root, and
 * its state is shown as a whole or not at all, whenever it is cut off and whatever is published meanwhile.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, Replica } from '../../src/db/index.ts'
import { checkTree, type Edit } from '../../src/prolly/index.ts'
import { between } from '../support/between.ts'
import {
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  outcomesOf,
  text,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('hostile/partial-install')

const COUNT = 6000

/** Every row says of which release it is, so that a mixture shows. More than one answer holds. */
async function release(db: Database, number: number): Promise<void> {
  await db.batch((tx) =>
    tx.apply(
      Array.from({ length: COUNT }, (_, i): Edit => {
        return { key: utf8(String(i).padStart(6, '0')), value: utf8(`release ${number}`.padEnd(400)) }
      }),
    ),
  )
  await db.publish()
}

/** The one release of all rows; undefined before there is a state. */
async function releaseOf(replica: Replica): Promise<string | undefined> {
  if (!(await replica.isComplete())) return undefined
  const snapshot = await replica.snapshot()
  await checkTree(replica.state.store, snapshot.tree.ref)
  const releases = new Set<string | undefined>()
  let rows = 0
  for await (const { value } of snapshot.scan()) {
    releases.add(text(value)?.trimEnd())
    rows++
  }
  assert.equal([rows, releases.size], [COUNT, 1])
  return [...releases][0]
}

test('releases published during a pull are not mixed into it; the next pull takes the newest', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  await release(db, 1)
  const honest = lab.handlerOf(db)
  let published = 1
  lab.handle('alice', (channel) =>
    honest(
      between(channel, async () => {
        if (published < 4) await release(db, ++published)
      }),
    ),
  )
  const replica = await lab.replica(db, ['alice'])
  const first = await replica.pull()
  assert.ok(published > 1)
  assert.is(first.to.payload.sequence, 1)
  assert.is(await releaseOf(replica), 'release 1')
  const { to } = await replica.pull()
  assert.is(await releaseOf(replica), `release ${to.payload.sequence}`)
})

test('peers at different releases: one root is pinned, all blocks are of it', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  const names: string[] = []
  for (let number = 1; number <= 3; number++) {
    await release(db, number)
    const copy = await lab.replica(db, ['author'])
    lab.serve('author', db)
    await copy.pull()
    lab.serve(`at ${number}`, copy)
    names.push(`at ${number}`)
  }
  const replica = await lab.replica(db, names)
  const { report } = await replica.pull()
  assert.equal(outcomesOf(report), { 'at 1': 'outdated', 'at 2': 'outdated', 'at 3': 'used' })
  assert.is(await releaseOf(replica), 'release 3')
})

test('cut off after any answer: the old release as a whole, for readers of every handle, and for those it serves', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  await release(db, 1)
  lab.serve('alice', db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  await replica.pull()
  await release(db, 2)
  const honest = lab.handlerOf(db)
  lab.serve('replica', replica)
  const cuts: number[] = []
  for (let last = 1; last < 60; last++) {
    lab.handle('alice', (channel) =>
      honest(
        between(channel, (answers) => {
          if (answers < last) return Promise.resolve()
          channel.abort(new Error('cut'))
          return Promise.reject(new Error('cut'))
        }),
      ),
    )
    const outcome: unknown = await replica.pull().catch((error: unknown) => error)
    if (!(outcome instanceof Error)) break
    cuts.push(last)
    assert.is(await releaseOf(replica), 'release 1')
    const reader = await openDatabase(store, { isWritable: false })
    assert.equal((await reader.snapshot()).root, (await replica.snapshot()).root)
    const onward = await lab.replica(db, ['replica'])
    assert.is((await onward.pull()).to.payload.sequence, 1, 'it announces what it has whole')
    assert.is(await releaseOf(onward), 'release 1')
  }
  assert.ok(cuts.length > 0)
  assert.is(await releaseOf(replica), 'release 2')
})

test('a first pull that is not done is nothing to read, and only its parts are served', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase()
  await release(db, 1)
  const honest = lab.handlerOf(db)
  const replica = await lab.replica(db, ['alice'])
  lab.serve('replica', replica)
  lab.handle('alice', (channel) =>
    honest(between(channel, (n) => (n > 1 ? Promise.reject(new Error('cut')) : Promise.resolve()))),
  )
  assert.is((await clock.run(failureOf(replica.pull()))).code, 'NO_PEER_LEFT')
  for (const use of [
    replica.snapshot(),
    replica.get(utf8('000001')),
    replica.count(),
    replica.collection('x').count(),
  ]) {
    assert.is((await failureOf(use)).code, 'ROOT_NOT_FOUND')
  }
  assert.is(await replica.published(), undefined)
  const onward = await lab.replica(db, ['replica'])
  const error = await clock.run(failureOf(onward.pull()))
  assert.is(error.code, 'NO_PEER_LEFT')
  assert.is(await onward.isComplete(), false)
})

test.run()
