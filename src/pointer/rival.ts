/** What an author asks its carriers before it signs: is anything out there that another signature of mine would contradict? */
import { equalBytes } from '../bytes.ts'
import type { Authority } from './authority.ts'
import { findConflict } from './evidence.ts'
import { comparePositions } from './order.ts'
import { verifySignedRoot, type AnySignedRoot, type SignedRoot } from './signed-root.ts'

/** `newer`: goes on from the author's last root, or from none it knows. `different`: contradicts it. Both forbid signing. */
export type Rival = 'newer' | 'different'

/**
 * What a carrier's root `found` is to an author whose last root of the database `name` is `own`. undefined: the same root, an
 * older one of the chain, one of an epoch that is over, or nothing that this author signed. Verifies only what would forbid.
 */
export function findRival(
  name: string,
  own: SignedRoot | null,
  found: AnySignedRoot,
  authority: Authority,
): Rival | undefined {
  if (found.payload.name !== name) return undefined
  const rival = relationTo(own, found)
  return rival === undefined || verifySignedRoot(found, authority) !== undefined ? undefined : rival
}

function relationTo(own: SignedRoot | null, found: AnySignedRoot): Rival | undefined {
  if (own === null) return 'newer'
  if (equalBytes(own.link, found.link) || found.payload.epoch < own.payload.epoch) return undefined
  const conflict = found.state === 'newer-format' ? undefined : findConflict(own, found)
  if (conflict !== undefined) return 'different'
  return comparePositions(found.payload, own.payload) > 0 ? 'newer' : undefined
}
