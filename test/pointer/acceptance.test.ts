/** The floor (docs/spec/record.md, 5): what a replica takes, and what it does with the rest. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import {
  addRotation,
  comparePositions,
  createAuthority,
  createFloor,
  decodeFloor,
  decodeLinkProof,
  decodeRotation,
  encodeFloor,
  encodeLinkProof,
  getFreshness,
  proveLink,
  signGrant,
  signRotation,
  type SignedRoot,
} from '../../src/pointer/index.ts'
import { AuthorChain, signerOf, START, treeOf } from '../support/author-chain.ts'
import { NOW, TestReplica } from '../support/floors.ts'
import { hex } from '../support/hex.ts'
import { assertProperty } from '../support/property.ts'
import { RECORD_VECTORS } from '../support/record-vectors.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('pointer/acceptance')

test('a chain followed one by one is first, then linked; what is held is the same, what is below is stale', async () => {
  const chain = new AuthorChain()
  const replica = new TestReplica(chain.authority)
  const roots = await chain.publishMany(4)
  assert.equal(
    roots.map((root) => replica.take(root)),
    ['first', 'linked', 'linked', 'linked'],
  )
  assert.equal(
    roots.map((root) => replica.take(root)),
    ['stale', 'stale', 'stale', 'same'],
  )
  assert.is(replica.floor.newestTime, chain.at(4).payload.issued)
})

test('a skip is unlinked, or linked by a proof; a proof about something else is worth nothing', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(30)
  const other = new AuthorChain('author', 'other')
  await other.publishMany(30)
  for (const [from, to] of [
    [1, 3],
    [2, 30],
    [16, 25],
    [17, 30],
  ] as const) {
    const proof = await proveLink(from, to, chain.subtrees)
    const take = (one: typeof proof | null): string => {
      const replica = new TestReplica(chain.authority)
      replica.take(chain.at(from))
      return replica.take(chain.at(to), { proof: one })
    }
    assert.is(take(null), 'unlinked')
    assert.is(take(decodeLinkProof(encodeLinkProof(proof))), 'linked')
    assert.is(take(await proveLink(from, to, other.subtrees)), 'unlinked')
    if (from > 1) assert.is(take({ ...proof, consistency: [] }), 'unlinked')
    assert.is(take({ ...proof, inclusion: [] }), 'unlinked')
    assert.is(take({ ...proof, leaf: new Uint8Array(32) }), 'unlinked')
  }
})

test('the vectors: followed with the rotation known, through a fork and its end', () => {
  const authority = createAuthority(hex(RECORD_VECTORS.author))
  const rotation = addRotation(authority, decodeRotation(hex(RECORD_VECTORS.rotation)))
  const replica = new TestReplica(rotation.outcome === 'added' ? rotation.authority : authority, RECORD_VECTORS.name)
  const taken = RECORD_VECTORS.records.map(({ signedRoot }) => replica.take(hex(signedRoot)))
  const linked = (count: number): string[] => Array.from({ length: count }, () => 'linked')
  assert.equal(taken, ['first', ...linked(8), 'resolved', 'linked'])
  assert.is(replica.take(hex(RECORD_VECTORS.fork.signedRoot)), 'stale')

  const torn = new TestReplica(replica.authority, RECORD_VECTORS.name)
  const record = (at: number): Uint8Array => hex(RECORD_VECTORS.records[at]?.signedRoot ?? '')
  assert.equal([torn.take(record(7)), torn.take(hex(RECORD_VECTORS.fork.signedRoot))], ['first', 'linked'])
  assert.is(torn.take(record(8)), 'equivocation')
  assert.is(torn.take(record(9)), 'resolved')
  assert.is(torn.floor.evidence.length, 1)
})

test('states of newer software move nothing; strangers cannot claim them', () => {
  const authority = createAuthority(hex(RECORD_VECTORS.author))
  const outcomes = RECORD_VECTORS.states.map(({ signedRoot }) => {
    const replica = new TestReplica(authority, RECORD_VECTORS.name)
    const outcome = replica.take(hex(signedRoot))
    assert.is(replica.accepted, undefined)
    return outcome
  })
  assert.equal(outcomes, ['needs-newer', 'newer-format', 'invalid: signer'])
})

test('whatever is malformed or not entitled moves nothing', () => {
  const authority = createAuthority(hex(RECORD_VECTORS.author))
  const replica = new TestReplica(authority, RECORD_VECTORS.name)
  const before = encodeFloor(replica.floor)
  for (const { label, signedRoot } of RECORD_VECTORS.malformed) {
    assert.is(replica.take(hex(signedRoot)), 'invalid: malformed', label)
  }
  for (const { label, problem, signedRoot } of RECORD_VECTORS.unentitled) {
    assert.is(replica.take(hex(signedRoot)), `invalid: ${problem}`, label)
  }
  assert.equal(encodeFloor(replica.floor), before)
})

test('issued never goes back along a chain', async () => {
  const chain = new AuthorChain()
  await chain.publish({ now: START + 1000 })
  const back = await chain.publish({ now: START + 10 })
  assert.is(back.payload.issued, START + 1000, 'the author keeps to it')
  const other = new AuthorChain()
  await other.publish({ now: START + 1000 })
  const replica = new TestReplica(chain.authority)
  replica.take(other.at(1))
  const lower = new AuthorChain()
  await lower.publish({ now: START + 5 })
  await lower.publishMany(7, { now: START + 6 })
  assert.is(replica.take(lower.at(8)), 'invalid: issued')
})

test('a new epoch goes on linked, unlinked, or names what it leaves out', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const next = await chain.publish({ epoch: 1 })
  const replica = new TestReplica(chain.authority)
  assert.equal([replica.take(chain.at(3)), replica.take(next)], ['first', 'linked'])
  const late = new TestReplica(chain.authority)
  assert.equal([late.take(chain.at(1)), late.take(next)], ['first', 'unlinked'])
  assert.is(late.take(chain.at(3)), 'stale', 'a lower epoch, whatever its sequence')
})

test('a granted signer signs its epoch, and only that', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const author = chain.signer
  const signer = signerOf('signer')
  const grantFor = (epoch: number): Promise<Uint8Array> =>
    signGrant(author, {
      author: author.publicKey,
      name: chain.name,
      epoch,
      signer: signer.publicKey,
      firstSequence: 3,
      expires: START + 1_000_000,
    })
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(2))
  const granted = await chain.publish({ epoch: 1, signer, grant: await grantFor(1), expires: START + 2_000_000 })
  assert.is(replica.take(granted), 'linked')
  assert.is(replica.take(await chain.publish({ signer })), 'linked')
  assert.is(getFreshness(granted, START + 999_999), 'fresh')
  assert.is(getFreshness(granted, START + 1_000_000), 'expired', 'with its grant')
})

test('freshness: of the promise, the clock, and the newest authenticated time', async () => {
  const chain = new AuthorChain()
  const bounded = await chain.publish({ now: START, expires: START + 100 })
  const unbounded = await chain.publish({ now: START + 50 })
  const cases: [SignedRoot, number, number, string][] = [
    [bounded, START, 0, 'fresh'],
    [bounded, START + 99, 0, 'fresh'],
    [bounded, START + 100, 0, 'expired'],
    [bounded, START - 600, 0, 'fresh'],
    [bounded, START - 601, 0, 'future'],
    [bounded, START - 601, START, 'fresh'],
    [bounded, START - 601, START + 100, 'expired'],
    [bounded, 0, START + 99, 'fresh'],
    [unbounded, NOW, 0, 'unbounded'],
    [unbounded, START - 551, 0, 'future'],
  ]
  for (const [root, now, newest, expected] of cases) assert.is(getFreshness(root, now, newest), expected)
})

test('issued too far ahead moves nothing; expired ones still move the floor', async () => {
  const chain = new AuthorChain()
  const replica = new TestReplica(chain.authority)
  const root = await chain.publish({ now: NOW + 601, expires: NOW + 602 })
  const judged = replica.offer(root)
  assert.equal([judged.outcome, judged.outcome === 'future' ? judged.aheadSeconds : 0], ['future', 601])
  assert.is(replica.floor.accepted, null)
  replica.now = NOW + 1
  assert.is(replica.take(root), 'first')
  const late = new TestReplica(chain.authority)
  late.now = NOW + 100_000
  assert.is(late.take(root), 'first')
  assert.is(getFreshness(root, late.now, late.floor.newestTime), 'expired')
})

test('a rotation that comes to light takes the floor from the old key', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const thief = chain.fork()
  const rotated = signerOf('rotated')
  const bytes = await signRotation(chain.signer, {
    author: chain.signer.publicKey,
    epoch: 1,
    newKey: rotated.publicKey,
  })
  const rotation = addRotation(chain.authority, decodeRotation(bytes))
  assert.is(rotation.outcome, 'added')
  if (rotation.outcome !== 'added') return
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(2))
  assert.is(replica.take(await thief.publish({ epoch: 4095 })), 'linked', 'the rotation is not known yet')
  replica.authority = rotation.authority
  assert.is(replica.take(thief.at(3)), 'invalid: signer')
  assert.is(replica.take(chain.at(2)), 'stale', 'not below the rotation')
  const real = await chain.publish({ authority: rotation.authority, signer: rotated, epoch: 1 })
  assert.is(replica.take(real), 'superseded')
  assert.is(replica.take(thief.at(3)), 'invalid: signer')
  assert.is(replica.take(real), 'same')
})

test('floors are kept and read back; damage and newer versions are told apart', async () => {
  const chain = new AuthorChain()
  const other = chain.fork()
  await chain.publishMany(2)
  await other.publish({ tree: treeOf(77) })
  const replica = new TestReplica(chain.authority)
  const empty = createFloor(chain.authority.author, 'test')
  assert.equal(decodeFloor(encodeFloor(empty)), empty)
  replica.take(chain.at(1))
  replica.take(other.at(1))
  assert.is(replica.floor.evidence.length, 1)
  const bytes = encodeFloor(replica.floor)
  assert.equal(encodeFloor(decodeFloor(bytes)), bytes)
  assert.equal(
    decodeFloor(bytes).evidence.map(({ epoch }) => epoch),
    [0],
  )
  const property = fc.property(fc.nat(bytes.length - 1), fc.nat(), (length, at) => {
    for (const damaged of [
      bytes.slice(0, length),
      bytes.map((byte, i) => (i === at % bytes.length ? byte ^ 0x41 : byte)),
    ]) {
      try {
        decodeFloor(damaged)
      } catch (error) {
        assert.ok(isCoppiceError(error, 'STORE_CORRUPT') || isCoppiceError(error, 'FORMAT_NEWER'), String(error))
      }
    }
  })
  await assertProperty(property, 200)
  throwsCode(() => decodeFloor(Uint8Array.of(0x82, 2, 0)), 'FORMAT_NEWER')
})

test('in any order of offers, replays and lies the floor never goes down, and ends at the highest', async () => {
  const honest = new AuthorChain()
  await honest.publishMany(5)
  const twin = honest.fork()
  await honest.publishMany(3)
  await twin.publishMany(3, { tree: treeOf(500) })
  await honest.publish({ epoch: 2, resolves: [honest.at(8).link, twin.at(8).link] })
  await honest.publishMany(2)
  const stranger = new AuthorChain('stranger')
  await stranger.publishMany(2, { epoch: 9 })
  const foreign = new AuthorChain('author', 'foreign')
  await foreign.publish({ epoch: 9 })
  const offers = [...honest.roots, ...twin.roots.slice(5), ...stranger.roots, ...foreign.roots]
  const replay = fc.array(fc.nat(offers.length - 1), { maxLength: 30 })
  const property = fc.property(replay, fc.nat(600), fc.nat(255), (order, at, change) => {
    const replica = new TestReplica(honest.authority)
    for (const index of order) {
      const root = offers[index] as SignedRoot
      const before = replica.accepted
      const evidence = replica.floor.evidence.length
      const mutated = root.bytes.map((byte, i) => (i === at % root.bytes.length ? byte ^ change : byte))
      for (const bytes of [mutated, root.bytes]) {
        replica.offer(bytes)
        const after = replica.accepted
        if (before !== undefined) assert.ok(after !== undefined && comparePositions(after.payload, before.payload) >= 0)
        if (after !== undefined)
          assert.ok([...honest.roots, ...twin.roots].some((one) => one.bytes.join() === after.bytes.join()))
        assert.ok(replica.floor.evidence.length >= evidence)
      }
    }
    replica.offer(honest.at(11))
    assert.equal(replica.accepted?.link, honest.at(11).link)
  })
  await assertProperty(property, 150)
})

test.run()
