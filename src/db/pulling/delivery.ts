/**
 * Handing on what a replica completes, at least once: each delivery has the changes since the last one that was
 * confirmed, which is on the disk. Who is killed, or fails, before it confirms gets them again, with what came since.
 */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import type { DiffOptions } from '../../prolly/index.ts'
import { type Change, changesBetween } from '../changes.ts'
import { DELIVERED, PUBLISHED } from '../meta.ts'
import { decodeOwn } from '../roots/signed-log.ts'
import { emptySnapshot, type Snapshot } from '../snapshot.ts'
import type { DatabaseState } from '../state.ts'

export interface Delivery {
  /** What was confirmed last. Undefined where nothing was, or where that state is here no more: all rows come as added then. */
  readonly from: SignedRoot | undefined
  readonly to: SignedRoot
  /** The exact changes in key order, read when asked for. */
  changes(options?: DiffOptions): AsyncIterable<Change>
  /** From now on `to` is what was delivered last; durable when it resolves. */
  confirm(): Promise<void>
}

/** Undefined where what is shown was delivered, or nothing is. */
export async function nextDelivery(state: DatabaseState): Promise<Delivery | undefined> {
  const shown = await state.store.getMeta(PUBLISHED)
  const delivered = await state.store.getMeta(DELIVERED)
  if (shown === undefined || (delivered !== undefined && equalBytes(shown, delivered))) return undefined
  const to = decodeOwn(shown)
  const after = await state.at(to.payload.root)
  const last = delivered === undefined ? undefined : decodeOwn(delivered)
  const before = last === undefined ? undefined : await held(state, last)
  return {
    from: before === undefined ? undefined : last,
    to,
    async *changes(options) {
      yield* changesBetween(before ?? (await emptySnapshot()), after, options)
    },
    confirm: () => state.store.write({ meta: new Map([[DELIVERED, to.bytes]]) }, { durable: true }),
  }
}

/** Garbage collection keeps no state for whoever is to get its changes: it may be years. */
async function held(state: DatabaseState, { payload }: SignedRoot): Promise<Snapshot | undefined> {
  try {
    const snapshot = await state.at(payload.root)
    return (await state.store.getComplete(payload.root)) === undefined ? undefined : snapshot
  } catch (error) {
    if (isCoppiceError(error, 'ROOT_NOT_FOUND')) return undefined
    throw error
  }
}
