/**
 * A replica passes on what is complete of the tree it fetches: told so as `partial`, and whole for the other side without
 * another connection. Time is virtual, lines have a speed.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Database, providerOptions, Replica } from '../../src/db/index.ts'
import { decodeSignedRoot } from '../../src/pointer/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { ChannelSession, createChannelPair, ProviderSet, serveChannel } from '../../src/sync/index.ts'
import { createDatabase, DatabaseLab, failureOf, outcomesOf, utf8, WatchedStore } from '../support/database-lab.ts'
import { paced } from '../support/paced-channel.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/serving-while-cloning')

const COUNT = 9_000
const RATE = 80_000

interface Scene {
  readonly clock: VirtualClock
  readonly lab: DatabaseLab
  readonly db: Database
  /** Bytes that the author has sent. */
  sent(): number
}

async function scene(fill = 90): Promise<Scene> {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase({ clock })
  await release(db, 1, fill)
  let sent = 0
  const honest = lab.handlerOf(db)
  lab.handle('author', async (channel) => {
    // One line for all who ask: each gets a share that is slow enough.
    await honest(paced(channel, clock, RATE)).finally(() => (sent += channel.bytesSent))
  })
  return { clock, lab, db, sent: () => sent }
}

async function release(db: Database, number: number, fill = 90): Promise<void> {
  const edits = Array.from({ length: COUNT }, (_, i): Edit => {
    const value = `${number} ${Math.imul(i + number, 2654435761) >>> 0} ${'x'.repeat(fill)}`
    return { key: utf8(String(i).padStart(6, '0')), value: utf8(value) }
  })
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
}

async function sessionTo(scene: Scene, replica: Replica): Promise<ChannelSession> {
  const set = new ProviderSet({ clock: scene.clock })
  set.add(providerOptions(replica.state))
  const [channel, theirs] = createChannelPair()
  void serveChannel(theirs, set.handle)
  const session = new ChannelSession(channel, 'replica', scene.clock)
  await session.hello({ author: scene.db.author, name: 'cities', have: null })
  return session
}

test('partial while it fetches: complete subtrees are served, nothing else, and at the end all, over the same session', async () => {
  const here = await scene()
  const { clock, lab, db } = here
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['author'], store)
  const root = (await db.published())?.payload.root ?? new Uint8Array()
  const early = await clock.run(sessionTo(here, replica))
  assert.equal([early.status, early.announced], ['empty', undefined])
  const pull = replica.pull()
  await clock.run(clock.sleep(8_000))
  const session = await clock.run(sessionTo(here, replica))
  assert.is(session.status, 'partial')
  assert.equal(session.announced, (await db.published())?.bytes)
  // A session of before learns of it when it asks, and so may whoever waits.
  assert.equal(await clock.run(early.getRoot(null, 10_000)), (await db.published())?.bytes)
  const held = store.listBlocks(undefined, 200)
  assert.ok(held.length > 20)
  const has = (await clock.run(session.getHave(root, held))) as boolean[]
  assert.equal(
    has,
    held.map((link) => store.getComplete(link) !== undefined),
  )
  assert.ok(has.includes(true))
  assert.is(store.getComplete(root), undefined)
  const blocks = (await clock.run(session.getBlocks(root, held))) as (Uint8Array | null)[]
  for (const [i, bytes] of blocks.entries()) assert.is(bytes !== null, has[i])
  assert.equal(await clock.run(session.getHave(root, [root])), [false])
  await clock.run(pull)
  assert.equal(await clock.run(session.getHave(root, [root])), [true])
  assert.is((await clock.run(sessionTo(here, replica))).status, 'newest')
})

test('a replica that has something complete shows a newer root as soon as it fetches it, and no longer', async () => {
  const here = await scene()
  const { clock, lab, db } = here
  const replica = await lab.replica(db, ['author'])
  await clock.run(replica.pull())
  await release(db, 2)
  const [first, second] = await logOf(db)
  const complete = await clock.run(sessionTo(here, replica))
  assert.equal([complete.status, complete.announced], ['newest', first])
  const pull = failureOf(replica.pull())
  await clock.run(clock.sleep(3_000))
  const session = await clock.run(sessionTo(here, replica))
  assert.equal([session.status, session.announced], ['partial', second])
  // Who was told of a whole tree is not shown one in parts.
  assert.is(await clock.run(complete.getRoot(null, 0)), undefined)
  // The tree before is served as well.
  const { root } = (await replica.snapshot()).tree.ref
  assert.equal(await clock.run(session.getHave(root, [root])), [true])
  lab.stop('author')
  assert.is((await clock.run(pull)).code, 'NO_PEER_LEFT')
  const after = await clock.run(sessionTo(here, replica))
  assert.equal([after.status, after.announced], ['newest', first])
  // Whoever waited since before is told when it is whole.
  const { link } = decodeSignedRoot(first ?? new Uint8Array())
  const waiting = complete.getRoot({ payload: link, epoch: 0, sequence: 1 }, 30_000)
  waiting.catch(() => {})
  lab.serve('author', db)
  await clock.run(replica.pull())
  assert.equal(await clock.run(waiting), second)
})

async function logOf(db: Database): Promise<Uint8Array[]> {
  const log: Uint8Array[] = []
  for await (const { signedRoot } of db.log()) log.unshift(signedRoot.bytes)
  return log
}

test('another process serves the parts, too, while the clone goes on and after it was interrupted', async () => {
  const here = await scene()
  const { clock, lab, db } = here
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['author'], store)
  const server = await lab.openReplica(store)
  const pull = failureOf(replica.pull())
  await clock.run(clock.sleep(8_000))
  const during = await clock.run(sessionTo(here, server))
  lab.stop('author')
  await clock.run(pull)
  const after = await clock.run(sessionTo(here, server))
  assert.equal([during.status, after.status], ['partial', 'partial'])
  lab.serve('author', db)
  await clock.run(replica.pull())
  assert.is((await clock.run(sessionTo(here, server))).status, 'newest')
})

test('replicas that clone at once take from each other, and the author sends little more than one copy', async () => {
  const here = await scene(900)
  const { clock, lab, db } = here
  const replicas: Replica[] = []
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    const others = ['a', 'b', 'c'].filter((other) => other !== name)
    const store = new WatchedStore()
    await store.write({ meta: Replica.initialMeta(db.author, db.name, ['author', ...others]) })
    // Each has its own randomness, or they would all begin at the same place.
    const options = { clock, random: seededRandom(i + 1), isWritable: true, network: lab.network }
    const replica = await Replica.load(store, options)
    const honest = lab.handlerOf(replica)
    lab.handle(name, (channel) => honest(paced(channel, clock, 10 * RATE)))
    replicas[i] = replica
  }
  const results = await clock.run(Promise.all(replicas.map((replica) => replica.pull())))
  for (const { to, report } of results) {
    assert.is(to.payload.sequence, 1)
    const isGood = report.peers.every(({ outcome }) => outcome === 'used' || outcome === 'unused')
    assert.ok(isGood, JSON.stringify(outcomesOf(report)))
  }
  await Promise.all(replicas.map((replica) => replica.close()))
  await clock.run(clock.sleep(1000))
  const bytes = (await db.published())?.payload.bytes ?? 0
  assert.ok(here.sent() < 2.2 * bytes, `the author sent ${(here.sent() / bytes).toFixed(2)} copies`)
})

test.run()
