/** Following: every publish is pulled, whatever becomes of peers meanwhile, until it is told to end. Time is virtual. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Database, type PullResult, Replica } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import type { Channel, PeerDialer } from '../../src/sync/index.ts'
import { collect, createDatabase, DatabaseLab, failureOf, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { passing } from '../support/passing-channel.ts'

const test = suite('db/follow')

interface Following {
  readonly clock: VirtualClock
  readonly lab: DatabaseLab
  readonly db: Database
  readonly replica: Replica
  publish(value: string): Promise<void>
}

/** A question about news that nobody answers is asked again after so long. */
const ASKED_AGAIN_MS = 25_000

async function following(...addresses: string[]): Promise<Following> {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase({ clock })
  for (const address of addresses) lab.serve(address, db)
  const replica = await lab.replica(db, addresses)
  const publish = async (value: string): Promise<void> => {
    await db.put(utf8('n'), utf8(value))
    await db.publish()
  }
  return { clock, lab, db, replica, publish }
}

/** The next result, time passing as it must. */
async function next(clock: VirtualClock, follow: AsyncGenerator<PullResult, void>): Promise<PullResult> {
  const result = await clock.run(follow.next())
  if (result.done === true) throw new Error('expected a result, got the end')
  return result.value
}

test('the first result, then each publish, over one connection', async () => {
  const { clock, db, replica, publish } = await following('alice')
  await publish('0')
  const control = new AbortController()
  const follow = replica.follow({ signal: control.signal })
  assert.is((await next(clock, follow)).to.payload.sequence, 1)
  for (let i = 1; i < 6; i++) {
    const pending = next(clock, follow)
    await publish(String(i))
    const publishedAt = clock.now()
    const result = await pending
    assert.ok(clock.now() - publishedAt < ASKED_AGAIN_MS, 'announced: it was not found by asking again')
    assert.equal([result.to.payload.sequence, result.link], [i + 1, 'linked'])
    assert.is((await collect(result.changes())).length, 1)
    assert.is(text(await replica.get(utf8('n'))), String(i))
    // A hello is one question, and so is each wait for news and each request for blocks.
    assert.ok(result.report.requests <= 4, `${result.report.requests} requests`)
  }
  assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
  control.abort()
  assert.is((await clock.run(follow.next())).done, true)
})

test('the first result comes also where nothing has changed', async () => {
  const { clock, replica, publish } = await following('alice')
  await publish('0')
  await clock.run(replica.pull())
  const follow = replica.follow()
  assert.is((await next(clock, follow)).changed, false)
  await clock.run(replica.close())
  assert.is((await clock.run(follow.next())).done, true)
})

test('a peer that restarts is found again, and what it published meanwhile is pulled', async () => {
  const { clock, lab, db, replica, publish } = await following('alice')
  await publish('0')
  const failures: CoppiceError[] = []
  const follow = replica.follow({ onFailure: (error) => failures.push(error) })
  await next(clock, follow)
  const pending = next(clock, follow)
  await clock.run(clock.sleep(5_000))
  lab.stop('alice')
  await clock.run(clock.sleep(60_000))
  await publish('1')
  lab.serve('alice', db)
  assert.is((await pending).to.payload.sequence, 2)
  assert.ok(failures.length > 2 && failures.length < 12, `${failures.length} failures in a minute`)
  assert.ok(failures.every(({ code }) => code === 'NO_PEER_LEFT'))
  await clock.run(replica.close())
})

test('a peer that is there from the start is not needed', async () => {
  const { clock, lab, db, replica, publish } = await following()
  await replica.setPeers(['late'])
  const pending = next(clock, replica.follow())
  await clock.run(clock.sleep(20_000))
  await publish('0')
  lab.serve('late', db)
  assert.is((await pending).to.payload.sequence, 1)
  await clock.run(replica.close())
})

test('with one of two peers lost, the other goes on, and the first is asked again later', async () => {
  const { clock, lab, db, replica, publish } = await following('alice', 'bob')
  await publish('0')
  const follow = replica.follow()
  await next(clock, follow)
  lab.stop('alice')
  let pending = next(clock, follow)
  await publish('1')
  assert.is((await pending).to.payload.sequence, 2)
  lab.serve('alice', db)
  pending = next(clock, follow)
  await clock.run(clock.sleep(400_000))
  lab.stop('bob')
  await publish('2')
  const { report } = await pending
  assert.ok(report.peers.some(({ name, outcome }) => name === 'alice' && outcome === 'used'))
  await clock.run(replica.close())
})

test('a malformed root is reported once and passed over; the next good one is taken at once', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const rogue = new RogueAuthor(clock)
  const row = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]
  lab.handle(
    'alice',
    rogue.showing(() => rogue.published?.signed),
  )
  await rogue.publish(row('good'))
  const replica = await lab.replica(rogue, ['alice'])
  const failures: CoppiceError[] = []
  const follow = replica.follow({ onFailure: (error) => failures.push(error) })
  await next(clock, follow)
  const { root, entries, bytes } = (await replica.snapshot()).tree.ref
  const pending = next(clock, follow)
  await rogue.sign({ root, entries: entries + 1, bytes })
  await clock.run(clock.sleep(100_000))
  assert.equal(
    failures.map(({ code }) => code),
    ['TREE_MALFORMED'],
  )
  assert.is(text(await replica.get(utf8('n'))), 'good')
  const before = clock.now()
  await rogue.publish(row('better'))
  assert.is((await pending).to.payload.sequence, 3)
  assert.ok(clock.now() - before < 3_000, `${clock.now() - before} ms`)
  await clock.run(replica.close())
})

test('equivocation ends it', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const rogue = new RogueAuthor(clock)
  lab.handle(
    'alice',
    rogue.showing(() => rogue.published?.signed),
  )
  await rogue.publish([{ key: utf8('n'), value: utf8('1') }])
  const other = rogue.fork()
  await rogue.publish([{ key: utf8('n'), value: utf8('2') }])
  const rival = await other.publish([{ key: utf8('n'), value: utf8('3') }])
  const replica = await lab.replica(rogue, ['alice'])
  const follow = replica.follow()
  await next(clock, follow)
  const pending = failureOf(follow.next())
  lab.stop('alice')
  lab.handle('alice', other.showing(rival))
  assert.is((await clock.run(pending)).code, 'EQUIVOCATION')
  assert.is(text(await replica.get(utf8('n'))), '2')
})

test('a root from the future, shown again and again, does not keep it busy', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const rogue = new RogueAuthor(clock)
  await rogue.publish([{ key: utf8('n'), value: utf8('1') }])
  let frames = 0
  const handler = rogue.showing(() => rogue.published?.signed)
  lab.handle('alice', (channel) => handler(countingFrames(channel, () => frames++)))
  const replica = await lab.replica(rogue, ['alice'])
  const follow = replica.follow()
  await next(clock, follow)
  const pending = next(clock, follow)
  const day = 86_400
  await rogue.publish([{ key: utf8('n'), value: utf8('2') }], { now: Math.floor(clock.now() / 1000) + day })
  frames = 0
  await clock.run(clock.sleep(60_000))
  assert.ok(frames > 0 && frames < 120, `${frames} questions in a minute`)
  assert.is(text(await replica.get(utf8('n'))), '1')
  // Its time comes.
  await clock.run(clock.sleep(day * 1000))
  assert.is((await pending).to.payload.sequence, 2)
  await clock.run(replica.close())
})

function countingFrames(channel: Channel, onFrame: () => void): Channel {
  return passing(channel, {
    receive: async () => {
      const frame = await channel.receive()
      onFrame()
      return frame
    },
  })
}

test('aborted at any moment of its life it ends without an error', async () => {
  for (let ms = 0; ms < 3_000; ms += 150) {
    const { clock, lab, replica, publish } = await following('alice')
    await publish('0')
    const control = new AbortController()
    const seen = collect(replica.follow({ signal: control.signal }))
    await clock.run(clock.sleep(ms / 2))
    lab.stop('alice')
    await clock.run(clock.sleep(ms / 2))
    control.abort(new Error('enough'))
    assert.ok((await clock.run(seen)).length <= 1)
    await clock.run(replica.close())
  }
})

test('who leaves the loop leaves no connection behind, and may follow again', async () => {
  const { clock, lab, db, replica, publish } = await following('alice')
  await publish('0')
  const honest = lab.handlerOf(db)
  let open = 0
  lab.handle('alice', async (channel) => {
    open++
    await honest(channel).finally(() => open--)
  })
  const leave = async (): Promise<void> => {
    for await (const { to } of replica.follow()) if (to.payload.sequence > 0) break
  }
  for (let i = 0; i < 3; i++) {
    await clock.run(leave())
    await clock.run(clock.sleep(1))
    assert.is(open, 0)
  }
  // Nor does who only stops asking, once the signal has aborted.
  const control = new AbortController()
  await next(clock, replica.follow({ signal: control.signal }))
  assert.is(open, 1)
  control.abort()
  await clock.run(clock.sleep(1))
  assert.is(open, 0)
  assert.is((await clock.run(replica.pull())).changed, false)
})

test('what no other try mends is thrown: a bad address, a handle that only reads, a closed one', async () => {
  const { clock, replica } = await following('alice')
  const { store } = replica.state
  const broken = {
    dialer: (address: string): PeerDialer => {
      throw new CoppiceError('ADDRESS_INVALID', `no address: ${address}`)
    },
    close: () => Promise.resolve(),
  }
  const options = { clock, random: (): number => 0.5, network: broken }
  for (const [code, isWritable] of [
    ['ADDRESS_INVALID', true],
    ['STORE_READ_ONLY', false],
  ] as const) {
    const other = await Replica.load(store, { ...options, isWritable })
    assert.is((await clock.run(failureOf(collect(other.follow())))).code, code)
  }
  await clock.run(replica.close())
  assert.equal(await collect(replica.follow()), [])
})

test.run()
