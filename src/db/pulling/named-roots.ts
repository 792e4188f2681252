/**
 * Signed roots that another one names (record.md, 1, "Recent"), fetched by the CIDs of their payloads: so a replica can fall back to one
 * that nobody shows any more, and an author who lost all but the key learns what its last root names.
 */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import { type AnySignedRoot, decodeSignedRoot, type SignedRoot } from '../../pointer/index.ts'
import type { PayloadName, Session } from '../../sync/index.ts'

export interface NamedRoot {
  /** Its payload is the named one; its signature is for the caller to verify. */
  readonly root: SignedRoot
  /** Who gave it, and may have its tree. */
  readonly from: readonly Session[]
}

/** Those of the roots that some peer has, 1..PAYLOADS_MAX, in the order of the names. Never rejects: a peer that fails has none. */
export async function namedRoots(sessions: readonly Session[], names: readonly PayloadName[]): Promise<NamedRoot[]> {
  if (names.length === 0) return []
  const answers = await Promise.all(sessions.map((session) => ask(session, names)))
  return names.flatMap((_, i) => {
    const from = sessions.filter((_session, at) => answers[at]?.[i] !== undefined)
    const root = answers.find((roots) => roots[i] !== undefined)?.[i]
    return root === undefined ? [] : [{ root, from }]
  })
}

async function ask(session: Session, names: readonly PayloadName[]): Promise<readonly (SignedRoot | undefined)[]> {
  const answer = session.isOpen ? await session.getPayloads?.(names).catch(() => undefined) : undefined
  if (answer === undefined || answer === 'busy' || answer === 'gone') return []
  const roots = answer.map((bytes) => (bytes === null ? null : decode(bytes)))
  if (roots.every((root, i) => root === null || isNamed(root, names[i]))) {
    // One that this version cannot read is as good as none.
    return roots.map((root) => (root?.state === 'known' ? root : undefined))
  }
  session.fail('liar', 'sent a signed root that is not the one asked for')
  return []
}

function isNamed(root: AnySignedRoot | undefined, name: PayloadName | undefined): boolean {
  return root !== undefined && name !== undefined && equalBytes(root.link, name.link)
}

function decode(bytes: Uint8Array): AnySignedRoot | undefined {
  try {
    return decodeSignedRoot(bytes)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
