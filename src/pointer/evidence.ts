/**
 * Evidence of equivocation: two statements by one author that cannot both belong to one chain, as anyone can check who
 * has them (record.md, 5). It is about the lower of their epochs and halts that one only, so that the leaked key of an old
 * signer cannot stop a database that has moved on.
 */
import { compareBytes, equalBytes } from '../bytes.ts'
import type { CoppiceError } from '../errors.ts'
import { authorityKeyAt, type Authority } from './authority.ts'
import { cborArray, cborBytes, cborNullable, CborReader, cborText, cborUint } from './cbor.ts'
import { checkLink, decodeLinkProof, encodeLinkProof, LINK_PROOF_BYTES_MAX, type LinkProof } from './link-proof.ts'
import { decodeRotation, verifyRotation, type Rotation } from './rotation.ts'
import { decodeSignedRoot, SIGNED_ROOT_BYTES_MAX, verifySignedRoot, type SignedRoot } from './signed-root.ts'
import { signedRootFailure, STATEMENT_BYTES_MAX } from './statement.ts'

const DOMAIN = 'coppice/evidence/1'
const KIND_ROOTS = 0
const KIND_ROTATIONS = 1
/** Two signed roots and a link proof. */
export const EVIDENCE_BYTES_MAX: number = 2 * SIGNED_ROOT_BYTES_MAX + LINK_PROOF_BYTES_MAX + 64

/**
 * `sequence`: two payloads for one sequence. `previous`, `recent`, `history`: the upper root says that another payload stands where
 * the lower one does. `signer`: two keys sign one epoch.
 */
export type ConflictReason = 'sequence' | 'previous' | 'recent' | 'history' | 'signer'

export interface RootEvidence {
  readonly kind: 'roots'
  /** The epoch that it halts. */
  readonly epoch: number
  readonly reason: ConflictReason
  /** By sequence; for equal ones by epoch, then by link, so that the same pair gives the same bytes. */
  readonly lower: SignedRoot
  readonly upper: SignedRoot
  /** For `history` only: the inclusion half, which is all that speaks. */
  readonly proof: LinkProof | null
}

export interface RotationEvidence {
  readonly kind: 'rotations'
  readonly epoch: number
  readonly one: Rotation
  readonly other: Rotation
}

export type Evidence = RootEvidence | RotationEvidence

/**
 * The evidence that `a` and `b` are, if both are validly signed; undefined when nothing speaks against one chain with both.
 * `proof` is about the place of the one with the lower sequence in the history of the other. Signatures are not looked at.
 */
export function findConflict(a: SignedRoot, b: SignedRoot, proof: LinkProof | null = null): RootEvidence | undefined {
  if (!equalBytes(a.payload.author, b.payload.author) || a.payload.name !== b.payload.name) return undefined
  if (equalBytes(a.link, b.link)) return undefined
  const [lower, upper] = isAbove(b, a) ? [a, b] : [b, a]
  const reason = conflictReason(lower, upper, proof)
  if (reason === undefined) return undefined
  const epoch = Math.min(a.payload.epoch, b.payload.epoch)
  const kept = reason === 'history' && proof !== null ? { ...proof, consistency: [] } : null
  return { kind: 'roots', epoch, reason, lower, upper, proof: kept }
}

function isAbove(a: SignedRoot, b: SignedRoot): boolean {
  return (
    (a.payload.sequence - b.payload.sequence || a.payload.epoch - b.payload.epoch || compareBytes(a.link, b.link)) > 0
  )
}

function conflictReason(lower: SignedRoot, upper: SignedRoot, proof: LinkProof | null): ConflictReason | undefined {
  const { sequence } = lower.payload
  if (sequence === upper.payload.sequence) return 'sequence'
  if (sequence === upper.payload.sequence - 1) {
    if (upper.payload.previous === null || !equalBytes(upper.payload.previous, lower.link)) return 'previous'
  }
  const named = upper.payload.recent.find((recent) => recent.sequence === sequence)
  if (named !== undefined && !equalBytes(named.link, lower.link)) return 'recent'
  if (lower.payload.epoch === upper.payload.epoch && !equalBytes(lower.key, upper.key)) return 'signer'
  return proof !== null && checkLink(lower, upper, proof) === 'contradicted' ? 'history' : undefined
}

/** Whether those who may sign for `authority.author` did sign both statements. A conflict is part of any Evidence. */
export function verifyEvidence(evidence: Evidence, authority: Authority): boolean {
  if (evidence.kind === 'roots') {
    return [evidence.lower, evidence.upper].every((root) => verifySignedRoot(root, authority) === undefined)
  }
  const { one, other } = evidence
  if (!equalBytes(one.author, authority.author)) return false
  const before = authorityKeyAt(authority, evidence.epoch - 1)
  return verifyRotation(before, one) && verifyRotation(before, other)
}

/** The evidence in two rotations; undefined unless they are different ones of one author for one epoch. */
export function findRotationConflict(a: Rotation, b: Rotation): RotationEvidence | undefined {
  const order = compareBytes(a.payloadBytes, b.payloadBytes)
  if (a.epoch !== b.epoch || !equalBytes(a.author, b.author) || order === 0) return undefined
  const [one, other] = order < 0 ? [a, b] : [b, a]
  return { kind: 'rotations', epoch: a.epoch, one, other }
}

/** What is kept, handed to peers and written to files. Equal pairs give equal bytes. */
export function encodeEvidence(evidence: Evidence): Uint8Array {
  const isRoots = evidence.kind === 'roots'
  const pair = isRoots ? [evidence.lower, evidence.upper] : [evidence.one, evidence.other]
  return cborArray([
    cborText(DOMAIN),
    cborUint(isRoots ? KIND_ROOTS : KIND_ROTATIONS),
    ...pair.map(({ bytes }) => cborBytes(bytes)),
    cborNullable(isRoots ? evidence.proof : null, (proof) => cborBytes(encodeLinkProof(proof))),
  ])
}

/**
 * Decodes evidence and checks that its statements conflict; {@link verifyEvidence} then says whether they are signed.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID`, and nothing else whatever the bytes.
 */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  const failure: (message: string, offset: number) => CoppiceError = signedRootFailure('evidence')
  if (bytes.length > EVIDENCE_BYTES_MAX)
    throw failure(`expected at most ${EVIDENCE_BYTES_MAX} bytes, got ${bytes.length}`, 0)
  const reader = new CborReader(new Uint8Array(bytes), failure)
  reader.array('evidence', 5, 5)
  if (reader.text('domain', DOMAIN.length) !== DOMAIN) throw failure(`domain: expected ${DOMAIN}`, 0)
  const kind = reader.uint('kind', KIND_ROOTS, KIND_ROTATIONS)
  const statementMax = kind === KIND_ROOTS ? SIGNED_ROOT_BYTES_MAX : STATEMENT_BYTES_MAX
  const first = reader.bytes('first', 1, statementMax)
  const second = reader.bytes('second', 1, statementMax)
  const proof = reader.nullable(() => reader.bytes('proof', 1, LINK_PROOF_BYTES_MAX))
  reader.end('evidence')
  const evidence =
    kind === KIND_ROOTS
      ? findConflict(decodeKnown(first), decodeKnown(second), proof === null ? null : decodeLinkProof(proof))
      : findRotationConflict(decodeRotation(first), decodeRotation(second))
  if (evidence === undefined) throw failure('expected two statements that contradict each other', 0)
  if (!equalBytes(encodeEvidence(evidence), bytes)) throw failure('expected its canonical form', 0)
  return evidence
}

function decodeKnown(bytes: Uint8Array): SignedRoot {
  const root = decodeSignedRoot(bytes)
  if (root.state === 'newer-format') throw signedRootFailure('evidence')('expected roots of a known format', 0)
  return root
}
