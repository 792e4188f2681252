/** Pulling: state once, then changes only; peers named, whatever became of them; readers see complete states only. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { PullResult } from '../../src/db/index.ts'
import type { Channel, PeerReport } from '../../src/sync/index.ts'
import {
  collect,
  createDatabase,
  DatabaseLab,
  failureOf,
  outcomesOf,
  text,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { blockKeysOf, LARGE_COUNT, publishedLarge } from '../support/large-database.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/pull')

test('a first pull brings every block once and no other, then shows the state', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  assert.is(await replica.isComplete(), false)
  assert.is((await failureOf(replica.snapshot())).code, 'ROOT_NOT_FOUND')
  const targets: number[] = []
  const result = await replica.pull({ onTarget: (target) => targets.push(target.payload.sequence) })
  assert.equal([result.changed, result.from, result.link, result.freshness], [true, undefined, 'first', 'unbounded'])
  assert.equal(targets, [1])
  assert.equal(store.blocksWritten.toSorted(), [...(await blockKeysOf(db))].toSorted())
  assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
  assert.equal(await collect(result.changes()), [])
  assert.equal((await replica.published())?.bytes, (await db.published())?.bytes)
  const { report } = result
  assert.equal([report.entries, report.bytes], [report.entriesTotal, report.bytesTotal])
  assert.equal(outcomesOf(report), { alice: 'used' })
  assert.equal(await replica.get(utf8('0000500')), await db.get(utf8('0000500')))
})

test('with nothing new: one round trip, below a KiB, no block and no signed root', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  await replica.pull()
  const blocks = store.blocksWritten.length
  const { changed, report, judgements } = await replica.pull()
  assert.is(changed, false)
  assert.is(report.roundTrips, 1)
  assert.is(report.requests, 1)
  assert.ok(report.bytesReceived + report.bytesSent < 1024, `${report.bytesReceived} + ${report.bytesSent} bytes`)
  assert.is(store.blocksWritten.length, blocks)
  assert.is(await replica.state.logLength(), 1)
  assert.equal(judgements, [])
  assert.equal(outcomesOf(report), { alice: 'unused' })
})

test('only what changed moves: exactly the new blocks, and the exact changes are told', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  await replica.pull()
  const before = await blockKeysOf(db)
  await db.batch(async (tx) => {
    await tx.put(utf8('0000007'), utf8('changed'))
    await tx.del(utf8('0010000'))
    await tx.put(utf8('0019999x'), utf8('new'))
  })
  await db.publish({ message: 'second' })
  const fresh = [...(await blockKeysOf(db))].filter((key) => !before.has(key))
  store.blocksWritten.length = 0
  const result = await replica.pull()
  assert.equal(store.blocksWritten.toSorted(), fresh.toSorted())
  const { blocksReceived, patch } = result.report
  assert.equal([blocksReceived, patch?.blocksRebuilt, patch?.rows], [0, fresh.length, 3])
  assert.equal([result.changed, result.link, result.from?.payload.sequence], [true, 'linked', 1])
  const changes = await collect(result.changes())
  assert.equal(
    changes.map(({ type, key, to }) => [type, text(key), to instanceof Uint8Array ? text(to) : to]),
    [
      ['update', '0000007', 'changed'],
      ['remove', '0010000', undefined],
      ['add', '0019999x', 'new'],
    ],
  )
  assert.is((await collect(result.changes({ start: utf8('001') }))).length, 2)
})

test('several steps behind, and back to an earlier state: what is held is not fetched again', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  await replica.pull()
  for (let i = 0; i < 5; i++) {
    await db.put(utf8(`000000${i}`), utf8('x'))
    await db.publish()
  }
  const skipped = await replica.pull()
  assert.equal([skipped.to.payload.sequence, skipped.link], [6, 'linked'])
  for (let i = 0; i < 5; i++) await db.put(utf8(`000000${i}`), i === 0 ? new Uint8Array(1500) : utf8(`value ${i}`))
  await db.publish()
  store.blocksWritten.length = 0
  const back = await replica.pull()
  assert.equal([back.to.payload.sequence, back.changed], [7, true])
  assert.equal(store.blocksWritten, [])
  assert.equal(
    (await collect(replica.log())).map(({ signedRoot }) => signedRoot.payload.sequence),
    [7, 6, 1],
  )
})

test('the work is shared, and a pull succeeds with whoever is left, each named', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await publishedLarge(lab, 'alice')
  lab.serve('bob', db)
  const old = await createDatabase({ clock, label: 'another author' })
  await old.put(utf8('a'), utf8('1'))
  const stale = await lab.replica(db, ['alice'])
  await clock.run(stale.pull())
  await db.put(utf8('0000001'), utf8('newer'))
  await db.publish()
  lab.serve('outdated', stale)
  lab.serve('empty', await lab.replica(db, []))
  lab.serve('other', old)
  lab.handle('mute', () => new Promise(() => {}))
  lab.handle('noise', (channel) => channel.send(Uint8Array.of(1, 2, 3)))
  lab.handle('hangs up', (channel) => channel.close())
  const names = ['alice', 'bob', 'outdated', 'empty', 'other', 'mute', 'noise', 'hangs up', 'nobody']
  const replica = await lab.replica(db, names)
  const { report, to } = await clock.run(replica.pull())
  assert.is(to.payload.sequence, 2)
  const { alice, bob, ...rest } = outcomesOf(report)
  assert.equal([alice, bob], ['used', 'used'])
  assert.equal(rest, {
    outdated: 'outdated',
    empty: 'empty',
    other: 'unknown',
    mute: 'silent',
    noise: 'protocol',
    'hangs up': 'unreachable',
    nobody: 'unreachable',
  })
})

test('an outdated peer is told of the newer root', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const stale = await lab.replica(db, ['alice'])
  await stale.pull()
  await db.put(utf8('a'), utf8('1'))
  const { signedRoot } = await db.publish()
  const replica = await lab.replica(db, ['alice'])
  await replica.pull()
  const told: Uint8Array[] = []
  lab.serve('bob', stale, (bytes) => told.push(bytes))
  await replica.setPeers(['bob'])
  const result = await replica.pull()
  assert.equal(outcomesOf(result.report), { bob: 'outdated' })
  assert.equal([result.changed, result.judgements[0]?.outcome], [false, 'stale'])
  assert.equal(told, [signedRoot.bytes])
})

test('no peer that answers: NO_PEER_LEFT names each, for a new replica and for a complete one', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await publishedLarge(lab)
  const fresh = await lab.replica(db, [])
  const complete = await lab.replica(db, ['alice'])
  await clock.run(complete.pull())
  const other = await createDatabase({ clock, label: 'other' })
  lab.serve('other', other)
  lab.serve('empty', fresh)
  lab.handle('mute', () => new Promise(() => {}))
  lab.handle('garbled', garbledRoot)
  const expected = { other: 'unknown', empty: 'empty', mute: 'silent', nobody: 'unreachable', garbled: 'liar' }
  for (const replica of [fresh, complete]) {
    await replica.setPeers(Object.keys(expected))
    const error = await clock.run(failureOf(replica.pull()))
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.equal(outcomesOf({ peers: error.details['peers'] as PeerReport[] }), expected)
    for (const name of Object.keys(expected)) assert.match(error.message, name)
    await replica.setPeers([])
    assert.match((await failureOf(replica.pull())).message, 'no peer to ask')
  }
  assert.is(await complete.count(), LARGE_COUNT)
})

/** A peer that says hello in form and shows a signed root that is none. */
async function garbledRoot(channel: Channel): Promise<void> {
  const { encodeMessage } = await import('../../src/sync/wire/index.ts')
  await channel.receive()
  const signedRoot = new Uint8Array(200).fill(0x82)
  await channel.send(encodeMessage({ type: 'welcome', version: 1, status: 'newest', signedRoot, statements: null }))
  await channel.receive()
}

test('a peer that shows garbage for a signed root is a liar, and harms nobody', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  lab.handle('garbled', garbledRoot)
  const replica = await lab.replica(db, ['garbled', 'alice'])
  const { report } = await replica.pull()
  assert.equal(outcomesOf(report), { garbled: 'liar', alice: 'used' })
})

test('a replica serves onward to another replica, and so on', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  let source = 'alice'
  for (const name of ['first', 'second', 'third']) {
    const replica = await lab.replica(db, [source])
    await replica.pull()
    lab.serve(name, replica)
    lab.stop(source)
    source = name
  }
  const last = await lab.replica(db, [source])
  assert.equal(outcomesOf((await last.pull()).report), { third: 'used' })
  assert.is((await last.snapshot()).root, (await db.snapshot()).root)
})

test('documents are read from a replica with typed keys', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  await db.collection('cities', { key: ['country', 'id'] }).put({ country: 'NL', id: 2759794, name: 'Amsterdam' })
  await db.publish()
  lab.serve('alice', db)
  const replica = await lab.replica(db, ['alice'])
  await replica.pull()
  const cities = replica.collection('cities')
  assert.is((await cities.get(['NL', 2759794]))?.['name'], 'Amsterdam')
  assert.is((await failureOf(replica.collection('towns').count())).code, 'COLLECTION_UNKNOWN')
})

test('the peers to ask are kept, and are one line each', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['bob', 'alice'], store)
  assert.equal(await (await lab.openReplica(store)).peers(), ['bob', 'alice'])
  for (const peer of ['', 'a\nb', 'a\u2028b', '\u0000']) {
    assert.is((await failureOf(replica.setPeers(['alice', peer]))).code, 'ADDRESS_INVALID')
  }
  await replica.setPeers([])
  assert.equal(await replica.peers(), [])
})

test('a renewed promise moves the floor and no block', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase({ clock })
  await db.put(utf8('a'), utf8('1'))
  await db.publish({ expiresInSeconds: 60 })
  lab.serve('alice', db)
  const replica = await lab.replica(db, ['alice'])
  await clock.run(replica.pull())
  await clock.run(clock.sleep(61_000))
  assert.is((await replica.standing()).freshness, 'expired')
  await db.publish({ refresh: true, expiresInSeconds: 60 })
  const result: PullResult = await clock.run(replica.pull())
  assert.equal([result.changed, result.report.blocksReceived, result.freshness], [true, 0, 'fresh'])
  assert.equal(await collect(result.changes()), [])
})

test.run()
