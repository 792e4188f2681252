/** What of a merge others see, and the base of two that never merged each other. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { unpublishedBases } from '../../src/db/index.ts'
import { DatabaseLab, failureOf } from '../support/database-lab.ts'
import { forkOf, putAll, rowsOf, withRows } from '../support/fork-lab.ts'

const test = suite('db/merge-signed')

test('what was settled stays so for those who only see what is signed: a merge that changed no row is published, once', async () => {
  const lab = new DatabaseLab()
  const origin = await withRows({ a: '1', b: '1' })
  const fork = await forkOf(origin, 'fork')
  lab.serve('origin', origin)
  assert.equal(await unpublishedBases(fork.state), [], 'nothing is published yet')
  await putAll(fork, { a: 'fork' })
  await fork.publish()
  await putAll(origin, { a: 'origin' })
  await origin.publish()
  const upstream = await lab.replica(origin, ['origin'])
  await upstream.pull()
  assert.is((await origin.merge(fork, { resolve: 'left' })).conflicts, 1)
  assert.equal(
    (await unpublishedBases(origin.state)).map(({ root }) => root),
    [(await fork.snapshot()).tree.ref.root],
  )
  const { signedRoot, isNew } = await origin.publish()
  assert.equal([isNew, signedRoot.payload.root], [true, (await upstream.snapshot()).tree.ref.root])
  assert.equal([(await origin.publish()).isNew, await unpublishedBases(origin.state)], [false, []])
  await upstream.pull()
  await putAll(fork, { b: 'fork' })
  assert.is((await fork.merge(upstream)).conflicts, 0)
  assert.equal(await rowsOf(fork), { a: 'origin', b: 'fork' })
})

test('databases that never merged each other have a base in what they came from: two forks, and a fork of a fork', async () => {
  const lab = new DatabaseLab()
  const origin = await withRows({ a: '1', b: '1', c: '1' })
  const { root } = await origin.snapshot()
  const [one, other] = [await forkOf(origin, 'one'), await forkOf(origin, 'other')]
  const silent = await forkOf(origin, 'silent')
  await putAll(origin, { c: 'origin' })
  await putAll(one, { a: 'one' })
  await putAll(other, { b: 'other' })
  await other.publish()
  lab.serve('other', other)
  const copy = await lab.replica(other, ['other'])
  await copy.pull()
  assert.is((await one.merge(copy, { dryRun: true })).base.root, root)
  // What it merged later from the origin takes no base away.
  await other.merge(origin)
  await silent.merge(origin)
  assert.is((await one.merge(silent, { dryRun: true })).base.root, root, 'it knows what it began with')
  assert.is((await one.merge(other)).conflicts, 0)
  assert.equal(await rowsOf(one), { a: 'one', b: 'other', c: 'origin' })

  await origin.publish()
  const forkOfFork = await forkOf(await forkOf(origin, 'between'), 'last')
  await putAll(forkOfFork, { d: 'last' })
  await putAll(origin, { a: 'origin' })
  await origin.merge(forkOfFork)
  assert.equal(await rowsOf(origin), { a: 'origin', b: '1', c: 'origin', d: 'last' })

  const failure = await failureOf(origin.merge(await withRows({ a: '1' }, 'stranger')))
  assert.is(failure.code, 'NO_COMMON_BASE')
  assert.is(failure.message.match(/coppice:k51\w+/g)?.length, 2, 'of one name, they are told by their addresses')
})

test.run()
