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
} from '../../pointer/index.ts'
import { type InvalidRoot, readInvalidRoot } from './invalid-root.ts'
import { FLOOR, PUBLISHED, ROTATIONS } from '../meta.ts'
import { decodeOwn } from './signed-log.ts'
import type { DatabaseState } from '../state.ts'

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
  readonly invalid: InvalidRoot | undefined
}

export async function readStanding(state: DatabaseState): Promise<ReplicaStanding> {
  const published = await state.store.getMeta(PUBLISHED)
  const floor = await readFloor(state)
  const newest = floor.accepted?.root
  const now = Math.floor(state.clock.now() / 1000)
  const invalid = newest === undefined ? undefined : await readInvalidRoot(state, newest)
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
