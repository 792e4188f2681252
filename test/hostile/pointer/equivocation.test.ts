/** Equivocation, split view: one author shows different readers different chains. Whoever sees both stops and can prove it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  acceptEvidence,
  decodeEvidence,
  encodeEvidence,
  encodeFloor,
  proveLink,
  verifyEvidence,
  type Acceptance,
} from '../../../src/pointer/index.ts'
import { AuthorChain, treeOf } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'

const test = suite('hostile/pointer/equivocation')

/** Two chains of one author: equal up to 3, different from 4 on. */
async function splitView(): Promise<readonly [AuthorChain, AuthorChain]> {
  const one = new AuthorChain()
  await one.publishMany(3)
  const other = one.fork()
  for (let i = 0; i < 12; i++) {
    await one.publish()
    await other.publish({ tree: treeOf(1000 + i) })
  }
  return [one, other]
}

function evidenceIn(judged: Acceptance): string {
  assert.is(judged.outcome, 'equivocation')
  return judged.outcome === 'equivocation' && judged.evidence.kind === 'roots' ? judged.evidence.reason : ''
}

test('the other view of the same, the next, a near and a far sequence', async () => {
  const [one, other] = await splitView()
  const proof = await proveLink(4, 15, other.subtrees)
  for (const [held, offered, reason, context] of [
    [4, 4, 'sequence', {}],
    [4, 5, 'previous', {}],
    [5, 4, 'previous', {}],
    [4, 7, 'recent', {}],
    [7, 4, 'recent', {}],
    [4, 15, 'history', { proof }],
  ] as const) {
    const replica = new TestReplica(one.authority)
    replica.take(one.at(held))
    assert.is(evidenceIn(replica.offer(other.at(offered), context)), reason)
    assert.equal(replica.accepted?.link, one.at(held).link, 'it stops at what it has')
  }
})

test('after it nothing of the epoch moves the floor, on either side, and restarts do not forget', async () => {
  const [one, other] = await splitView()
  const replica = new TestReplica(one.authority)
  replica.take(one.at(5))
  replica.take(other.at(5))
  const halted = encodeFloor(replica.floor)
  assert.is(replica.take(one.at(7)), 'halted')
  assert.is(replica.take(one.at(5)), 'same')
  assert.is(replica.take(one.at(2)), 'stale')
  assert.is(replica.take(other.at(6)), 'equivocation')
  assert.equal(encodeFloor(replica.floor), halted)
})

test('evidence convinces a reader who saw one side, and one who saw nothing', async () => {
  const [one, other] = await splitView()
  const first = new TestReplica(one.authority)
  first.take(one.at(5))
  const judged = first.offer(other.at(5))
  if (judged.outcome !== 'equivocation') throw new Error('expected evidence')
  const bytes = encodeEvidence(judged.evidence)
  const evidence = decodeEvidence(bytes)
  assert.ok(verifyEvidence(evidence, one.authority))
  for (const seen of [undefined, one.at(8), other.at(8)]) {
    const replica = new TestReplica(one.authority)
    if (seen !== undefined) replica.take(seen)
    const result = acceptEvidence(replica.floor, evidence, one.authority)
    assert.is(result.outcome, 'accepted')
    replica.floor = result.floor
    assert.is(replica.take(one.at(15)), 'halted')
  }
})

test('a stranger cannot halt a database with records of his own', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const stranger = new AuthorChain('stranger')
  await stranger.publishMany(3, { tree: treeOf(9) })
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(2))
  const before = encodeFloor(replica.floor)
  for (const root of stranger.roots) assert.match(replica.take(root), /^invalid/)
  assert.equal(encodeFloor(replica.floor), before)
  assert.is(replica.take(chain.at(3)), 'linked')
})

test('a split view that is only unlinked is found as soon as a proof speaks', async () => {
  const [one, other] = await splitView()
  const replica = new TestReplica(one.authority)
  replica.take(one.at(4))
  assert.is(replica.take(other.at(15)), 'unlinked', 'nothing speaks against it yet')
  const proof = await proveLink(4, 15, other.subtrees)
  assert.is(replica.take(one.at(4), { proof }), 'equivocation', 'a replay of the old side, now with a proof')
})

test.run()
