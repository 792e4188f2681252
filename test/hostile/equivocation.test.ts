/**
 * Threat 6: an author shows different readers different roots. Whoever sees both stops at the state it has, keeps what
 * proves it, and goes on only when the author ends the fork.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Replica } from '../../src/db/index.ts'
import { verifyEvidence, type SignedRoot } from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import { DatabaseLab, failureOf, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'

const test = suite('hostile/equivocation')

const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]

interface Fork {
  readonly author: RogueAuthor
  readonly other: RogueAuthor
  /** Both of sequence 2. */
  readonly one: SignedRoot
  readonly two: SignedRoot
  readonly base: SignedRoot
}

async function fork(): Promise<Fork> {
  const author = new RogueAuthor(surroundings.clock)
  const base = await author.publish(rows('1'))
  const other = author.fork()
  return { author, other, base, one: await author.publish(rows('2a')), two: await other.publish(rows('2b')) }
}

async function assertHalted(replica: Replica, { author }: Fork, value: string): Promise<void> {
  assert.is(text(await replica.get(utf8('n'))), value)
  const { evidence } = await replica.standing()
  assert.is(evidence.length, 1)
  assert.ok(evidence.every((piece) => verifyEvidence(piece, author.authority)))
}

test('both roots in one pull: it stays at what it had complete, whichever came first', async () => {
  for (const order of [
    ['alice', 'bob'],
    ['bob', 'alice'],
  ]) {
    const lab = new DatabaseLab()
    const forked = await fork()
    const { author, other, base, one, two } = forked
    const store = new MemoryStore()
    const replica = await lab.replica(author, ['alice'], store)
    lab.handle('alice', author.showing(base))
    await replica.pull()
    lab.handle('alice', author.showing(one))
    lab.handle('bob', other.showing(two))
    await replica.setPeers(order)
    const error = await failureOf(replica.pull())
    assert.is(error.code, 'EQUIVOCATION')
    assert.ok(error.details['evidence'] !== undefined)
    await assertHalted(replica, forked, '1')
    // Later pulls, with one side only and after a restart, do not take that side.
    const restarted = await lab.openReplica(store)
    for (const side of ['alice', 'bob']) {
      await restarted.setPeers([side])
      assert.is((await failureOf(restarted.pull())).code, 'EQUIVOCATION')
      await assertHalted(restarted, forked, '1')
    }
  }
})

test('the second root later: the complete first one stays, and every pull says why', async () => {
  const lab = new DatabaseLab()
  const forked = await fork()
  const { author, other, one, two } = forked
  const replica = await lab.replica(author, ['alice'])
  lab.handle('alice', author.showing(one))
  await replica.pull()
  lab.handle('bob', other.showing(two))
  await replica.setPeers(['bob'])
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  await assertHalted(replica, forked, '2a')
  // Also where nobody shows anything else any more.
  await replica.setPeers(['alice'])
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  // Nothing of the epoch goes further.
  const third = await author.publish(rows('3'))
  lab.handle('alice', author.showing(third))
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  await assertHalted(replica, forked, '2a')
})

test('a new replica that is shown both has nothing, and takes nothing', async () => {
  const lab = new DatabaseLab()
  const { author, other, one, two } = await fork()
  lab.handle('alice', author.showing(one))
  lab.handle('bob', other.showing(two))
  const replica = await lab.replica(author, ['alice', 'bob'])
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  assert.is(await replica.isComplete(), false)
  await replica.setPeers(['bob'])
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  assert.is(await replica.isComplete(), false)
})

test('a higher epoch ends it; the evidence stays on record', async () => {
  const lab = new DatabaseLab()
  const forked = await fork()
  const { author, other, one, two } = forked
  lab.handle('alice', author.showing(one))
  lab.handle('bob', other.showing(two))
  const replica = await lab.replica(author, ['alice', 'bob'])
  await failureOf(replica.pull())
  const healed = await author.publish(rows('3'), { epoch: 1, resolves: [one.link, two.link] })
  lab.handle('alice', author.showing(healed))
  const { to, link } = await replica.pull()
  assert.equal([to.payload.epoch, link], [1, 'resolved'])
  await assertHalted(replica, forked, '3')
})

test('a forged second root is no evidence: its peer is a liar, the replica goes on', async () => {
  const lab = new DatabaseLab()
  const { author, one } = await fork()
  const stranger = new RogueAuthor(surroundings.clock, 'stranger')
  const forged = await stranger.publish(rows('x'))
  lab.handle('alice', author.showing(one))
  lab.handle('mallory', Object.assign(author.fork(), { published: null }).showing(forged))
  const replica = await lab.replica(author, ['mallory', 'alice'])
  const { report } = await replica.pull()
  assert.is(report.peers.find(({ name }) => name === 'mallory')?.outcome, 'liar')
  assert.equal((await replica.standing()).evidence, [])
})

test.run()
