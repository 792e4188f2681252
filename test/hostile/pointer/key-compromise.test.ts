/** Key compromise: a stolen signer's key is worth its epoch, until its grant ends or the next epoch begins. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS, encodeAttachments } from '../../../src/carriers/attachments.ts'
import type { Carrier } from '../../../src/carriers/carrier.ts'
import { resolve } from '../../../src/carriers/resolve.ts'
import { hearStatements, joinKnown, type Known } from '../../../src/db/roots/statements.ts'
import { cborArray, cborBytes } from '../../../src/pointer/cbor.ts'
import {
  acceptEvidence,
  addRotation,
  decodeRotation,
  encodeEvidence,
  type Evidence,
  findConflict,
  findRotationConflict,
  signGrant,
  type SignedRoot,
  signRotation,
  type Signer,
} from '../../../src/pointer/index.ts'
import { surroundings } from '../../../src/surroundings.ts'
import { AuthorChain, signerOf, START, treeOf } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'

const test = suite('hostile/pointer/key-compromise')

const signer = signerOf('signer')

async function grantedChain(expires: number | null = null): Promise<AuthorChain> {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const author = chain.signer
  const payload = {
    author: author.publicKey,
    name: 'test',
    epoch: 1,
    signer: signer.publicKey,
    firstSequence: 3,
    expires,
  }
  await chain.publish({ epoch: 1, signer, grant: await signGrant(author, payload) })
  return chain
}

test('the thief of an old signer key halts its epoch at most, not the one that followed', async () => {
  const chain = await grantedChain()
  const thief = chain.fork()
  await chain.publish({ epoch: 2 })
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(4))
  const forged = [await thief.publish({ signer, tree: treeOf(60) }), await thief.publish({ signer, tree: treeOf(61) })]
  for (const root of forged) assert.is(replica.take(root), 'stale')
  const twin = chain.fork()
  twin.published = thief.published
  const other = await twin.publish({ signer, tree: treeOf(62) })
  const another = await thief.publish({ signer, tree: treeOf(63) })
  const evidence = findConflict(other, another)
  if (evidence === undefined) throw new Error('expected evidence')
  const taken = acceptEvidence(replica.floor, evidence, chain.authority)
  assert.is(taken.outcome, 'accepted')
  replica.floor = taken.floor
  assert.is(replica.take(await chain.publish()), 'linked', 'epoch 2 goes on')
})

test('a replica that followed the thief is brought back by the next epoch, and keeps the evidence', async () => {
  const chain = await grantedChain()
  const thief = chain.fork()
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(3))
  assert.is(replica.take(await thief.publish({ signer, tree: treeOf(60) })), 'linked')
  await chain.publish({ epoch: 2 })
  const judged = replica.offer(chain.at(4))
  assert.is(judged.outcome === 'accepted' ? judged.link : '', 'superseded')
  assert.is(replica.floor.evidence.length, 1)
  assert.is(replica.take(await chain.publish()), 'linked')
})

test('a grant ends: roots issued later do not count, earlier ones are not fresh', async () => {
  const end = START + 1000
  const chain = await grantedChain(end)
  const thief = chain.fork()
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(3))
  let refused = false
  try {
    await thief.publish({ signer, now: end })
  } catch {
    refused = true
  }
  assert.ok(refused, 'our own publishing refuses it; a thief would date it back')
  const dated = await thief.publish({ signer, now: end - 1, expires: end + 1e6 })
  assert.is(replica.take(dated), 'linked')
  const { getFreshness } = await import('../../../src/pointer/index.ts')
  assert.is(getFreshness(dated, end + 1), 'expired')
})

test('the signer can neither extend its grant nor move to another epoch', async () => {
  const chain = await grantedChain(START + 1000)
  const base = {
    author: chain.authority.author,
    name: 'test',
    signer: signer.publicKey,
    firstSequence: 1,
    expires: null,
  }
  for (const epoch of [1, 2]) {
    const grant = await signGrant(signer, { ...base, epoch })
    let refused = false
    try {
      await chain.publish({ epoch, signer, grant })
    } catch {
      refused = true
    }
    assert.ok(refused, `epoch ${epoch}`)
  }
})

test('evidence that the thief of an author key made goes with his authority when the rotation arrives', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(2))
  let known: Known = replica
  const forgeIn = async (epoch: number): Promise<Evidence> => {
    const pair = await Promise.all([60, 61].map((tree) => chain.fork().publish({ epoch, tree: treeOf(tree) })))
    const evidence = findConflict(pair[0] as SignedRoot, pair[1] as SignedRoot)
    if (evidence === undefined) throw new Error('expected evidence')
    return evidence
  }
  const say = (id: number, bytes: Uint8Array): void => {
    known = hearStatements(known, encodeAttachments(new Map([[id, bytes]])))
  }
  const epochs = [4, 5, 4089, 4090, 4091, 4092, 4093, 4094]
  for (const epoch of epochs) say(ATTACHMENT_IDS.evidence, encodeEvidence(await forgeIn(epoch)))
  assert.equal(known.floor.evidence.map(({ epoch }) => epoch).toReversed(), epochs)
  const author = chain.signer.publicKey
  const rotation = await signRotation(chain.signer, { author, epoch: 5, newKey: signer.publicKey })
  const before = known
  const rotations = cborArray([cborBytes(rotation)])
  say(ATTACHMENT_IDS.rotations, rotations)
  assert.equal(
    known.floor.evidence.map(({ epoch }) => epoch),
    [4],
    'its own epochs stay halted',
  )
  assert.equal(
    joinKnown(before, known).floor.evidence,
    known.floor.evidence,
    'nor does it come back from what was kept',
  )
  assert.equal(joinKnown(known, before).floor.evidence, known.floor.evidence)
  const record = { signedRoot: chain.at(2).bytes, attachments: new Map([[ATTACHMENT_IDS.rotations, rotations]]) }
  const answer = { shown: [{ record, copies: 1 }], asked: 1, answered: 1 }
  const carrier: Carrier = {
    name: 'a carrier',
    source: 'it',
    keepsMs: null,
    get: () => Promise.resolve(answer),
    close: () => Promise.resolve(),
  }
  const resolved = await resolve({ author, name: chain.name }, [carrier], before, { clock: surroundings.clock })
  assert.equal(resolved.floor.evidence, known.floor.evidence, 'a carrier may show it, too')
  Object.assign(replica, { floor: known.floor, authority: known.authority })
  chain.authority = known.authority
  assert.is(replica.take(await chain.publish({ epoch: 5, signer })), 'linked')
  assert.is(replica.take(await chain.publish({ epoch: 4094, signer })), 'linked')
})

test('a rotated-out key rotates no more, and two rotations for one epoch are evidence that halts it only', async () => {
  const chain = new AuthorChain()
  const author = chain.signer
  await chain.publish()
  const rotate = async (by: Signer, epoch: number, to: string): Promise<ReturnType<typeof decodeRotation>> =>
    decodeRotation(await signRotation(by, { author: author.publicKey, epoch, newKey: signerOf(to).publicKey }))
  const real = await rotate(author, 1, 'new')
  const added = addRotation(chain.authority, real)
  if (added.outcome !== 'added') throw new Error('expected it to be added')
  const { authority } = added
  assert.equal(addRotation(authority, await rotate(author, 2, 'thief')), { outcome: 'invalid', reason: 'signature' })
  const forged = await rotate(author, 1, 'thief')
  assert.is(addRotation(authority, forged).outcome, 'equivocation')
  const evidence = findRotationConflict(real, forged)
  if (evidence === undefined) throw new Error('expected evidence')

  const replica = new TestReplica(authority)
  replica.take(chain.at(1))
  const taken = acceptEvidence(replica.floor, evidence, authority)
  assert.is(taken.outcome, 'accepted')
  replica.floor = taken.floor
  const rotated = { authority, signer: signerOf('new') }
  assert.is(replica.take(await chain.publish({ ...rotated, epoch: 1 })), 'halted')
  assert.is(replica.take(await chain.publish({ ...rotated, epoch: 2 })), 'unlinked')
})

test.run()
