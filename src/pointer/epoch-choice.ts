/**
 * Which epoch the next root belongs to, and which key signs it (record.md, 3 and 5). An epoch goes on with its one key; it ends by a
 * grant for a higher one, on request, or when the key at hand is one that a rotation brought.
 */
import { bytesToHex } from '../bytes.ts'
import { authorityKeyAt, type Authority } from './authority.ts'
import type { Grant } from './grant.ts'
import { verifySignedRoot, type SignedRoot } from './signed-root.ts'

export interface EpochChoice {
  readonly epoch: number
  /** The public key that is to sign. Whether it may, `buildNextPayload` says. */
  readonly key: Uint8Array
  readonly grant: Uint8Array | null
}

export interface EpochWish {
  /** Sign under this grant: in its epoch, by its signer. */
  readonly grant?: Grant | undefined
  /** Begin a new epoch that the authority signs itself: what the signer before signs from now on is worth nothing. */
  readonly newEpoch?: boolean | undefined
  /** Public keys at hand. None: the key is elsewhere. */
  readonly keys?: readonly Uint8Array[]
}

/** After `previous`, the author's last root, or for the first one. */
export function chooseEpoch(previous: SignedRoot | null, authority: Authority, wish: EpochWish = {}): EpochChoice {
  const { grant, newEpoch = false, keys = [] } = wish
  if (grant !== undefined) return { epoch: grant.epoch, key: grant.signer, grant: grant.bytes }
  const rotated = authority.rotations.at(-1)?.epoch ?? 0
  const begun = (epoch: number): EpochChoice => ({ epoch, key: authorityKeyAt(authority, epoch), grant: null })
  if (previous === null) return begun(rotated)
  const { epoch } = previous.payload
  // A rotation may take the authority over an epoch that had begun: its roots count no more, and the chain goes on in a new one.
  const isOver = verifySignedRoot(previous, authority) !== undefined
  if (newEpoch || isOver) return begun(Math.max(epoch + 1, rotated))
  const atHand = new Set(keys.map(bytesToHex))
  const isTakenOver = rotated > epoch && atHand.has(bytesToHex(authorityKeyAt(authority, rotated)))
  if (isTakenOver && !atHand.has(bytesToHex(previous.key))) return begun(rotated)
  return { epoch, key: previous.key, grant: previous.payload.grant }
}
