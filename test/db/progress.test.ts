/** What a pull tells of itself while it goes on: true, in order, and also where nothing comes. Time is virtual. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, ReplicaProgress } from '../../src/db/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { createDatabase, DatabaseLab, failureOf, utf8 } from '../support/database-lab.ts'
import { paced } from '../support/paced-channel.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/progress')

const RATE = 200_000

async function published(clock: VirtualClock, count: number): Promise<Database> {
  const db = await createDatabase({ clock })
  const edits = Array.from({ length: count }, (_, i): Edit => {
    return {
      key: utf8(String(i).padStart(6, '0')),
      value: utf8(`${Math.imul(i, 2654435761) >>> 0} ${'x'.repeat(900)}`),
    }
  })
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
  return db
}

interface Told extends ReplicaProgress {
  readonly at: number
}

test('totals are known from the start, what is done only grows, and the time left is near the truth', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await published(clock, 9_000)
  for (const name of ['a', 'b']) {
    const honest = lab.handlerOf(db)
    lab.handle(name, (channel) => honest(paced(channel, clock, name === 'a' ? RATE : RATE / 2)))
  }
  const replica = await lab.replica(db, ['a', 'b'])
  const told: Told[] = []
  const { to, report } = await clock.run(
    replica.pull({ onProgress: (progress) => told.push({ ...progress, at: clock.now() }) }),
  )
  const endedAt = clock.now()
  const { entries, bytes } = to.payload
  let before: Told | undefined
  for (const progress of told) {
    assert.equal([progress.entriesTotal, progress.bytesTotal, progress.targets], [entries, bytes, 1])
    assert.ok(progress.entries >= (before?.entries ?? 0) && progress.bytes >= (before?.bytes ?? 0))
    assert.ok(progress.at - (before?.at ?? progress.at) <= 1_000, 'once a second at least')
    before = progress
  }
  const last = told.at(-1)
  assert.equal([last?.entries, last?.bytes, last?.secondsLeft, last?.bytesHere], [entries, bytes, 0, 0])
  assert.equal(
    last?.peers.map(({ blocks }) => blocks).reduce((a, b) => a + b),
    report.blocksReceived,
  )
  const guesses = told.filter(({ secondsLeft }) => secondsLeft !== undefined && secondsLeft > 0)
  assert.ok(guesses.length > told.length / 3, `${guesses.length} of ${told.length}`)
  for (const { at, secondsLeft = 0, bytesPerSecond = 0 } of guesses) {
    const truth = (endedAt - at) / 1000
    assert.ok(Math.abs(secondsLeft - truth) <= 6 + 0.3 * truth, `${secondsLeft} s where ${truth} s were left`)
    assert.ok(Math.abs(bytesPerSecond - 1.5 * RATE) < 0.4 * RATE, `${bytesPerSecond} bytes/s`)
  }
})

test('a line that stalls: the speed falls to where nothing is said of the rest, until the peer is dropped', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await published(clock, 9_000)
  let rate = RATE
  const honest = lab.handlerOf(db)
  lab.handle('a', (channel) => honest(paced(channel, clock, () => rate)))
  const replica = await lab.replica(db, ['a'])
  const told: Told[] = []
  const pull = failureOf(replica.pull({ onProgress: (progress) => told.push({ ...progress, at: clock.now() }) }))
  await clock.run(clock.sleep(20_000))
  const { length } = told
  const speed = told.at(-1)?.bytesPerSecond ?? 0
  rate = 1
  assert.is((await clock.run(pull)).code, 'NO_PEER_LEFT')
  const stalled = told.slice(length + 2)
  assert.ok(stalled.length >= 5, `${stalled.length} times`)
  assert.ok((stalled.at(-1)?.bytesPerSecond ?? 0) < 0.75 * speed)
  for (const [i, progress] of stalled.entries()) {
    const last = stalled[i - 1]
    if (last !== undefined) assert.ok((progress.bytesPerSecond ?? 0) <= (last.bytesPerSecond ?? 0))
  }
})

test('a later pull says what was here, and promises no time that it cannot know', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await published(clock, 9_000)
  lab.serve('a', db)
  const replica = await lab.replica(db, ['a'])
  await clock.run(replica.pull())
  await db.batch((tx) =>
    tx.apply(
      Array.from({ length: 90 }, (_, i): Edit => ({ key: utf8(String(i * 100).padStart(6, '0')), value: utf8('new') })),
    ),
  )
  await db.publish()
  const told: ReplicaProgress[] = []
  await clock.run(replica.pull({ onProgress: (progress) => told.push(progress) }))
  const last = told.at(-1)
  assert.ok(last !== undefined && last.bytes === last.bytesTotal && last.bytesHere > 0.8 * last.bytes)
  assert.ok(told.every(({ secondsLeft }) => secondsLeft === undefined || secondsLeft === 0))
})

test('rows instead of blocks: told from the beginning, grows as subtrees are proven, and what came is the rows', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await published(clock, 9_000)
  const honest = lab.handlerOf(db)
  for (const name of ['a', 'b']) lab.handle(name, (channel) => honest(paced(channel, clock, RATE / 2)))
  const replica = await lab.replica(db, ['a', 'b'])
  await clock.run(replica.pull())
  const edits = Array.from({ length: 900 }, (_, i): Edit => {
    return { key: utf8(String(i * 10).padStart(6, '0')), value: utf8(`${i} ${'y'.repeat(900)}`) }
  })
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
  const began = clock.now()
  const told: Told[] = []
  const { report, to } = await clock.run(
    replica.pull({ onProgress: (progress) => told.push({ ...progress, at: clock.now() }) }),
  )
  const { patch } = report
  assert.ok(patch?.way === 'patch' && patch.subtreesRebuilt > 3)
  let before: Told | undefined
  for (const progress of told) {
    assert.ok(progress.at - (before?.at ?? began) <= 1_000, 'once a second at least')
    assert.ok(progress.entries >= (before?.entries ?? 0) && progress.bytes >= (before?.bytes ?? 0))
    assert.ok(progress.bytes <= progress.bytesTotal && progress.bytesHere <= progress.bytes)
    assert.ok((progress.bytesPerSecond ?? 0) <= 1.5 * RATE, `${progress.bytesPerSecond} bytes/s`)
    assert.ok(progress.secondsLeft === undefined || progress.secondsLeft === 0, 'most of it is here')
    before = progress
  }
  const partly = told.filter(({ bytes, bytesTotal, peers }) => {
    return bytes > 0 && bytes < 0.9 * bytesTotal && peers.some(({ rows, bytes: used }) => rows > 0 && used > 0)
  })
  assert.ok(new Set(partly.map(({ bytes }) => bytes)).size >= 3, `${partly.length} of ${told.length}`)
  const last = told.at(-1)
  assert.equal([last?.entries, last?.bytes], [to.payload.entries, to.payload.bytes])
  const came = (last?.bytes ?? 0) - (last?.bytesHere ?? 0)
  const changed = edits.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
  assert.ok(came >= changed && came < 1.1 * changed, `${came} came, ${changed} of rows`)
  const used = last?.peers.reduce((sum, { bytes }) => sum + bytes, 0)
  assert.is(used, came)
  assert.is(
    last?.peers.reduce((sum, { rows }) => sum + rows, 0),
    report.peers.reduce((sum, { rows }) => sum + rows, 0),
  )
})

test.run()
