/** Freeze: peers serve one old root for ever. It stays accepted, and is reported as expired as soon as it is. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { getFreshness } from '../../../src/pointer/index.ts'
import { AuthorChain, START } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'

const test = suite('hostile/pointer/freeze')

test('the frozen root expires while peers call it the newest', async () => {
  const chain = new AuthorChain()
  const frozen = await chain.publish({ now: START, expires: START + 3600 })
  const replica = new TestReplica(chain.authority)
  replica.take(frozen)
  const seen = [0, 1800, 3599, 3600, 86_400].map((later) => {
    assert.is(replica.take(frozen), 'same')
    return getFreshness(frozen, START + later, replica.floor.newestTime)
  })
  assert.equal(seen, ['fresh', 'fresh', 'fresh', 'expired', 'expired'])
})

test('a clock that is held back does not make an expired root fresh', async () => {
  const chain = new AuthorChain()
  const old = await chain.publish({ now: START, expires: START + 3600 })
  const newer = await chain.publish({ now: START + 7200, expires: START + 7300 })
  const replica = new TestReplica(chain.authority)
  replica.take(old)
  replica.take(newer)
  assert.is(getFreshness(old, START, replica.floor.newestTime), 'expired')
  assert.is(getFreshness(newer, START, replica.floor.newestTime), 'fresh')
})

test('a root without a promise is never called fresh', async () => {
  const chain = new AuthorChain()
  const root = await chain.publish()
  assert.is(getFreshness(root, START + 1e9), 'unbounded')
})

test.run()
