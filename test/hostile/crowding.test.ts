/**
 * Threats 10, 11 and 20: many that are useless in the way of one that is honest. Peers that answer first and have
 * nothing, that are busy for ever, that take what a value is waited for, and channels that leave no room.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { linkCodec, CODEC_RAW } from '../../src/link.ts'
import {
  type Channel,
  createChannelPair,
  createMemoryDialer,
  type PeerDialer,
  ProviderSet,
  serveChannel,
  ChannelSession,
} from '../../src/sync/index.ts'
import { Frontier } from '../../src/sync/fetching/frontier.ts'
import { INTERNAL_NODES_MAX, READY_BLOCKS_MAX, SHARED_PLACES_MAX, STRAGGLER_MS } from '../../src/sync/limits.ts'
import { VerifiedWriter } from '../../src/sync/fetching/verified-writer.ts'
import type { Want } from '../../src/sync/fetching/wants.ts'
import { takeBlocks } from '../support/frontier.ts'
import { createDatabase, DatabaseLab, outcomesOf, text, utf8 } from '../support/database-lab.ts'
import {
  AUTHOR,
  CountingStore,
  Lab,
  NAME,
  never,
  publish,
  type Published,
  sameBlocks,
  ScriptedPeer,
} from '../support/sync-lab.ts'
import { DEEP, u32be } from '../support/tree-sets.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('hostile/crowding')

async function manyRows(): Promise<Published> {
  return await publish(Array.from({ length: 20_000 }, (_, i) => ({ key: u32be(i), value: utf8(`v${i}`) })))
}

test('peers that answer at once and have nothing do not shut out one that takes longer to be reached', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase({ clock })
  await db.batch((tx) => tx.apply([{ key: utf8('n'), value: utf8('1') }]))
  await clock.run(db.publish())
  const honest = lab.handlerOf(db)
  lab.handle('mallory', async (channel) => {
    const peer = new ScriptedPeer(channel)
    await peer.welcome(null)
    await never()
  })
  lab.handle('distant', async (channel) => {
    await clock.sleep(STRAGGLER_MS + 1000)
    await honest(channel)
  })
  const replica = await lab.replica(db, ['mallory', 'distant'])
  const { report } = await clock.run(replica.pull())
  assert.equal(outcomesOf(report), { mallory: 'empty', distant: 'used' })
  assert.is(text(await replica.get(utf8('n'))), '1')
})

test('a peer that is busy whenever it is asked is given up in the end', async () => {
  const source = await manyRows()
  const lab = new Lab()
  const busy = lab.tampering('mallory', source, (_, { id }) => ({ type: 'refusal', id, reason: 'busy' }))
  const error: unknown = await lab.pull(source, [busy], new CountingStore()).catch((thrown: unknown) => thrown)
  assert.ok(isCoppiceError(error, 'NO_PEER_LEFT'))
  assert.equal(outcomesOf({ peers: error.details['peers'] as never }), { mallory: 'busy' })
})

test('a peer that leaves all to others is no hindrance where there are such, and is given up in the end where there are none', async () => {
  const source = await manyRows()
  const lab = new Lab()
  const mallory = lab.tampering('mallory', source, (_, { id }) => ({ type: 'refusal', id, reason: 'elsewhere' }))
  const error: unknown = await lab.pull(source, [mallory], new CountingStore()).catch((thrown: unknown) => thrown)
  assert.ok(isCoppiceError(error, 'NO_PEER_LEFT'))
  assert.equal(outcomesOf({ peers: error.details['peers'] as never }), { mallory: 'busy' })
  const store = new CountingStore()
  const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store)
  assert.is(outcomesOf(report)['alice'], 'used')
})

test('what is owed is asked of a peer that has sent blocks before, not of the next idle one', async () => {
  const source = await manyRows()
  const lab = new Lab()
  const crowd = Array.from({ length: 12 }, (_, i): PeerDialer => {
    let isFirst = i < 2
    // The first two give the root away late; then all of them hold back what they were asked for, and say busy.
    return lab.tampering(`mallory ${i}`, source, async (answer, { id }) => {
      await lab.clock.sleep(isFirst ? 500 : 8500)
      const given = isFirst ? answer : ({ type: 'refusal', id, reason: 'busy' } as const)
      isFirst = false
      return given
    })
  })
  const store = new CountingStore()
  const began = lab.clock.now()
  await lab.pull(source, [lab.peer('alice', source), ...crowd], store)
  assert.ok(sameBlocks(source, store))
  assert.ok(lab.clock.now() - began < 15_000, `${lab.clock.now() - began} ms`)
})

test('rows that refer to one value which never comes do not fill the memory', async () => {
  const value = new Uint8Array(100).fill(7)
  const rows = Array.from({ length: 30_000 }, (_, i) => ({ key: u32be(i), value }))
  const source = await publish(rows, { format: DEEP })
  const store = new CountingStore()
  const writer = new VerifiedWriter(store)
  const frontier = new Frontier(source.target, writer, { format: DEEP })
  let most = 0
  let withheld: Want | undefined
  const lookAhead = (): Promise<void> => frontier.lookAhead(() => Promise.resolve())
  const answer = async (): Promise<boolean> => {
    await lookAhead()
    most = Math.max(most, frontier.rememberedCount)
    const wants = takeBlocks(frontier, 50)
    for (const want of wants) {
      if (linkCodec(want.link) === CODEC_RAW) withheld = want
      else frontier.accept(want, source.store.get(want.link) as Uint8Array)
    }
    return wants.length > 0
  }
  while (await answer());
  assert.ok(withheld !== undefined && !frontier.isDone)
  const bound = SHARED_PLACES_MAX + READY_BLOCKS_MAX + INTERNAL_NODES_MAX * 40
  assert.ok(most < bound, `${most} places and wants of ${rows.length} rows`)
  frontier.accept(withheld, value)
  while (await answer());
  await lookAhead()
  await writer.flush()
  assert.ok(frontier.isDone)
  assert.ok(sameBlocks(source, store))
})

test('a peer with many channels gives one up for a peer with fewer, also when all of them wait', async () => {
  const lab = new Lab()
  const source = await publish([{ key: utf8('a'), value: utf8('1') }])
  const set = new ProviderSet({ clock: lab.clock, channelsMax: 4 })
  const { store, newest } = source
  set.add({ author: AUTHOR, name: NAME, store, newest: () => newest, changed: () => never() })
  const open = async (from: string): Promise<ChannelSession> => {
    const [ours, theirs]: [Channel, Channel] = createChannelPair({ names: [from, 'provider'] })
    void serveChannel(theirs, set.handle)
    const session = new ChannelSession(ours, 'provider', lab.clock)
    await session.hello({ author: AUTHOR, name: NAME, have: null })
    return session
  }
  const greedy: ChannelSession[] = []
  for (let i = 0; i < 4; i++) greedy.push(await open('mallory'))
  for (const session of greedy) session.getRoot(newest.id, 30_000).catch(() => {})
  await new Promise(setImmediate)
  const honest = [await open('alice'), await open('bob')]
  await new Promise(setImmediate)
  assert.is(greedy.filter(({ isOpen }) => isOpen).length, 2)
  assert.ok(honest.every(({ isOpen }) => isOpen))
  const refused: unknown = await open('mallory').catch((thrown: unknown) => thrown)
  assert.ok(isCoppiceError(refused, 'PEER_UNREACHABLE'), 'nobody gives way to the greedy one')
  for (const session of [...greedy, ...honest]) await session.close()
})

test('a peer that never answers does not hold up the dial of the next', async () => {
  const source = await publish([{ key: utf8('a'), value: utf8('1') }])
  const lab = new Lab()
  const tarpits = Array.from({ length: 24 }, (_, i) => createMemoryDialer(`tarpit ${i}`, never))
  const began = lab.clock.now()
  await lab.pull(source, [...tarpits, lab.peer('alice', source)], new CountingStore())
  assert.ok(lab.clock.now() - began < 2 * STRAGGLER_MS)
})

test.run()
