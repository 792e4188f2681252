/**
 * Checking proofs, without a store and without waiting (proof.md, 4). The query of the question is run on the proof's blocks
 * in the order they have: each is the one that is needed next, hashed and verified against its parent, and at the end none is
 * left. So a proof shows neither less nor more than its answer needs, and no other bytes prove the same.
 */
import { equalBytes } from '../bytes.ts'
import { isCoppiceError } from '../errors.ts'
import { formatLink, type Link, linkMapKey } from '../link.ts'
import { type Authority, decodeRotations } from '../pointer/authority.ts'
import { type SignedRoot, verifySignedRoot } from '../pointer/signed-root.ts'
import { type Format, FORMAT_1 } from '../prolly/format.ts'
import type { TreeRef } from '../prolly/tree-writer.ts'
import { answerOf } from './answer.ts'
import { decodeProof, PROOF_VALUES_MAX, proofInvalid, type ProofRoot } from './proof-bytes.ts'
import { type Answer, equalQuestions, type Question } from './question.ts'
import type { Reading } from './replay.ts'

/** What the caller trusts: the root of a tree by its CID, or whatever an author signs for one of his databases. */
export type Trusted = Link | { readonly author: Uint8Array; readonly name: string }

export interface Proven<Q extends Question = Question> {
  /** As encoded: keys in order, nothing left open. */
  readonly answer: Answer<Q>
  /** The tree that answers. */
  readonly root: TreeRef
  /** Whose signature over the root was verified; undefined where the proof has none. Says how old the answer is. */
  readonly signed: SignedRoot | undefined
  /** Of a diff, the same for the root that it starts from. */
  readonly signedFrom: SignedRoot | undefined
}

/**
 * What `bytes` prove about `question`, to somebody who trusts `trusted`. Bounded by the bytes: at most 16 MiB.
 * @throws {CoppiceError} `PROOF_INVALID` with `details.reason`, `TREE_MALFORMED` (the author's fault: the tree breaks a
 *   rule), `FORMAT_NEWER`; nothing else, whatever the bytes.
 * @throws {RangeError} for a question that cannot be asked.
 */
export function checkProof<Q extends Question>(
  bytes: Uint8Array,
  question: Q,
  trusted: Trusted,
  options: { readonly format?: Format | undefined } = {},
): Proven<Q> {
  const proof = decodeProof(bytes)
  if (!equalQuestions(proof.question, question))
    throw proofInvalid('question', 'expected one of the question, got another')
  verifyRoots(proof.root, proof.from, trusted)
  const reading = answerOf(proof.question, proof.root, proof.from, options.format ?? FORMAT_1)
  const { root, answer } = replay(reading, proof.blocks)
  const { signed } = proof.root
  return { answer: answer as Answer<Q>, root, signed, signedFrom: proof.from?.signed }
}

/** Every signature that stands in the proof is verified, whatever is trusted. */
function verifyRoots(root: ProofRoot, from: ProofRoot | undefined, trusted: Trusted): void {
  const isLink = trusted instanceof Uint8Array
  if (isLink && !equalBytes(root.link, trusted)) {
    throw proofInvalid('root', `expected one of root ${formatLink(trusted)}, got ${formatLink(root.link)}`)
  }
  if (root.signed === undefined) {
    if (!isLink) throw proofInvalid('root', `expected a signed root, got the CID ${formatLink(root.link)} alone`)
    return
  }
  const identity = isLink ? root.signed.payload : trusted
  verifySignature(root, identity)
  if (from?.signed !== undefined) verifySignature(from, identity)
}

function verifySignature({ signed, rotations }: ProofRoot, identity: Exclude<Trusted, Link>): void {
  if (signed === undefined) return
  const { author, name } = identity
  const { payload } = signed
  if (payload.name !== name) throw proofInvalid('signature', `expected a root of ${name}, got one of ${payload.name}`)
  const authority = requireAuthority(author, rotations)
  if (authority.rotations.some(({ epoch }) => epoch > payload.epoch)) {
    throw proofInvalid('signature', 'expected the rotations up to the epoch of the root, got later ones')
  }
  const problem = verifySignedRoot(signed, authority)
  if (problem !== undefined)
    throw proofInvalid('signature', `expected a root that its author signed, got a wrong ${problem}`)
}

function requireAuthority(author: Uint8Array, rotations: Uint8Array): Authority {
  try {
    return decodeRotations(author, rotations)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw proofInvalid('signature', error.message, error)
    throw error
  }
}

/** Runs `reading` on `blocks` alone. */
function replay<R>(reading: Reading<R>, blocks: readonly Uint8Array[]): R {
  const seen = new Map<string, Uint8Array>()
  for (let step = reading.next(); ;) {
    if (step.done === true) {
      if (seen.size === blocks.length) return step.value
      throw proofInvalid('unused', `expected ${seen.size} blocks, got ${blocks.length}`)
    }
    const link = step.value
    const known = seen.get(linkMapKey(link))
    const bytes = known ?? blocks[seen.size]
    if (bytes === undefined) throw proofInvalid('missing', `expected block ${formatLink(link)}, got no more blocks`)
    if (known === undefined) seen.set(linkMapKey(link), bytes)
    step = give(reading, bytes)
  }
}

/** The query verifies what it is given; a wrong hash is the fault of whoever made the proof. */
function give<R>(reading: Reading<R>, bytes: Uint8Array): IteratorResult<Link, R> {
  try {
    return reading.next(bytes)
  } catch (error) {
    if (isCoppiceError(error, 'BLOCK_MISMATCH'))
      throw proofInvalid('block', `${error.message}; not the block that is needed`, error)
    if (isCoppiceError(error, 'PROOF_TOO_LARGE'))
      throw proofInvalid('values', `expected at most ${PROOF_VALUES_MAX} values, got more`, error)
    throw error
  }
}
