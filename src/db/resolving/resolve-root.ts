/**
 * Asks the carriers of a database for its newest signed root, and keeps what that teaches (record.md, 7): rotations, evidence and the
 * floor, in one durable batch before the answer is used. Nothing is fetched.
 */
import { type Resolution, resolveAndTell } from '../../carriers/resolution.ts'
import type { Known, Resolved } from '../../carriers/resolve.ts'
import { isReached } from '../../carriers/resolve-failure.ts'
import type { Floor, SignedRoot } from '../../pointer/index.ts'
import { type Carriers, readCarrierSettings } from '../carriers.ts'
import { keepAttachments } from '../roots/attachments.ts'
import { readOnFork } from '../roots/on-fork.ts'
import { noteFailedReach, noteReach } from '../roots/reach.ts'
import { keepKnown } from '../roots/statements.ts'
import type { DatabaseState } from '../state.ts'

export interface ResolveRootOptions {
  readonly signal?: AbortSignal | undefined
  /** For all carriers together; 15 s where absent. */
  readonly deadlineMs?: number | undefined
  /** Only what that many independent sources show counts; what is configured where absent, and 1 where nothing is. */
  readonly quorum?: number | undefined
}

/** @throws as `resolveAndTell`; `STORE_*`. */
export async function resolveRoot(
  state: DatabaseState,
  carriers: Carriers | undefined,
  known: Known,
  options: ResolveRootOptions & { readonly isKept: boolean },
): Promise<Resolution> {
  const { author, name, clock } = state
  const quorum = options.quorum ?? (await readCarrierSettings(state.store)).quorum
  const keep = async (resolved: Resolved): Promise<void> => {
    if (options.isKept) await keepResolved(state, known, resolved)
  }
  const onFork = await readOnFork(state.store)
  const listed = (await carriers?.list()) ?? []
  return await resolveAndTell({ author, name }, listed, known, { ...options, clock, quorum, onFork, keep })
}

/** An author accepts what it signed. */
export function withOwnRoot(floor: Floor, published: SignedRoot | undefined): Floor {
  if (published === undefined) return floor
  return { ...floor, accepted: { root: published, link: 'first' }, newestTime: published.payload.issued }
}

async function keepResolved(state: DatabaseState, known: Known, resolved: Resolved): Promise<void> {
  const { floor, authority, record, carriers, now } = resolved
  if (floor !== known.floor || authority !== known.authority) await keepKnown(state, { floor, authority })
  if (record !== undefined && floor.accepted !== null) {
    await keepAttachments(state, floor.accepted.root, record.attachments)
  }
  if (isReached(carriers)) await noteReach(state.store, now)
  else await noteFailedReach(state.store, now, 'no carrier answered')
  state.notify()
}
