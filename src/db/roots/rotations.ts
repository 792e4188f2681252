/**
 * Rotations that come to light, from a file or from whoever shows a signed root (record.md, 3). The one place where they become part of
 * what a database knows: an author's decides by them who signs next, a replica's who may have signed. They travel as they are
 * kept, under the name ROTATIONS.
 */
import { encodeRotations, type JoinedRotations, joinRotations } from '../../pointer/index.ts'
import { ROTATIONS } from '../meta.ts'
import { readAuthority } from './standing.ts'
import type { DatabaseState } from '../state.ts'

/**
 * Takes what is new in a chain of rotations, durably. Of two for one epoch the held one stands; what to make of the other is the
 * caller's.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` where `bytes` are no valid chain of this author: whoever sent them is to blame.
 */
export async function adoptRotations(state: DatabaseState, bytes: Uint8Array): Promise<JoinedRotations> {
  const joined = joinRotations(await readAuthority(state), bytes)
  if (joined.added > 0) {
    const meta = new Map([[ROTATIONS, encodeRotations(joined.authority)]])
    await state.store.write({ meta }, { durable: true })
  }
  return joined
}
