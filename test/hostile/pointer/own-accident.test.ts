/** An honest author's own accident: two machines, a restored backup, a kill after signing. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adoptPublished, decodePublished, encodePublished, findRival } from '../../../src/pointer/index.ts'
import { AuthorChain, treeOf } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'

const test = suite('hostile/pointer/own-accident')

test('killed after signing: what was kept is announced again, byte for byte', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  if (chain.published === null) throw new Error('expected a root')
  const restarted = decodePublished(encodePublished(chain.published))
  assert.equal(restarted.signed.bytes, chain.at(2).bytes)
  const replica = new TestReplica(chain.authority)
  assert.equal([replica.take(chain.at(2)), replica.take(restarted.signed)], ['first', 'same'])
})

test('killed before the state was kept: signing the same again gives the same bytes', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const again = chain.fork()
  assert.equal((await chain.publish()).bytes, (await again.publish()).bytes)
})

test('a restored backup asks its carriers first, is refused, and recovers by adopting what they show', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const backup = chain.fork()
  await chain.publishMany(2)
  const own = backup.at(3)
  const onCarrier = chain.at(5)
  assert.is(findRival('test', own, onCarrier, chain.authority), 'newer')
  if (chain.published === null) throw new Error('expected a root')
  backup.published = adoptPublished(onCarrier, chain.published.history)
  const next = await backup.publish({ tree: treeOf(88) })
  const replica = new TestReplica(chain.authority)
  assert.equal([replica.take(chain.at(5)), replica.take(next)], ['first', 'linked'])
})

test('two machines signed: a new epoch that resolves both tips brings readers of either side together', async () => {
  const one = new AuthorChain()
  await one.publishMany(3)
  const two = one.fork()
  await one.publish()
  await two.publish({ tree: treeOf(90) })
  assert.is(findRival('test', one.at(4), two.at(4), one.authority), 'different')
  const end = await one.publish({ epoch: 1, resolves: [one.at(4).link, two.at(4).link] })
  const after = await one.publish()

  const left = new TestReplica(one.authority)
  left.take(one.at(4))
  const right = new TestReplica(one.authority)
  right.take(two.at(4))
  const both = new TestReplica(one.authority)
  both.take(one.at(4))
  assert.is(both.take(two.at(4)), 'equivocation')
  for (const replica of [left, right, both]) {
    assert.is(replica.take(end), 'resolved')
    assert.is(replica.take(after), 'linked')
    assert.is(replica.take(two.at(4)), 'stale')
  }
  assert.equal(
    [left, right, both].map(({ floor }) => floor.evidence.length),
    [0, 1, 1],
    'and reports go on',
  )
})

test.run()
