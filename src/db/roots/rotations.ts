/**
 * Rotations that come to light, from a file or from whoever shows a signed root (record.md, 3). The one place where they become part of
 * what a database knows: an author's decides by them who signs next, a replica's who may have signed. They travel as they are
 * kept, under the name ROTATIONS.
 */
import {
  type Authority,
  encodeFloor,
  encodeRotations,
  type JoinedRotations,
  joinRotations,
  withoutRevoked,
} from '../../pointer/index.ts'
import { FLOOR, ROTATIONS } from '../meta.ts'
import { readAuthority, readFloor } from './standing.ts'
import type { DatabaseState } from '../state.ts'

/**
 * Takes what is new in a chain of rotations, durably. Of two for one epoch the held one stands; what to make of the other is the
 * caller's.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` where `bytes` are no valid chain of this author: whoever sent them is to blame.
 */
export async function adoptRotations(state: DatabaseState, bytes: Uint8Array): Promise<JoinedRotations> {
  return await state.keeping.run(async () => {
    const joined = joinRotations(await readAuthority(state), bytes)
    if (joined.failure !== undefined) throw joined.failure
    if (joined.added > 0) {
      const meta = new Map(await rotationsMeta(state, joined.authority))
      await state.store.write({ meta }, { durable: true })
    }
    return joined
  })
}

/** What is kept of `authority`, and of evidence that it leaves valid; nothing where there are no rotations. */
export async function rotationsMeta(state: DatabaseState, authority: Authority): Promise<[string, Uint8Array][]> {
  if (authority.rotations.length === 0) return []
  const meta: [string, Uint8Array][] = [[ROTATIONS, encodeRotations(authority)]]
  const floor = await readFloor(state)
  const valid = withoutRevoked(floor, authority)
  return valid === floor ? meta : [...meta, [FLOOR, encodeFloor(valid)]]
}
