/** Proofs against an author: signatures, rotations, other databases, and trees that break a rule. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { copyBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { linkMapKey, parseLink } from '../../src/link.ts'
import {
  addRotation,
  type Authority,
  decodeRotation,
  encodeRotations,
  signRotation,
  type SignedRoot,
} from '../../src/pointer/index.ts'
import { type Format, FORMAT_1 } from '../../src/prolly/index.ts'
import { checkProof, decodeProof, type ProofContent, prove, type Trusted } from '../../src/proof/index.ts'
import { answerOf } from '../../src/proof/answer.ts'
import { encodeProof } from '../../src/proof/proof-bytes.ts'
import { AuthorChain, signerOf } from '../support/author-chain.ts'
import { BlockMap } from '../support/blocks.ts'
import { hex } from '../support/hex.ts'
import { throwsCode } from '../support/throws.ts'
import { ownVectors } from '../support/tree-vectors.ts'
import { treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('proof/signed')

const question = { type: 'get', keys: [u32be(3)] } as const
const rows = Array.from({ length: 9 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
const blocks = new BlockMap()
const tree = await treeOf(rows, FORMAT_1, blocks)
const next = await treeOf(rows.slice(1), FORMAT_1, blocks)
const chain = new AuthorChain()
const signed = await chain.publish({ tree: tree.ref })
const trusted: Trusted = { author: chain.signer.publicKey, name: chain.name }

/** Fails, and says why. */
function refused(reason: string, bytes: Uint8Array, by: Trusted): void {
  assert.throws(
    () => checkProof(bytes, question, by),
    (error: unknown) => isCoppiceError(error, 'PROOF_INVALID') && error.details['reason'] === reason,
    reason,
  )
}

test('a signed proof convinces whoever trusts the author, or the root', async () => {
  const proof = await prove(tree, question, { signed })
  for (const by of [trusted, tree.ref.root]) {
    const proven = checkProof(proof, question, by)
    assert.equal(proven.answer.rows, [{ key: u32be(3), value: u32be(3) }])
    assert.equal(proven.signed?.payload, signed.payload)
    assert.equal(proven.root, tree.ref)
  }
})

test('of another author, another name, another root, or of nobody', async () => {
  const proof = await prove(tree, question, { signed })
  refused('signature', proof, { author: signerOf('other').publicKey, name: chain.name })
  refused('signature', proof, { author: chain.signer.publicKey, name: 'other' })
  refused('root', proof, next.ref.root)
  refused('root', await prove(tree, question), trusted)
})

test('a signature that somebody else made, under the name of the author', async () => {
  const bytes = copyBytes(signed.bytes)
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
  const content = decodeProof(await prove(tree, question, { signed }))
  const forged = { ...signed, bytes }
  const proof = encodeProof({ ...content, root: { ...content.root, signed: forged } })
  refused('signature', proof, trusted)
  refused('signature', proof, tree.ref.root)
})

test('a diff between two signed roots, and between a signed one and one that the reader had', async () => {
  const signedNext = await chain.publish({ tree: next.ref })
  const changes = { type: 'diff', from: tree.ref.root, limit: 10 } as const
  for (const signedFrom of [undefined, signed]) {
    const proof = await prove(next, changes, { signed: signedNext, signedFrom })
    const proven = checkProof(proof, changes, trusted)
    assert.equal(proven.answer.changes, [{ type: 'remove', key: u32be(0), from: u32be(0) }])
    assert.equal(proven.signedFrom?.payload.sequence, signedFrom?.payload.sequence)
    const backward = { type: 'diff', from: next.ref.root, limit: 10 } as const
    throwsCode(() => checkProof(proof, backward, trusted), 'PROOF_INVALID', /question/)
  }
  const other = new AuthorChain('author', 'elsewhere')
  const strange = await other.publish({ tree: tree.ref })
  const mixed = await prove(next, changes, { signed: signedNext, signedFrom: strange })
  throwsCode(() => checkProof(mixed, changes, trusted), 'PROOF_INVALID', /elsewhere/)
})

/** The author's key replaced in epoch 1, and in epoch 2 again. */
async function rotated(): Promise<{ authority: Authority; later: Authority; signed: SignedRoot }> {
  const own = new AuthorChain()
  const [first, second, third] = [own.signer, signerOf('second'), signerOf('third')]
  const author = first.publicKey
  const one = decodeRotation(await signRotation(first, { author, epoch: 1, newKey: second.publicKey }))
  const two = decodeRotation(await signRotation(second, { author, epoch: 2, newKey: third.publicKey }))
  const added = addRotation(own.authority, one)
  assert.ok(added.outcome === 'added')
  const again = addRotation(added.authority, two)
  assert.ok(again.outcome === 'added')
  own.authority = added.authority
  own.signer = second
  return {
    authority: added.authority,
    later: again.authority,
    signed: await own.publish({ tree: tree.ref, epoch: 1 }),
  }
}

test('after a rotation the proof brings it along, and no later one', async () => {
  const { authority, later, signed: root } = await rotated()
  const proof = await prove(tree, question, { signed: root, authority: later })
  assert.equal(proof, await prove(tree, question, { signed: root, authority }))
  assert.is(checkProof(proof, question, trusted).signed?.payload.epoch, 1)
  refused('signature', await prove(tree, question, { signed: root }), trusted)
  const content = decodeProof(proof)
  const padded = { ...content.root, rotations: encodeRotations(later) }
  refused('signature', encodeProof({ ...content, root: padded }), trusted)
})

/** Runs the query on those blocks up to the one that breaks a rule; gives the blocks it used and that rule. */
function forge(content: Omit<ProofContent, 'blocks'>, held: ReadonlyMap<string, Uint8Array>, format: Format) {
  const blocks: Uint8Array[] = []
  const reading = answerOf(content.question, content.root, undefined, format)
  try {
    for (let step = reading.next(); step.done !== true;) {
      const block = held.get(linkMapKey(step.value))
      if (block === undefined) break
      blocks.push(block)
      step = reading.next(block)
    }
  } catch (error) {
    if (isCoppiceError(error, 'TREE_MALFORMED')) return { blocks, rule: error.details['rule'] }
    if (!isCoppiceError(error, 'BLOCK_MISMATCH')) throw error
  }
  return { blocks, rule: undefined }
}

test('what is signed and breaks a rule of the tree is the fault of the author', async () => {
  const broken = new Set<number>()
  for (const { name, format = FORMAT_1, rule, root, entries, bytes, blocks: held } of ownVectors().negatives) {
    const ref = { root: parseLink(root), entries, bytes }
    const author = new AuthorChain()
    const rotations = encodeRotations(author.authority)
    const signedRoot = { link: ref.root, signed: await author.publish({ tree: ref }), rotations }
    const content = { root: signedRoot, from: undefined, question: { type: 'scan', values: true } } as const
    const store = new Map(Object.entries(held).map(([cid, block]) => [linkMapKey(parseLink(cid)), hex(block)]))
    const found = forge(content, store, format)
    // Rule 1 is broken by peers; a missing block is no forgery.
    if (found.rule === undefined) continue
    assert.is(found.rule, rule, name)
    broken.add(rule)
    const proof = encodeProof({ ...content, blocks: found.blocks })
    assert.throws(
      () => checkProof(proof, content.question, trusted, { format }),
      (error: unknown) => isCoppiceError(error, 'TREE_MALFORMED') && error.details['rule'] === rule,
      name,
    )
  }
  assert.equal(
    [...broken].sort((a, b) => a - b),
    [2, 3, 4, 5, 6, 7, 8, 9],
  )
})

test('totals as signed are held against the root', async () => {
  const lying = await new AuthorChain().publish({ tree: { ...tree.ref, entries: tree.ref.entries + 1 } })
  const honest = decodeProof(await prove(tree, { type: 'count' }, { signed }))
  const proof = encodeProof({ ...honest, root: { ...honest.root, signed: lying } })
  throwsCode(() => checkProof(proof, { type: 'count' }, trusted), 'TREE_MALFORMED', /rule 8/)
})

test('a signed root of another tree is the mistake of the caller', async () => {
  const error = await prove(next, question, { signed }).catch((reason: unknown) => reason)
  assert.instance(error, RangeError)
})

test.run()
