/**
 * Garbage collection: what no kept state needs is removed. The order is the safety, whenever the process is killed:
 *
 * 1. What the kept states need is marked. Damage below one of them ends it here: nothing has been removed.
 * 2. The roots of the log that are not kept are cut, the highest first, in one step with a look at who leases them
 *    (store/interface.ts): a reader finds a root with everything below it, or none. What was leased since the beginning is marked, too.
 * 3. Completeness records go, those of parents before those below, so that what is recorded always is complete, served and
 *    skipped by pulls with everything below it.
 * 4. Blocks go.
 *
 * A collection that was killed leaves unrecorded blocks, which the next one removes. The writer lock is held throughout:
 * no batch, publish, pull or other collection runs.
 */
import { equalBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { formatLink, linkMapKey, type Link } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { Tree } from '../../prolly/index.ts'
import type { CompleteRecord, Store } from '../../store/interface.ts'
import { readInvalidRoot } from '../roots/invalid-root.ts'
import { chooseKeptRoots, type KeptRoot } from './kept-roots.ts'
import { MarkSet } from './mark-set.ts'
import { ROOT } from '../meta.ts'
import { Marker, type Pace } from './marker.ts'
import { readLog } from '../roots/signed-log.ts'
import { readFloor } from '../roots/standing.ts'
import type { DatabaseState } from '../state.ts'

export interface GcOptions {
  /** States of the log that are kept, the newest, 1 or more. Without: all that an author published, two of a replica. */
  readonly keep?: number | undefined
  /** Only say what would be removed. */
  readonly isDryRun?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called after each batch. Must not throw. */
  readonly onProgress?: ((progress: GcProgress) => void) | undefined
}

export interface GcProgress {
  readonly phase: 'marking' | 'removing'
  /** Read or looked at so far. While marking, one that several states share counts once. */
  readonly blocks: number
  /** In the store. */
  readonly blocksTotal: number
}

export interface GcReport {
  readonly kept: readonly KeptRoot[]
  /** The newest accepted root of a replica where it is not shown yet: what is here of it is kept, and fetched no more. */
  readonly fetching: Link | undefined
  /** States of the log that were held before and are not now. */
  readonly statesRemoved: number
  readonly recordsRemoved: number
  readonly blocksRemoved: number
  /** Of those blocks. LMDB uses the space for what is written next; its file does not shrink. */
  readonly bytesRemoved: number
  readonly blocksLeft: number
  /** Of the store now. */
  readonly diskBytes: number
  readonly isDryRun: boolean
}

/** A replica is there for the newest state; the one before it is what others may still be fetching. */
export const REPLICA_KEEP_DEFAULT = 2
/** Links looked at, and records removed, in one step: a few milliseconds. */
const LINKS_PER_BATCH = 1024
/**
 * Blocks removed in one transaction. LMDB writes down the pages that a transaction sets free; up to about 250 of them fit
 * into a page that was free before. Longer lists need room at the end of the file, which a full disk does not have, and
 * lmdb 3.5.6 damages the memory of its process when that fails.
 */
const BLOCKS_PER_REMOVAL = 128
const BYTES_PER_REMOVAL: number = 384 * 1024
/** Blocks read between turns of others. */
const BLOCKS_PER_TURN = 256

/**
 * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT` with `details.cid` and `details.root` where a kept state is damaged:
 *   nothing is removed then. `STORE_FULL`, `STORE_IO`: what was removed so far is, and the next collection goes on.
 * @throws the signal's reason, likewise.
 */
export async function collectGarbage(state: DatabaseState, keep: number, options: GcOptions): Promise<GcReport> {
  if (!(keep === Number.POSITIVE_INFINITY || (Number.isSafeInteger(keep) && keep >= 1))) {
    throw new RangeError(`keep: expected an integer of 1 or more, got ${keep}`)
  }
  return await new Collection(state, options).run(keep)
}

class Collection implements Pace {
  readonly #state: DatabaseState
  readonly #store: Store
  readonly #clock: Clock
  readonly #options: GcOptions
  readonly #isDryRun: boolean
  #steps = 0
  #blocksTotal = 0
  #statesRemoved = 0
  #recordsRemoved = 0
  #blocksRemoved = 0
  #bytesRemoved = 0

  constructor(state: DatabaseState, options: GcOptions) {
    this.#state = state
    this.#store = state.store
    this.#clock = state.clock
    this.#options = options
    this.#isDryRun = options.isDryRun ?? false
  }

  async run(keep: number): Promise<GcReport> {
    this.#blocksTotal = (await this.#store.usage()).blocks
    const marks = new MarkSet(this.#blocksTotal, this.#state.random)
    const marker = new Marker(this.#store, marks, this)
    const kept = await chooseKeptRoots(this.#state, keep, this.#options.signal)
    for (const { root, sequence } of kept) await this.#mark(marker, root, sequence)
    const fetching = await this.#rootBeingFetched()
    if (fetching !== undefined) await explaining(fetching, undefined, () => marker.markPart(fetching))
    for (const level of await this.#levelsOfRoots(marks)) {
      for (const root of await this.#cutRoots(marks, level)) {
        if (marks.has(root)) continue
        kept.push({ root, sequence: undefined, reasons: ['in use'] })
        await this.#mark(marker, root, undefined)
      }
    }
    await this.#removeRecords(marks)
    await this.#removeBlocks(marks)
    if (!this.#isDryRun) await this.#store.write({}, { durable: true })
    return await this.#report(kept, fetching)
  }

  step(): MaybePromise<void> {
    if (++this.#steps % BLOCKS_PER_TURN === 0) return this.#turn('marking', this.#steps)
  }

  async #mark(marker: Marker, root: Link, sequence: number | undefined): Promise<void> {
    await explaining(root, sequence, () => marker.markState(root))
  }

  /** What an interrupted pull verified is worth keeping as long as its root is still the one to fetch. */
  async #rootBeingFetched(): Promise<Link | undefined> {
    const newest = (await readFloor(this.#state)).accepted?.root
    if (newest === undefined || (await readInvalidRoot(this.#state, newest)) !== undefined) return undefined
    const { root } = newest.payload
    const shown = await this.#store.getMeta(ROOT)
    return shown !== undefined && equalBytes(shown, root) ? undefined : root
  }

  /** Those that roots of the log have which are to be cut, the highest first. */
  async #levelsOfRoots(marks: MarkSet): Promise<number[]> {
    const levels = new Set<number>()
    for await (const root of this.#garbageRoots(marks)) levels.add(await this.#levelOf(root))
    return [...levels].sort((a, b) => b - a)
  }

  /** Of a damaged root, which has nothing below that could be found, as of a leaf. */
  async #levelOf(root: Link): Promise<number> {
    try {
      return (await this.#store.getComplete(root))?.level ?? (await Tree.open(this.#store, root)).level
    } catch (error) {
      if (isCoppiceError(error, 'BLOCK_MISSING') || isCoppiceError(error, 'STORE_CORRUPT')) return 0
      throw error
    }
  }

  async *#garbageRoots(marks: MarkSet): AsyncGenerator<Link, void, undefined> {
    for await (const { signedRoot, isHeld } of readLog(this.#state, { signal: this.#options.signal })) {
      const { root } = signedRoot.payload
      if (!marks.has(root) && (isHeld || (await this.#store.has(root)))) yield root
    }
  }

  /**
   * Cuts the log's roots of one level that are not marked; gives those that are leased by now. A root may stand below another
   * one, which has grown out of it: that one is cut or marked before.
   */
  async #cutRoots(marks: MarkSet, level: number): Promise<Link[]> {
    const leased: Link[] = []
    let batch = new Map<string, Link>()
    const cut = async (): Promise<void> => {
      leased.push(...(await this.#cut([...batch.values()])))
      batch = new Map()
    }
    for await (const root of this.#garbageRoots(marks)) {
      if ((await this.#levelOf(root)) !== level) continue
      batch.set(linkMapKey(root), root)
      if (batch.size >= BLOCKS_PER_REMOVAL) await cut()
    }
    if (batch.size > 0) await cut()
    return leased
  }

  async #cut(roots: readonly Link[]): Promise<Link[]> {
    if (this.#isDryRun) {
      this.#statesRemoved += roots.length
      return []
    }
    const sizes = await this.#sizesOf(roots)
    const leased = await this.#store.removeUnleased(roots)
    const stays = new Set(leased.map(linkMapKey))
    for (const [i, root] of roots.entries()) {
      if (stays.has(linkMapKey(root))) continue
      this.#statesRemoved++
      this.#recordsRemoved++
      this.#countBlock(sizes[i])
    }
    return leased
  }

  async #removeRecords(marks: MarkSet): Promise<void> {
    const ranks = new Set<number>()
    await this.#sweep(
      (after) => this.#store.listComplete(after, LINKS_PER_BATCH),
      async (links) => {
        const garbage = links.filter((link) => !marks.has(link))
        for (const link of garbage) ranks.add(await this.#rankOf(link))
        this.#recordsRemoved += garbage.length
      },
    )
    if (this.#isDryRun) return
    for (const rank of [...ranks].sort((a, b) => b - a)) {
      await this.#sweep(
        (after) => this.#store.listComplete(after, LINKS_PER_BATCH),
        async (links) => {
          const removeComplete: Link[] = []
          for (const link of links) {
            if (!marks.has(link) && (ranks.size === 1 || (await this.#rankOf(link)) === rank)) removeComplete.push(link)
          }
          if (removeComplete.length > 0) await this.#store.write({ removeComplete })
        },
      )
    }
  }

  /** Higher for a parent than for what is below it. A damaged record says nothing and goes first. */
  async #rankOf(link: Link): Promise<number> {
    try {
      const record = await this.#store.getComplete(link)
      return record === undefined ? -1 : rankOfRecord(record)
    } catch (error) {
      if (isCoppiceError(error, 'STORE_CORRUPT')) return Number.POSITIVE_INFINITY
      throw error
    }
  }

  async #removeBlocks(marks: MarkSet): Promise<void> {
    await this.#sweep(
      (after) => this.#store.listBlocks(after, LINKS_PER_BATCH),
      async (links) => {
        const removeBlocks = links.filter((link) => !marks.has(link))
        if (removeBlocks.length === 0) return
        const sizes = await this.#sizesOf(removeBlocks)
        for (const [start, end] of removals(sizes)) {
          if (!this.#isDryRun) await this.#store.write({ removeBlocks: removeBlocks.slice(start, end) })
          for (let i = start; i < end; i++) this.#countBlock(sizes[i])
        }
      },
    )
  }

  /** Calls `remove` with all links, page by page. */
  async #sweep(
    list: (after: Link | undefined) => MaybePromise<Link[]>,
    remove: (links: readonly Link[]) => Promise<void>,
  ): Promise<void> {
    let seen = 0
    for (let after: Link | undefined; ;) {
      const links = await list(after)
      await remove(links)
      seen += links.length
      await this.#turn('removing', seen)
      after = links.at(-1)
      if (links.length < LINKS_PER_BATCH) return
    }
  }

  async #turn(phase: GcProgress['phase'], blocks: number): Promise<void> {
    this.#options.onProgress?.({ phase, blocks, blocksTotal: this.#blocksTotal })
    await this.#clock.sleep(0, this.#options.signal)
  }

  /** Read one by one: a value may have 1 MiB. */
  async #sizesOf(links: readonly Link[]): Promise<number[]> {
    const sizes: number[] = []
    for (const link of links) sizes.push((await this.#store.get(link))?.length ?? 0)
    return sizes
  }

  #countBlock(bytes: number | undefined): void {
    this.#blocksRemoved++
    this.#bytesRemoved += bytes ?? 0
  }

  async #report(kept: readonly KeptRoot[], fetching: Link | undefined): Promise<GcReport> {
    const { diskBytes } = await this.#store.usage()
    return {
      kept,
      fetching,
      statesRemoved: this.#statesRemoved,
      recordsRemoved: this.#recordsRemoved,
      blocksRemoved: this.#blocksRemoved,
      bytesRemoved: this.#bytesRemoved,
      blocksLeft: this.#blocksTotal - this.#blocksRemoved,
      diskBytes,
      isDryRun: this.#isDryRun,
    }
  }
}

/** Blocks of these sizes in runs `[start, end)`, one for each transaction. */
function* removals(sizes: readonly number[]): Generator<[start: number, end: number], void, undefined> {
  let start = 0
  let bytes = 0
  for (const [i, size] of sizes.entries()) {
    bytes += size
    if (i > start && (i - start >= BLOCKS_PER_REMOVAL || bytes > BYTES_PER_REMOVAL)) {
      yield [start, i]
      start = i
      bytes = size
    }
  }
  if (start < sizes.length) yield [start, sizes.length]
}

/** Above the height of every file: 2^53 bytes have 5. */
const NODE_RANK_MIN = 64

/** Trees stand above values; among each of the two, what is higher. A value's record has its height as `entries`. */
function rankOfRecord({ level, entries }: CompleteRecord): number {
  return level < 0 ? entries : NODE_RANK_MIN + level
}

/** Runs `mark`; damage it meets is told with the state that is not whole, and with what can be done. */
async function explaining(root: Link, sequence: number | undefined, mark: () => Promise<void>): Promise<void> {
  try {
    await mark()
  } catch (error) {
    if (!isCoppiceError(error, 'BLOCK_MISSING') && !isCoppiceError(error, 'STORE_CORRUPT')) throw error
    const cid = formatLink(root)
    const name = sequence === undefined ? cid : `@${sequence} ${cid}`
    throw new CoppiceError(
      error.code,
      `gc: expected state ${name} to be whole, got damage, and removed nothing: repair it, or keep it no longer: ${error.message}`,
      { cause: error, details: { ...error.details, root: cid } },
    )
  }
}
