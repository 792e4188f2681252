/**
 * Decides what a signed root means to a replica that has a floor (record.md, 5). A pure function of the floor, the bytes, the
 * authority and one reading of the clock; nothing moves until the caller has made the returned floor durable.
 *
 * Cheap answers come first, signatures are computed only for what could move the floor or is evidence. The floor goes up by
 * (epoch, sequence) only, but for one case: a rotation that comes to light and takes the authority from the floor's signer.
 */
import { equalBytes } from '../bytes.ts'
import { isCoppiceError, type CoppiceError } from '../errors.ts'
import { authorityEpochAt, type Authority } from './authority.ts'
import { signedRootProblem } from './entitlement.ts'
import { findConflict, type Evidence } from './evidence.ts'
import { haltingEvidence, withEvidence, type AcceptedRoot, type Floor, type LinkState } from './floor.ts'
import { isFuture } from './freshness.ts'
import { checkLink, type LinkProof } from './link-proof.ts'
import { comparePositions } from './order.ts'
import {
  decodeSignedRoot,
  verifySignedRoot,
  type AnySignedRoot,
  type SignedRoot,
  type SignedRootProblem,
} from './signed-root.ts'

/** Beyond what a signature can have wrong: not decodable, of another database, `issued` before the floor's. */
export type InvalidReason = SignedRootProblem | 'malformed' | 'name' | 'issued'

export type Acceptance =
  /** Make `floor` durable, then use `root`. `evidence`: what the new root says against the floor's old one. */
  | {
      readonly outcome: 'accepted'
      readonly root: SignedRoot
      readonly link: LinkState
      readonly floor: Floor
      readonly evidence: Evidence | null
    }
  /** The payload of the floor. */
  | { readonly outcome: 'same' }
  /** Below the floor, and nothing against it. Its signature was not looked at. */
  | { readonly outcome: 'stale'; readonly root: AnySignedRoot }
  /** It contradicts the floor: make `floor`, which keeps the evidence, durable and stop there. */
  | { readonly outcome: 'equivocation'; readonly evidence: Evidence; readonly floor: Floor }
  /** Validly signed, but evidence was found before against its epoch: only a higher epoch goes on. */
  | { readonly outcome: 'halted'; readonly root: AnySignedRoot; readonly evidence: Evidence }
  /** Issued that many seconds ahead of the clock. */
  | { readonly outcome: 'future'; readonly root: SignedRoot; readonly aheadSeconds: number }
  /** Validly signed, for newer software. */
  | { readonly outcome: 'newer-format'; readonly format: number }
  | { readonly outcome: 'needs-newer'; readonly root: SignedRoot; readonly extensions: readonly number[] }
  /** Whoever sent it is to blame. `error`: for `malformed` what and where, for what a signature can have wrong who should have signed. */
  | { readonly outcome: 'invalid'; readonly reason: InvalidReason; readonly error: CoppiceError | null }

/**
 * What a replica does about a fork. `stop`: it stays at what it has until a higher epoch. `highest`: it keeps the evidence, and goes
 * to whatever its author's keys sign at the highest place; readers of one database may then see different states.
 */
export type OnFork = 'stop' | 'highest'

export interface AcceptanceContext {
  /** Of the floor's author, with all rotations known. */
  readonly authority: Authority
  /** The clock, seconds since 1970. */
  readonly now: number
  /** About the floor's root and the judged one, whichever is lower; from any peer, worth what it proves. */
  readonly proof?: LinkProof | null
  /** `stop` where absent. */
  readonly onFork?: OnFork
}

/** Decodes and judges. Total: any bytes give an outcome. */
export function judgeSignedRoot(floor: Floor, bytes: Uint8Array, context: AcceptanceContext): Acceptance {
  try {
    return judgeDecodedRoot(floor, decodeSignedRoot(bytes), context)
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
    return { outcome: 'invalid', reason: 'malformed', error }
  }
}

/** As {@link judgeSignedRoot}, for one that is decoded already. */
export function judgeDecodedRoot(floor: Floor, root: AnySignedRoot, context: AcceptanceContext): Acceptance {
  if (!equalBytes(root.payload.author, floor.author)) return unsigned(root, 'author', context)
  if (root.payload.name !== floor.name) return invalid('name')
  const { accepted } = floor
  if (accepted === null) return judgeAbove(floor, null, root, context)
  if (isRevoked(accepted.root, context.authority)) return judgeAfterRotation(floor, accepted, root, context)
  if (equalBytes(root.link, accepted.root.link)) return { outcome: 'same' }
  const epochs = root.payload.epoch - accepted.root.payload.epoch
  if (epochs < 0) return { outcome: 'stale', root }
  return epochs === 0
    ? judgeWithin(floor, accepted.root, root, context)
    : judgeAbove(floor, accepted.root, root, context)
}

/** The epoch of the floor: chained to it, below it, or against it. */
function judgeWithin(floor: Floor, held: SignedRoot, root: AnySignedRoot, context: AcceptanceContext): Acceptance {
  const conflict = root.state === 'newer-format' ? undefined : findConflict(held, root, context.proof)
  const isLower = comparePositions(root.payload, held.payload) < 0
  if (isLower && conflict === undefined) return { outcome: 'stale', root }
  const problem = verifySignedRoot(root, context.authority)
  if (problem !== undefined) return unsigned(root, problem, context)
  if (conflict !== undefined) {
    const isTaken = context.onFork === 'highest' && comparePositions(root.payload, held.payload) > 0
    if (isTaken) return admit(floor, root, context, () => ({ link: 'superseded', evidence: conflict }))
    return { outcome: 'equivocation', evidence: conflict, floor: withEvidence(floor, conflict) }
  }
  return admit(floor, root, context, (known) => chainedState(held, known, context))
}

/** No floor yet, or a new epoch: whoever has the authority may begin it, even against what the floor holds. */
function judgeAbove(
  floor: Floor,
  held: SignedRoot | null,
  root: AnySignedRoot,
  context: AcceptanceContext,
): Acceptance {
  const problem = verifySignedRoot(root, context.authority)
  if (problem !== undefined) return unsigned(root, problem, context)
  return admit(floor, root, context, (known) => {
    if (held === null) return { link: 'first', evidence: null }
    const conflict = findConflict(held, known, context.proof) ?? null
    if (known.payload.resolves.some((tip) => equalBytes(tip, held.link)))
      return { link: 'resolved', evidence: conflict }
    if (conflict !== null) return { link: 'superseded', evidence: conflict }
    return chainedState(held, known, context)
  })
}

/**
 * A rotation took the authority over the floor's epoch from the key that signed it. Whatever the new authority signs from its first
 * epoch on replaces the floor, even below it: otherwise a leaked old key could have fixed the floor at the highest epoch.
 */
function judgeAfterRotation(
  floor: Floor,
  { root: held }: AcceptedRoot,
  root: AnySignedRoot,
  context: AcceptanceContext,
): Acceptance {
  if (root.payload.epoch < authorityEpochAt(context.authority, held.payload.epoch)) return { outcome: 'stale', root }
  const problem = verifySignedRoot(root, context.authority)
  if (problem !== undefined) return unsigned(root, problem, context)
  return admit(floor, root, context, () => ({ link: 'superseded', evidence: null }))
}

/** Whether the floor's root, valid when it was accepted, is so no more because of a rotation learnt since. */
function isRevoked(held: SignedRoot, authority: Authority): boolean {
  return authorityEpochAt(authority, held.payload.epoch) > 0 && verifySignedRoot(held, authority) !== undefined
}

interface Connection {
  readonly link: LinkState
  readonly evidence: Evidence | null
}

/** Above `held` and nothing against it. undefined: `issued` goes back along the chain, which no chain does. */
function chainedState(held: SignedRoot, root: SignedRoot, context: AcceptanceContext): Connection | undefined {
  if (root.payload.issued < held.payload.issued) return undefined
  const isNext = root.payload.sequence === held.payload.sequence + 1
  const proof = context.proof ?? null
  const isLinked = isNext || (proof !== null && checkLink(held, root, proof) === 'linked')
  return { link: isLinked ? 'linked' : 'unlinked', evidence: null }
}

/** The last questions, after a valid signature: may this epoch go on, do we understand it, is it of our time? */
function admit(
  floor: Floor,
  root: AnySignedRoot,
  context: AcceptanceContext,
  connect: (root: SignedRoot) => Connection | undefined,
): Acceptance {
  const halting = haltingEvidence(floor, root.payload.epoch)
  if (halting !== undefined && context.onFork !== 'highest') return { outcome: 'halted', root, evidence: halting }
  if (root.state === 'newer-format') return { outcome: 'newer-format', format: root.payload.format }
  if (root.state === 'needs-newer') return { outcome: 'needs-newer', root, extensions: root.unknown }
  if (isFuture(root, context.now)) return { outcome: 'future', root, aheadSeconds: root.payload.issued - context.now }
  const connection = connect(root)
  if (connection === undefined) return invalid('issued')
  const { link, evidence } = connection
  const moved: Floor = {
    ...floor,
    accepted: { root, link },
    newestTime: Math.max(floor.newestTime, root.payload.issued),
  }
  return { outcome: 'accepted', root, link, evidence, floor: evidence === null ? moved : withEvidence(moved, evidence) }
}

function unsigned(root: AnySignedRoot, reason: SignedRootProblem, { authority }: AcceptanceContext): Acceptance {
  return { outcome: 'invalid', reason, error: signedRootProblem(root, reason, authority) }
}

function invalid(reason: InvalidReason): Acceptance {
  return { outcome: 'invalid', reason, error: null }
}
