/**
 * The history of a database as it is kept beside its blocks: the hashes of complete subtrees, each under a name of its own, so that
 * publishing writes few and a proof between any two sequences reads few (record.md, 5). An author has them all. A replica has
 * those of the payloads it has followed, and what link proofs have shown it of those it skipped.
 *
 * No hash stands over the values: whatever is made of them is checked against a signed root's `history` before it is used or given
 * away, and what was lost or damaged only makes proofs impossible.
 */
import { equalBytes } from '../../bytes.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import {
  appendHistory,
  checkInclusion,
  completeSubtrees,
  EMPTY_FRONTIER,
  encodeLinkProof,
  type Frontier,
  frontierSubtrees,
  type HashedSubtree,
  isFrontierOf,
  type LinkProof,
  proveLink,
  type Published,
  type SubtreeHashReader,
} from '../../pointer/index.ts'
import type { LinkFound, LinkQuestion } from '../../sync/index.ts'
import { subtreeName } from '../meta.ts'
import type { DatabaseState } from '../state.ts'
import { readEntry } from './signed-log.ts'

/** What of a signed root says which history it has. */
export interface HistoryClaim {
  readonly sequence: number
  readonly history: Uint8Array
}

export type GetMeta = (name: string) => MaybePromise<Uint8Array | undefined>

/** Entries of the log whose subtrees are written in one batch. */
const ENTRIES_PER_BATCH = 1024

/** A hash that is not here. */
class Unknown extends Error {
  override readonly name = 'Unknown'
}

/** As they are written. */
export function historyMeta(subtrees: readonly HashedSubtree[]): [string, Uint8Array][] {
  return subtrees.map(({ level, index, hash }) => [subtreeName(level, index), hash])
}

/** The history below a signed root, if all of it is here: at most 40 reads. */
export async function readHistory(getMeta: GetMeta, claim: HistoryClaim): Promise<Frontier | undefined> {
  return await orUnknown(() => readFrontier(readerOf(getMeta), claim))
}

/** The link proof between the roots of two sequences of the history that `claim` has, 1 <= older < its own: some 200 reads. */
export async function readLinkProof(
  getMeta: GetMeta,
  older: number,
  claim: HistoryClaim,
): Promise<LinkProof | undefined> {
  return await orUnknown(() => readProof(readerOf(getMeta), older, claim))
}

/** What a provider answers. */
export async function answerLink(getMeta: GetMeta, question: LinkQuestion): Promise<LinkFound | undefined> {
  const { older, newer: sequence, history } = question
  const read = readerOf(getMeta)
  const frontier = await orUnknown(() => readFrontier(read, { sequence, history }))
  if (frontier === undefined) return undefined
  const proof = older === null ? undefined : await orUnknown(() => readProof(read, older, { sequence, history }))
  return { proof: proof === undefined ? null : encodeLinkProof(proof), frontier: frontier.hashes }
}

/**
 * Makes sure that what is kept goes on from `published`: made anew of the log where that has all roots; else its frontier alone.
 * Nothing is read but that frontier where all is well.
 */
export async function keepHistory(
  state: DatabaseState,
  { signed, history }: Published,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { store } = state
  if (await isKept((name) => store.getMeta(name), history)) return
  const rebuilt = await rebuildHistory(state, history.size, signal)
  if (isFrontierOf(rebuilt, history.size, signed.payload.history)) return
  state.log('history below @%d is not in the log: kept from there on', signed.payload.sequence)
  await store.write({ meta: new Map(historyMeta(frontierSubtrees(history))) })
}

/** Writes the subtrees of the first `size` payloads of the log, as far as they are there in their order. */
async function rebuildHistory(state: DatabaseState, size: number, signal: AbortSignal | undefined): Promise<Frontier> {
  let frontier = EMPTY_FRONTIER
  let meta = new Map<string, Uint8Array>()
  const length = Math.min(size, await state.logLength())
  while (frontier.size < length) {
    signal?.throwIfAborted()
    const entry = await readEntry(state, frontier.size)
    if (entry?.payload.sequence !== frontier.size + 1) break
    const appended = appendHistory(frontier, entry.payloadBytes)
    for (const [name, hash] of historyMeta(appended.completed)) meta.set(name, hash)
    frontier = appended.frontier
    if (frontier.size % ENTRIES_PER_BATCH > 0) continue
    await state.store.write({ meta })
    meta = new Map()
  }
  await state.store.write({ meta })
  return frontier
}

async function isKept(getMeta: GetMeta, frontier: Frontier): Promise<boolean> {
  for (const { level, index, hash } of frontierSubtrees(frontier)) {
    const kept = await getMeta(subtreeName(level, index))
    if (kept === undefined || !equalBytes(kept, hash)) return false
  }
  return true
}

/** @throws {Unknown} */
async function readFrontier(read: SubtreeHashReader, { sequence, history }: HistoryClaim): Promise<Frontier> {
  const size = sequence - 1
  const frontier = { size, hashes: await read(completeSubtrees(0, size)) }
  if (!isFrontierOf(frontier, size, history)) throw new Unknown('other hashes')
  return frontier
}

/** Its inclusion path has all hashes that the consistency path is made of, so one check is enough. @throws {Unknown} */
async function readProof(
  read: SubtreeHashReader,
  older: number,
  { sequence, history }: HistoryClaim,
): Promise<LinkProof> {
  const proof = await proveLink(older, sequence, read)
  if (!checkInclusion(proof.leaf, older - 1, sequence - 1, proof.inclusion, history)) throw new Unknown('other hashes')
  return proof
}

/** Reads each hash once. @throws {Unknown} */
function readerOf(getMeta: GetMeta): SubtreeHashReader {
  const known = new Map<string, Uint8Array>()
  return async (subtrees) => {
    const hashes: Uint8Array[] = []
    for (const { level, index } of subtrees) {
      const name = subtreeName(level, index)
      const hash = known.get(name) ?? (await getMeta(name))
      if (hash === undefined) throw new Unknown(name)
      known.set(name, hash)
      hashes.push(hash)
    }
    return hashes
  }
}

async function orUnknown<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof Unknown) return undefined
    throw error
  }
}
