/**
 * Who may sign, and why somebody may not, in words (record.md, 3): the author asks before it signs, the reader explains by it what it
 * refuses.
 */
import { equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { renderTime } from '../time-text.ts'
import { formatAuthor } from './address.ts'
import { authorityEpochAt, authorityKeyAt, type Authority } from './authority.ts'
import { verifyGrant, type Grant } from './grant.ts'
import type { PayloadPrefix } from './payload.ts'
import type { AnySignedRoot, SignedRootProblem } from './signed-root.ts'

/** `issued` is left out for newer formats, which may keep it elsewhere. */
type Granted = Pick<PayloadPrefix, 'author' | 'name' | 'epoch' | 'sequence'> & { readonly issued?: number }

/**
 * Why a grant does not hold for a payload: it is of another database, of another epoch, for later sequences, over, or not signed
 * by the authority of its epoch.
 */
export type GrantProblem = 'database' | 'epoch' | 'early' | 'expired' | 'signature'

/** Undefined where it holds. The signature is looked at last. */
export function findGrantProblem(grant: Grant, payload: Granted, authorityKey: Uint8Array): GrantProblem | undefined {
  if (!equalBytes(grant.author, payload.author) || grant.name !== payload.name) return 'database'
  if (grant.epoch !== payload.epoch) return 'epoch'
  if (payload.sequence < grant.firstSequence) return 'early'
  if (grant.expires !== null && payload.issued !== undefined && payload.issued >= grant.expires) return 'expired'
  return verifyGrant(authorityKey, grant) ? undefined : 'signature'
}

/** `expected X, got Y`. */
export function describeGrantProblem(problem: GrantProblem, grant: Grant, payload: Granted): string {
  switch (problem) {
    case 'database':
      return `expected one for ${payload.name} of ${formatAuthor(payload.author)}, got one for ${grant.name} of ${formatAuthor(grant.author)}`
    case 'epoch':
      return `expected one for epoch ${payload.epoch}, got one for epoch ${grant.epoch}`
    case 'early':
      return `expected sequence ${grant.firstSequence} or later, got ${payload.sequence}`
    case 'expired':
      return `expected one that holds at ${renderTime(payload.issued ?? 0)}, got one that expired at ${renderTime(grant.expires ?? 0)}`
    case 'signature':
      return `expected the signature of the authority of epoch ${grant.epoch}, got another`
  }
}

/** What is wrong with a root that `verifySignedRoot` refused, for people. */
export function signedRootProblem(root: AnySignedRoot, problem: SignedRootProblem, authority: Authority): CoppiceError {
  return new CoppiceError('SIGNED_ROOT_INVALID', `signed root: ${describeProblem(root, problem, authority)}`, {
    details: { at: 'signed root', reason: problem },
  })
}

function describeProblem(root: AnySignedRoot, problem: SignedRootProblem, authority: Authority): string {
  const { epoch } = root.payload
  const authorityKey = authorityKeyAt(authority, epoch)
  switch (problem) {
    case 'author':
      return `expected one of ${formatAuthor(authority.author)}, got one of ${formatAuthor(root.payload.author)}`
    case 'grant': {
      const grantProblem = root.grant === null ? undefined : findGrantProblem(root.grant, root.payload, authorityKey)
      if (root.grant === null || grantProblem === undefined) return 'expected a grant that holds'
      return `grant of the signer: ${describeGrantProblem(grantProblem, root.grant, root.payload)}`
    }
    case 'signer': {
      const got = root.signatures.map(({ key }) => formatAuthor(key)).join(', ')
      if (root.grant !== null)
        return `expected a signature by ${formatAuthor(root.grant.signer)}, which is granted, got ${got}`
      const since = authorityEpochAt(authority, epoch)
      const right = since === 0 ? 'the author key' : `which a rotation gave the authority from epoch ${since} on`
      return `expected a signature by ${formatAuthor(authorityKey)}, ${right}, got ${got}`
    }
    case 'signature':
      return 'expected the signature of its key, got another'
  }
}
