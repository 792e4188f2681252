/**
 * Going back: a state that is held becomes an author's working state, in one batch. The state before it is not read, so
 * that whatever became of its blocks, there is a way out. What is remembered as merged goes back too (merge-base.ts):
 * changes that are not in the restored state are found again by the next merge.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import { formatLink, isLink, type Link } from '../../link.ts'
import { checkTree } from '../../prolly/index.ts'
import type { BatchOptions } from '../documents/collection.ts'
import { readTotals } from '../upkeep/held-states.ts'
import { basesNote, encodeBases, type MergedBase, readBases } from '../merging/merge-base.ts'
import { BASES, basesName, ROOT } from '../meta.ts'
import { readLog } from './signed-log.ts'
import type { Snapshot } from '../snapshot.ts'
import type { DatabaseState } from '../state.ts'

export interface RestoreReport {
  /** The working state now. */
  readonly to: Snapshot
  /** The CID of the state before: what was not published of it goes with the next `gc`, unless it is pinned. Undefined where not even that was known. */
  readonly left: string | undefined
  /** Whether that state is a published one. */
  readonly isLeftPublished: boolean
}

/** See `Database.restore`. */
export async function restoreState(
  state: DatabaseState,
  root: Link,
  { signal, durable = true }: BatchOptions,
): Promise<RestoreReport> {
  const { store } = state
  const to = await state.at(root)
  const shown = await store.getMeta(ROOT)
  const before = shown !== undefined && isLink(shown) ? shown : undefined
  const published = await publishedAmong(state, before === undefined ? [root] : [root, before], signal)
  const left = before === undefined ? undefined : formatLink(before)
  const report = { to, left, isLeftPublished: left !== undefined && published.has(left) }
  if (left === to.root) return report
  // A record alone may be that of a subtree, whose node is no root.
  const isKnown = published.has(to.root) && (await isRecorded(state, root))
  if (!isKnown && !(await isWhole(state, root, signal))) throw notWhole(to.root)
  const meta = new Map([
    [ROOT, root],
    [BASES, await notedBases(state, root, signal)],
    ...(before === undefined ? [] : await basesNote(store, before)),
  ])
  signal?.throwIfAborted()
  await store.write({ meta }, { durable })
  return report
}

/** Those of `roots` that the log has, as CIDs. */
async function publishedAmong(
  state: DatabaseState,
  roots: readonly Link[],
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  const found = new Set<string>()
  for await (const { signedRoot } of readLog(state, { signal })) {
    const { root } = signedRoot.payload
    if (roots.some((each) => equalBytes(each, root))) found.add(formatLink(root))
    if (found.size === roots.length) break
  }
  return found
}

/**
 * What had been merged into a state, as noted when it was published, or left by a restore. Of another nobody knows: without
 * any, the next merge finds an older base, which may show conflicts; one that is too new would lose changes.
 * @returns null for nothing
 */
async function notedBases(
  state: DatabaseState,
  root: Link,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | null> {
  const held: MergedBase[] = []
  // One that gc removed meanwhile is no base any more, and would be in the way of the next gc.
  for (const base of await readBases(state.store, basesName(root)))
    if ((await isRecorded(state, base.root)) || (await isWhole(state, base.root, signal))) held.push(base)
  return held.length === 0 ? null : encodeBases(held)
}

/** Whether all of it is here by its record. That of a state with known damage has no bytes. */
async function isRecorded({ store }: DatabaseState, root: Link): Promise<boolean> {
  return ((await store.getComplete(root))?.bytes ?? 0) > 0
}

async function isWhole(state: DatabaseState, root: Link, signal: AbortSignal | undefined): Promise<boolean> {
  return (await checkTree(state.store, await readTotals(state, root), { signal })).problemCount === 0
}

function notWhole(cid: string): CoppiceError {
  return new CoppiceError(
    'ROOT_NOT_FOUND',
    `root ${cid}: expected all of that state here, got a part, or damage; choose another of coppice log`,
    { details: { root: cid } },
  )
}
