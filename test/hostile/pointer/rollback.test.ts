/** Rollback: a peer or carrier offers an older root as the newest. The floor does not move, whatever the order and restarts. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeFloor } from '../../../src/pointer/index.ts'
import { AuthorChain } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'

const test = suite('hostile/pointer/rollback')

test('every older root is stale, of the same epoch and of lower ones', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(6)
  await chain.publishMany(6, { epoch: 1 })
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(12))
  const before = encodeFloor(replica.floor)
  for (let sequence = 1; sequence < 12; sequence++) assert.is(replica.take(chain.at(sequence)), 'stale')
  assert.equal(encodeFloor(replica.floor), before)
})

test('neither by a lower epoch with a higher sequence, nor by a lying clock', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const old = chain.fork()
  await old.publishMany(20)
  await chain.publish({ epoch: 1 })
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(4))
  for (const now of [0, replica.now, 2 ** 45]) {
    replica.now = now
    assert.is(replica.take(old.at(23)), 'stale')
    assert.is(replica.take(chain.at(1)), 'stale')
  }
})

test('a first contact takes what it is given, and never less afterwards', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(5)
  const replica = new TestReplica(chain.authority)
  assert.equal(
    [2, 1, 4, 3, 5, 4].map((sequence) => replica.take(chain.at(sequence))),
    ['first', 'stale', 'unlinked', 'stale', 'linked', 'stale'],
  )
})

test.run()
