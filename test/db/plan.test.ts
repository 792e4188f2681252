/** Plans of pulls: near what the pull then does, for little, and nothing but the floor moves. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Edit } from '../../src/prolly/index.ts'
import { DatabaseLab, failureOf, utf8, WatchedStore } from '../support/database-lab.ts'
import { LARGE_COUNT, publishedLarge } from '../support/large-database.ts'

const test = suite('db/plan')

const key = (n: number): Uint8Array => utf8(String(n).padStart(7, '0'))

function every(step: number): Edit[] {
  const count = Math.floor(LARGE_COUNT / step)
  return Array.from({ length: count }, (_, i) => ({ key: key(i * step), value: utf8(`changed ${i}`) }))
}

test('before a first pull: all of it', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const replica = await lab.replica(db, ['alice'])
  const plan = await replica.plan()
  assert.equal([plan.way, plan.from, plan.to.payload.sequence], ['clone', undefined, 1])
  assert.is(plan.bytes, plan.to.payload.bytes)
  assert.is(plan.cost.requests, 1)
  assert.is(await replica.isComplete(), false)
})

test('nothing new: one question', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const replica = await lab.replica(db, ['alice'])
  await replica.pull()
  const plan = await replica.plan()
  assert.equal([plan.way, plan.bytes, plan.cost.requests], ['nothing', 0, 1])
  assert.ok(plan.cost.bytesReceived < 1024)
})

for (const [name, edits, way, isExact] of [
  ['few rows', every(400), 'patch', true],
  ['many rows', every(10), 'patch', false],
  ['all rows', every(1), 'blocks', false],
] as const) {
  test(`${name}: the plan says what the pull does, and about what it receives`, async () => {
    const lab = new DatabaseLab()
    const db = await publishedLarge(lab)
    const store = new WatchedStore()
    const replica = await lab.replica(db, ['alice'], store)
    await replica.pull()
    await db.batch((tx) => tx.apply(edits))
    await db.publish()
    const blocks = store.blocksWritten.length
    const plan = await replica.plan()
    assert.is(store.blocksWritten.length, blocks, 'nothing of the tree is kept')
    assert.is((await replica.published())?.payload.sequence, 1)
    assert.equal([plan.way, plan.isExact, plan.from?.payload.sequence], [way, isExact, 1])
    assert.ok(plan.cost.bytesReceived < 20_000, `${plan.cost.bytesReceived} bytes to find out`)
    const { report, least } = await replica.pull()
    assert.is(report.patch?.way, way)
    const ratio = plan.bytes / report.bytesReceived
    assert.ok(ratio > 0.7 && ratio < 1.5, `planned ${plan.bytes}, received ${report.bytesReceived}`)
    const needed = await least()
    assert.is(needed?.rows, edits.length)
    const received = way === 'patch' ? report.patch?.rowBytes : report.patch?.bytesRebuilt
    assert.ok(needed !== undefined && (received === needed.rowBytes || way === 'blocks'))
    const made = (report.patch?.blocksRebuilt ?? 0) + report.blocksReceived
    assert.ok(made <= needed.blocks + 8 && made >= needed.blocks - 8, `${made} blocks, ${needed.blocks} differ`)
  })
}

test('nobody to ask: as a pull', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const replica = await lab.replica(db, ['nobody'])
  assert.is((await failureOf(replica.plan())).code, 'NO_PEER_LEFT')
})

test.run()
