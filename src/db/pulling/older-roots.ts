/**
 * What a replica falls back to where no peer has the newest root's blocks: one of the older roots that this one names
 * (record.md, 1, "Recent"), if somebody shows it. The newest root's signature vouches for them; a replica never goes below
 * the root it has.
 */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import {
  type Authority,
  comparePositions,
  decodeSignedRoot,
  type SignedRoot,
  verifySignedRoot,
} from '../../pointer/index.ts'
import type { Session } from '../../sync/index.ts'

/** The roots among `shown` that `newest` names and that are above `from`, the newest first. `shown` may be anything. */
export function olderRoots(
  newest: SignedRoot,
  from: SignedRoot | undefined,
  shown: readonly Uint8Array[],
  authority: Authority,
): SignedRoot[] {
  const found = new Map<number, SignedRoot>()
  for (const bytes of shown) {
    const root = decode(bytes)
    if (root === undefined || found.has(root.payload.sequence) || !isNamed(newest, root)) continue
    if (from !== undefined && comparePositions(root.payload, from.payload) <= 0) continue
    if (verifySignedRoot(root, authority) === undefined) found.set(root.payload.sequence, root)
  }
  return [...found.values()].toSorted((a, b) => comparePositions(b.payload, a.payload))
}

/** All signed roots that the peers show now. */
export function shownRoots(sessions: readonly Session[]): Uint8Array[] {
  return sessions.flatMap(({ announced, older = [] }) => (announced === undefined ? older : [announced, ...older]))
}

function isNamed({ payload }: SignedRoot, older: SignedRoot): boolean {
  return payload.recent.some(({ sequence, link }) => {
    return sequence === older.payload.sequence && equalBytes(link, older.link)
  })
}

function decode(bytes: Uint8Array): SignedRoot | undefined {
  try {
    const root = decodeSignedRoot(bytes)
    return root.state === 'known' ? root : undefined
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
