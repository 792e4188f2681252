/**
 * Which states a collection of garbage keeps, and why. What the database shows and announces always is; of the log the
 * newest; what is pinned, what the next merge begins with, and what somebody reads or serves.
 */
import { equalBytes } from '../../bytes.ts'
import { type Link, linkMapKey, parseLink } from '../../link.ts'
import { readBases } from '../merging/merge-base.ts'
import { PUBLISHED, ROOT } from '../meta.ts'
import { readPins } from './pins.ts'
import { readPrepared } from '../roots/prepared.ts'
import { decodeOwn, readLog } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'

/**
 * `shown`: an author's working state, a replica's complete one. `merge base`: merged last from another database, whole. `prepared`: waits for its signature.
 * `in use`: read by this process or another, or served to a peer.
 */
export type KeepReason = 'shown' | 'published' | 'recent' | 'pinned' | 'prepared' | 'merge base' | 'in use'

export interface KeptRoot {
  readonly root: Link
  /** Of the newest signed root with that tree, where the log has one. */
  readonly sequence: number | undefined
  /** At least one. */
  readonly reasons: readonly KeepReason[]
}

/**
 * The kept states, neighbours of which differ little: what is shown, what the log does not have, the log from its newest on.
 * @param keep as many of the log's states, of those that differ and are held
 * @throws {CoppiceError} `STORE_CORRUPT`
 */
export async function chooseKeptRoots(
  state: DatabaseState,
  keep: number,
  signal: AbortSignal | undefined,
): Promise<KeptRoot[]> {
  const { store } = state
  const shown = await store.getMeta(ROOT)
  const published = await store.getMeta(PUBLISHED)
  const announced = published === undefined ? undefined : decodeOwn(published).payload.root
  const pinned = byKey((await readPins(store)).map(({ root }) => parseLink(root)))
  const bases = byKey((await readBases(store)).map(({ root }) => root))
  const prepared = (await readPrepared(state))?.next.payload.root
  const inUse = byKey([...state.rootsInUse(), ...(await store.leased()).map(({ root }) => root)])
  const reasonsFor = (root: Link, isRecent: boolean): KeepReason[] => {
    const key = linkMapKey(root)
    const reasons: KeepReason[] = []
    if (shown !== undefined && equalBytes(shown, root)) reasons.push('shown')
    if (announced !== undefined && equalBytes(announced, root)) reasons.push('published')
    if (isRecent) reasons.push('recent')
    if (pinned.has(key)) reasons.push('pinned')
    if (prepared !== undefined && equalBytes(prepared, root)) reasons.push('prepared')
    if (bases.has(key)) reasons.push('merge base')
    return reasons.length === 0 && inUse.has(key) ? ['in use'] : reasons
  }
  const logged = new Map<string, KeptRoot>()
  let states = 0
  let last: Link | undefined
  for await (const { signedRoot, isHeld } of readLog(state, { signal })) {
    const { root, sequence } = signedRoot.payload
    const isRepeated = last !== undefined && equalBytes(last, root)
    last = root
    if (isRepeated || logged.has(linkMapKey(root))) continue
    const isRecent = isHeld && states < keep
    if (isHeld) states++
    const reasons = reasonsFor(root, isRecent)
    if (reasons.length > 0) logged.set(linkMapKey(root), { root, sequence, reasons })
  }
  const others = byKey([
    ...(shown === undefined ? [] : [shown]),
    ...pinned.values(),
    ...(prepared === undefined ? [] : [prepared]),
    ...bases.values(),
    ...inUse.values(),
  ])
  for (const key of logged.keys()) if (!logged.get(key)?.reasons.includes('shown')) others.delete(key)
  const unlogged = [...others].map(
    ([key, root]): KeptRoot => logged.get(key) ?? { root, sequence: undefined, reasons: reasonsFor(root, false) },
  )
  for (const key of others.keys()) logged.delete(key)
  return [...unlogged, ...logged.values()]
}

function byKey(roots: readonly Link[]): Map<string, Link> {
  return new Map(roots.map((root) => [linkMapKey(root), root]))
}
