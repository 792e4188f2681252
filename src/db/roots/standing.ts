/** Where a database stands: what is shown, what is signed, how fresh that is. */
import { copyBytes, equalBytes } from '../../bytes.ts'
import {
  createAuthority,
  decodeFloor,
  decodeRotations,
  type Floor,
  createFloor,
  type Freshness,
  getFreshness,
  haltingEvidence,
  type OnFork,
  type Authority,
  type SignedRoot,
  type Evidence,
} from '../../pointer/index.ts'
import { type InvalidRoot, readInvalidRoot } from './invalid-root.ts'
import { FLOOR, PUBLISHED, ROTATIONS } from '../meta.ts'
import { readOnFork } from './on-fork.ts'
import { decodeOwn } from './signed-log.ts'
import { type Reach, readReach } from './reach.ts'
import { judgeState, type ReplicaState } from './replica-state.ts'
import type { DatabaseState } from '../state.ts'

export interface ReplicaStanding {
  /** Of the complete state. */
  readonly current: SignedRoot | undefined
  /** The newest accepted; above `current` while a pull has not completed. */
  readonly newest: SignedRoot | undefined
  /** Of the newest accepted root; undefined before there is one. */
  readonly freshness: Freshness | undefined
  /** The freshness, or that nobody can be asked; undefined before there is a root. */
  readonly state: ReplicaState | undefined
  /** Why it is no better, for people, the worst first. */
  readonly reasons: readonly string[]
  /** When carriers and peers last answered. */
  readonly reach: Reach
  /** Proof that the author signed contradicting roots, of the highest epochs; that of a fork that has ended, too. */
  readonly evidence: readonly Evidence[]
  /** What of it is about the epoch of `newest`: the fork that has not ended. Before there is a root nothing says whether one has. */
  readonly fork: Evidence | undefined
  /** What the replica does about it. */
  readonly onFork: OnFork
  /** Why the newest root can never be completed: its tree breaks a rule. The author's fault. */
  readonly invalid: InvalidRoot | undefined
}

/** @param maxAge seconds since the last answer after which it counts as unreachable; without, a try that reached nobody does */
export async function readStanding(state: DatabaseState, maxAge?: number): Promise<ReplicaStanding> {
  const published = await state.store.getMeta(PUBLISHED)
  const floor = await readFloor(state)
  const newest = floor.accepted?.root
  const now = Math.floor(state.clock.now() / 1000)
  const invalid = newest === undefined ? undefined : await readInvalidRoot(state, newest)
  const reach = await readReach(state.store)
  const freshness = newest === undefined ? undefined : getFreshness(newest, now, floor.newestTime)
  const rated = newest === undefined || freshness === undefined ? undefined : { root: newest, freshness }
  return {
    current: published === undefined ? undefined : decodeOwn(published),
    newest,
    freshness,
    ...judgeState(rated, reach, now, maxAge),
    reach,
    evidence: floor.evidence,
    fork: newest === undefined ? undefined : haltingEvidence(floor, newest.payload.epoch),
    onFork: await readOnFork(state.store),
    invalid,
  }
}

export async function readFloor(state: DatabaseState): Promise<Floor> {
  const bytes = await state.store.getMeta(FLOOR)
  return bytes === undefined ? createFloor(state.author, state.name) : decodeFloor(bytes)
}

/** What was read last: a thousand rotations take a second to verify. */
const authorities = new WeakMap<DatabaseState, { readonly bytes: Uint8Array; readonly authority: Authority }>()

export async function readAuthority(state: DatabaseState): Promise<Authority> {
  const bytes = await state.store.getMeta(ROTATIONS)
  if (bytes === undefined) return createAuthority(state.author)
  const last = authorities.get(state)
  if (last !== undefined && equalBytes(last.bytes, bytes)) return last.authority
  const authority = decodeRotations(state.author, bytes)
  authorities.set(state, { bytes: copyBytes(bytes), authority })
  return authority
}
