/** Evidence (docs/spec/record.md, 5): found, kept, handed on, and checked by those who were not there. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import {
  acceptEvidence,
  createAuthority,
  createFloor,
  decodeEvidence,
  decodeRotation,
  encodeEvidence,
  EVIDENCE_EPOCHS_MAX,
  findConflict,
  findRotationConflict,
  haltingEvidence,
  proveLink,
  signGrant,
  signRotation,
  verifyEvidence,
  type Evidence,
  type Floor,
  type SignedRoot,
} from '../../src/pointer/index.ts'
import { AuthorChain, signerOf, treeOf } from '../support/author-chain.ts'
import { assertProperty } from '../support/property.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('pointer/evidence')

const chain = new AuthorChain()
await chain.publishMany(6)
const twin = chain.fork()
await chain.publishMany(14)
await twin.publishMany(14, { tree: treeOf(99) })

function required(evidence: Evidence | undefined): Evidence {
  if (evidence === undefined) throw new Error('expected evidence')
  return evidence
}

const reason = (a: SignedRoot, b: SignedRoot): string | undefined => findConflict(a, b)?.reason

test('two records speak against each other, in either order, or they do not', () => {
  for (const [a, b, expected] of [
    [chain.at(7), twin.at(7), 'sequence'],
    [chain.at(20), twin.at(20), 'sequence'],
    [chain.at(7), twin.at(8), 'previous'],
    [twin.at(7), chain.at(8), 'previous'],
    [twin.at(7), chain.at(10), 'recent'],
    [chain.at(7), twin.at(20), undefined],
    [chain.at(1), chain.at(2), undefined],
    [chain.at(6), twin.at(7), undefined],
    [chain.at(3), chain.at(3), undefined],
  ] as const) {
    assert.is(reason(a, b), expected)
    assert.is(reason(b, a), expected)
  }
})

test('an inclusion proof speaks against a record far below', async () => {
  const proof = await proveLink(7, 20, chain.subtrees)
  const evidence = required(findConflict(twin.at(7), chain.at(20), proof))
  assert.is(evidence.kind === 'roots' ? evidence.reason : '', 'history')
  assert.ok(verifyEvidence(decodeEvidence(encodeEvidence(evidence)), chain.authority))
  assert.is(findConflict(chain.at(7), chain.at(20), proof), undefined)
  assert.is(findConflict(twin.at(7), chain.at(20), await proveLink(7, 20, twin.subtrees)), undefined)
})

test('records of other databases say nothing', async () => {
  const other = new AuthorChain('author', 'other')
  await other.publishMany(7)
  const stranger = new AuthorChain('stranger')
  await stranger.publishMany(7)
  assert.is(reason(chain.at(7), other.at(7)), undefined)
  assert.is(reason(chain.at(7), stranger.at(7)), undefined)
})

test('two signers of one epoch', async () => {
  const author = chain.signer
  const granted = new AuthorChain()
  const payload = { author: author.publicKey, name: 'test', epoch: 0, firstSequence: 1, expires: null }
  const signer = signerOf('signer')
  const grant = await signGrant(author, { ...payload, signer: signer.publicKey })
  await granted.publishMany(9, { signer, grant })
  const evidence = required(findConflict(chain.at(1), granted.at(9)))
  assert.is(evidence.kind === 'roots' ? evidence.reason : '', 'signer')
  assert.ok(verifyEvidence(evidence, chain.authority))
})

test('evidence comes back from its bytes, the same for both finders', () => {
  const one = encodeEvidence(required(findConflict(chain.at(7), twin.at(8))))
  const other = encodeEvidence(required(findConflict(twin.at(8), chain.at(7))))
  assert.equal(one, other)
  assert.equal(encodeEvidence(decodeEvidence(one)), one)
  assert.ok(verifyEvidence(decodeEvidence(one), createAuthority(chain.signer.publicKey)))
  assert.not.ok(verifyEvidence(decodeEvidence(one), createAuthority(signerOf('stranger').publicKey)))
})

test('two rotations for one epoch', async () => {
  const rotate = async (to: string, by = chain.signer, epoch = 4): Promise<ReturnType<typeof decodeRotation>> => {
    const newKey = signerOf(to).publicKey
    return decodeRotation(await signRotation(by, { author: chain.signer.publicKey, epoch, newKey }))
  }
  const [a, b] = [await rotate('a'), await rotate('b')]
  const evidence = required(findRotationConflict(a, b))
  assert.equal(encodeEvidence(evidence), encodeEvidence(required(findRotationConflict(b, a))))
  assert.ok(verifyEvidence(decodeEvidence(encodeEvidence(evidence)), chain.authority))
  assert.is(findRotationConflict(a, a), undefined)
  assert.is(findRotationConflict(a, await rotate('b', chain.signer, 5)), undefined)
  const forged = required(findRotationConflict(a, await rotate('b', signerOf('stranger'))))
  assert.not.ok(verifyEvidence(forged, chain.authority))
})

test('a peer hands evidence over: taken once, refused when it is forged or foreign', async () => {
  const floor = createFloor(chain.signer.publicKey, 'test')
  const evidence = required(findConflict(chain.at(7), twin.at(7)))
  const first = acceptEvidence(floor, evidence, chain.authority)
  assert.is(first.outcome, 'accepted')
  assert.is(haltingEvidence(first.floor, 0), evidence)
  assert.equal(acceptEvidence(first.floor, evidence, chain.authority), { outcome: 'same', floor: first.floor })
  const forger = new AuthorChain('forger')
  await forger.publish()
  const other = new AuthorChain('forger')
  await other.publish({ tree: treeOf(5) })
  const forged = required(findConflict(forger.at(1), other.at(1)))
  assert.is(acceptEvidence(floor, forged, chain.authority).outcome, 'invalid')
  assert.is(acceptEvidence({ ...floor, name: 'other' }, evidence, chain.authority).outcome, 'invalid')
})

test('only so much is kept: one piece per epoch, the highest epochs', async () => {
  let floor: Floor = createFloor(chain.signer.publicKey, 'test')
  for (let epoch = 0; epoch < EVIDENCE_EPOCHS_MAX + 4; epoch++) {
    const one = new AuthorChain()
    const other = new AuthorChain()
    const evidence = required(
      findConflict(await one.publish({ epoch }), await other.publish({ epoch, tree: treeOf(50) })),
    )
    floor = acceptEvidence(floor, evidence, chain.authority).floor
  }
  assert.equal(
    floor.evidence.map(({ epoch }) => epoch),
    [11, 10, 9, 8, 7, 6, 5, 4],
  )
  const low = required(findConflict(chain.at(7), twin.at(7)))
  assert.equal(acceptEvidence(floor, low, chain.authority), { outcome: 'same', floor })
})

test('each change of one byte of evidence is refused, or signed by nobody', async () => {
  const proof = await proveLink(7, 20, chain.subtrees)
  const pieces = [findConflict(chain.at(7), twin.at(7)), findConflict(twin.at(7), chain.at(20), proof)]
  const property = fc.property(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, at, change) => {
    const bytes = encodeEvidence(required(pieces[which ? 1 : 0]))
    const mutated = bytes.map((byte, i) => (i === at % bytes.length ? byte ^ change : byte))
    let evidence: Evidence
    try {
      evidence = decodeEvidence(mutated)
    } catch (error) {
      assert.ok(isCoppiceError(error, 'SIGNED_ROOT_INVALID'), String(error))
      return
    }
    assert.not.ok(verifyEvidence(evidence, chain.authority))
  })
  await assertProperty(property, 300)
})

test('total on any bytes', async () => {
  await assertProperty(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      throwsCode(() => decodeEvidence(bytes), 'SIGNED_ROOT_INVALID')
    }),
    200,
  )
  assert.throws(() => decodeEvidence(new Uint8Array(1 << 20)), /at most/)
})

test.run()
