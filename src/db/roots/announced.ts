/** What a peer's session says of the root it announces, against a signed root of our own. */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import { decodeSignedRoot, type SignedRoot } from '../../pointer/index.ts'
import type { RootId, Session } from '../../sync/index.ts'

export function rootId(root: SignedRoot | undefined): RootId | null {
  if (root === undefined) return null
  return { payload: root.link, epoch: root.payload.epoch, sequence: root.payload.sequence }
}

/**
 * Whether the peer has announced this very root; `have` is what the hello said we have, so that `same` means that one.
 * Total: what a peer announces may be anything.
 */
export function announces(session: Session, have: RootId | null, target: SignedRoot): boolean {
  const { announced, status } = session
  if (announced === undefined) return status === 'same' && have !== null && equalBytes(have.payload, target.link)
  try {
    return equalBytes(decodeSignedRoot(announced).link, target.link)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return false
    throw error
  }
}

/** The tree of the root that the peer has announced; undefined where it announced none that can be read. */
export function rootShownBy({ announced }: Session): Link | undefined {
  if (announced === undefined) return undefined
  try {
    const root = decodeSignedRoot(announced)
    return root.state === 'newer-format' ? undefined : root.payload.root
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
