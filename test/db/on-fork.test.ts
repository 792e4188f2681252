/** What a replica does about a fork, as its owner chose (docs/spec/record.md, 5): it stops, or goes to the highest root; and how a fork ends. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkMeta } from '../../src/db/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import { DatabaseLab, failureOf, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'

const test = suite('db/on-fork')

const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]

async function forked(): Promise<{ lab: DatabaseLab; author: RogueAuthor; other: RogueAuthor }> {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  await author.publish(rows('1'))
  const other = author.fork()
  lab.handle('a', author.showing(await author.publish(rows('2a')), author.history))
  lab.handle('b', other.showing(await other.publish(rows('2b')), other.history))
  return { lab, author, other }
}

test('highest: it keeps the evidence, and goes to the highest root of either chain', async () => {
  const { lab, author, other } = await forked()
  const store = new MemoryStore()
  const replica = await lab.replica(author, ['a', 'b'], store)
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  const first = await replica.pull({ onFork: 'highest' })
  assert.is(first.to.payload.sequence, 2)
  lab.handle('b', other.showing(await other.publish(rows('3b')), other.history))
  const second = await replica.pull()
  assert.is(text(await replica.get(utf8('n'))), '3b')
  assert.is(second.to.payload.sequence, 3)
  // From now on, also after a restart, and there and back.
  const again = await lab.openReplica(store)
  await author.publish(rows('3a'))
  lab.handle('a', author.showing(await author.publish(rows('4a')), author.history))
  assert.equal([(await again.pull()).link, text(await again.get(utf8('n')))], ['superseded', '4a'])
  const { evidence, fork, onFork } = await again.standing()
  assert.equal([evidence.length, fork, onFork], [1, evidence[0], 'highest'])
  assert.equal(await checkMeta(again.state), [])
  await again.setOnFork('stop')
  lab.handle('a', author.showing(await author.publish(rows('5a')), author.history))
  assert.is((await failureOf(again.pull())).code, 'EQUIVOCATION')
  assert.is(text(await again.get(utf8('n'))), '4a')
})

test('highest: what is lower or of the same place moves nothing, whoever shows it first', async () => {
  const { lab, author, other } = await forked()
  for (const peers of [
    ['a', 'b'],
    ['b', 'a'],
  ]) {
    const replica = await lab.replica(author, peers)
    await replica.setOnFork('highest')
    const { to } = await replica.pull()
    await replica.setPeers(peers.toReversed())
    assert.equal((await replica.pull()).to.link, to.link)
  }
  lab.handle('a', author.showing(await author.publish(rows('3a')), author.history))
  const replica = await lab.replica(author, ['a'])
  await replica.pull({ onFork: 'highest' })
  await replica.setPeers(['b'])
  assert.equal((await replica.pull()).to.payload.sequence, 3)
  assert.is((await replica.standing()).evidence.length, other.published === null ? 0 : 1)
})

test('neither goes against a signature, an epoch or the clock', async () => {
  const { lab, author } = await forked()
  const replica = await lab.replica(author, ['a', 'b'])
  await replica.pull({ onFork: 'highest' })
  const stranger = new RogueAuthor(surroundings.clock, 'stranger')
  await stranger.publish(rows('x'))
  await stranger.publish(rows('y'))
  const forged = await stranger.publish(rows('z'))
  lab.handle('a', author.showingBytes(forged.bytes))
  const { report } = await replica.pull()
  assert.is(report.peers.find(({ name }) => name === 'a')?.outcome, 'liar')
  const late = await author.publish(rows('9'), { now: Math.floor(surroundings.clock.now() / 1000) + 3600 })
  lab.handle('a', author.showing(late))
  assert.is((await replica.pull()).judgements.find(({ name }) => name === 'a')?.outcome, 'future')
  assert.is((await replica.standing()).newest?.payload.sequence, 2)
})

test('it ends with a higher epoch of the authority, for those who stopped and those who went on', async () => {
  const { lab, author, other } = await forked()
  const [one, two] = [author.published?.signed, other.published?.signed]
  assert.ok(one !== undefined && two !== undefined)
  const stopped = await lab.replica(author, ['a'])
  await stopped.pull()
  await stopped.setPeers(['b'])
  await failureOf(stopped.pull())
  const onward = await lab.replica(author, ['b', 'a'])
  await onward.pull({ onFork: 'highest' })
  const end = await author.publish(rows('3'), { epoch: 1, resolves: [one.link, two.link] })
  lab.handle('a', author.showing(end))
  for (const replica of [stopped, onward]) {
    await replica.setPeers(['a'])
    assert.is((await replica.pull()).link, 'resolved')
    const standing = await replica.standing()
    assert.equal([standing.fork, standing.evidence.map(({ epoch }) => epoch)], [undefined, [0]])
  }
  // A new replica learns only of what the peers that it asks know.
  lab.serve('stopped', stopped)
  const late = await lab.replica(author, ['stopped'])
  await late.pull()
  assert.equal(
    (await late.standing()).evidence.map(({ epoch }) => epoch),
    [0],
  )
  // The side that lost goes on: nobody follows.
  lab.handle('b', other.showing(await other.publish(rows('3b'))))
  await late.setPeers(['b', 'stopped'])
  assert.is((await late.pull()).to.payload.epoch, 1)
})

test('what is no choice is refused', async () => {
  const { lab, author } = await forked()
  const replica = await lab.replica(author, ['a'])
  assert.is((await failureOf(replica.setOnFork('lowest' as 'stop'))).code, 'USAGE')
  assert.is((await failureOf(replica.pull({ onFork: '' as 'stop' }))).code, 'USAGE')
  assert.is((await replica.standing()).onFork, 'stop')
})

test.run()
