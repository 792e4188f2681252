/** Where a database stands: what is shown, what is signed, how fresh that is. */
import {
  createAuthority,
  decodeFloor,
  decodeRotations,
  type Floor,
  createFloor,
  type Freshness,
  getFreshness,
  type Authority,
  type SignedRoot,
  type Evidence,
} from '../pointer/index.ts'
import { FLOOR, INVALID, PUBLISHED, ROTATIONS } from './meta.ts'
import { decodeOwn } from './signed-log.ts'
import type { DatabaseState } from './state.ts'

export interface ReplicaStanding {
  /** Of the complete state. */
  readonly current: SignedRoot | undefined
  /** The newest accepted; above `current` while a pull has not completed. */
  readonly newest: SignedRoot | undefined
  /** Of the newest accepted root; undefined before there is one. */
  readonly freshness: Freshness | undefined
  /** Proof that the author signed contradicting roots. */
  readonly evidence: readonly Evidence[]
  /** Why the newest root can never be completed: its tree breaks a rule. The author's fault. */
  readonly invalid: string | undefined
}

export async function readStanding(state: DatabaseState): Promise<ReplicaStanding> {
  const published = await state.store.getMeta(PUBLISHED)
  const floor = await readFloor(state)
  const newest = floor.accepted?.root
  const now = Math.floor(state.clock.now() / 1000)
  const invalid = newest === undefined ? undefined : await invalidReason(state, newest)
  return {
    current: published === undefined ? undefined : decodeOwn(published),
    newest,
    freshness: newest === undefined ? undefined : getFreshness(newest, now, floor.newestTime),
    evidence: floor.evidence,
    invalid,
  }
}

export async function readFloor(state: DatabaseState): Promise<Floor> {
  const bytes = await state.store.getMeta(FLOOR)
  return bytes === undefined ? createFloor(state.author, state.name) : decodeFloor(bytes)
}

export async function readAuthority(state: DatabaseState): Promise<Authority> {
  const bytes = await state.store.getMeta(ROTATIONS)
  return bytes === undefined ? createAuthority(state.author) : decodeRotations(state.author, bytes)
}

/** Why that root was found malformed before. */
export async function invalidReason(state: DatabaseState, root: SignedRoot): Promise<string | undefined> {
  const bytes = await state.store.getMeta(INVALID)
  return bytes === undefined ? undefined : parseInvalid(bytes, root)
}

/** The payload's link, then the reason as text. */
function parseInvalid(bytes: Uint8Array, root: SignedRoot): string | undefined {
  const isThis = root.link.every((byte, i) => bytes[i] === byte)
  return isThis ? new TextDecoder().decode(bytes.subarray(root.link.length)) : undefined
}

export function encodeInvalid(root: SignedRoot, reason: string): Uint8Array {
  return new Uint8Array([...root.link, ...new TextEncoder().encode(reason)])
}
