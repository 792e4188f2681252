/** The states of a database that are said to be here as a whole: what is checked, and what damage is repaired in. */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import { Tree, type TreeRef } from '../../prolly/index.ts'
import { PEERS, PUBLISHED, readRoot, ROOT } from '../meta.ts'
import { decodeOwn, readLog } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'

export interface HeldState {
  /** With the totals as signed, where it is signed. Totals of -1 are not known: its root cannot be read. */
  readonly ref: TreeRef
  readonly signed: SignedRoot | undefined
}

/**
 * The newest signed state, or with `all` every one that is held, newest first; before them the state that is shown, where it
 * is none of them. Damaged ones, too. None of a replica that has never been complete.
 * @throws {CoppiceError} `STORE_CORRUPT` where a signed root or the shown root's link is damaged.
 */
export async function heldStates(state: DatabaseState, all: boolean): Promise<HeldState[]> {
  const states: HeldState[] = []
  const published = await state.store.getMeta(PUBLISHED)
  if (published !== undefined) states.push(signedState(decodeOwn(published)))
  if (all) {
    for await (const { signedRoot, isHeld } of readLog(state)) {
      if (isHeld && !isAmong(states, signedRoot.payload.root)) states.push(signedState(signedRoot))
    }
  }
  if (states.length === 0 && (await isUnfinished(state))) return []
  const root = await readRoot(state.store)
  return isAmong(states, root) ? states : [{ ref: await readTotals(state, root), signed: undefined }, ...states]
}

/** Whether it is a replica before its first pull has completed. */
async function isUnfinished({ store }: DatabaseState): Promise<boolean> {
  return (await store.getMeta(ROOT)) === undefined && (await store.getMeta(PEERS)) !== undefined
}

/** With the totals that were signed. */
export function signedState(signed: SignedRoot): HeldState {
  const { root, entries, bytes } = signed.payload
  return { ref: { root, entries, bytes }, signed }
}

function isAmong(states: readonly HeldState[], root: Uint8Array): boolean {
  return states.some(({ ref }) => equalBytes(ref.root, root))
}

/** The totals of a root that nobody signed are what its own node says. */
export async function readTotals(state: DatabaseState, root: Uint8Array): Promise<TreeRef> {
  try {
    return (await Tree.open(state.store, root)).ref
  } catch (error) {
    if (!isCoppiceError(error, 'STORE_CORRUPT') && !isCoppiceError(error, 'BLOCK_MISSING')) throw error
    return { root, entries: -1, bytes: -1 }
  }
}
