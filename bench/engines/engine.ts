/**
 * What a benchmark asks of a key-value store, ours or a peer's. Each engine does it by the fast way its authors document.
 * What turns rows into another form (text keys, CIDs of values) happens in `adopt`, outside of the clock: in its users'
 * programs it would be there already.
 */
import type { MaybePromise } from '../../src/maybe-promise.ts'
import type { Rows } from '../data/rows.ts'

/** Blocks that a store was asked for and given so far. Caches above the store answer without being counted. */
export interface BlockCounts {
  readonly blocksRead: number
  readonly bytesRead: number
  readonly blocksWritten: number
  readonly bytesWritten: number
}

export interface Engine<Adopted = unknown> {
  /** Rows in the form the engine takes. Not timed. */
  adopt(rows: Rows): MaybePromise<Adopted>
  /** Loads all rows into the empty store, on disk as far as `flush` in {@link EngineKind} says. */
  build(rows: Adopted): Promise<void>
  /** The value of row `i`, undefined or null where it is absent. */
  get(rows: Adopted, i: number): MaybePromise<unknown>
  /** Whether the store has row `i` as it stands there. Not timed. */
  holds(rows: Adopted, i: number): MaybePromise<boolean>
  /** Reads every row's key and value; gives how many there are. */
  scan(): Promise<number>
  /** Writes the rows in one batch. */
  update(rows: Adopted): Promise<void>
  /** Writes row `i` alone, and waits until readers see it. */
  put(rows: Adopted, i: number): MaybePromise<void>
  /** Remembers the state for {@link diff}. Not timed. */
  mark(): MaybePromise<void>
  /** How many rows differ between what was marked and now, after looking at each. Absent: the engine has no diff. */
  diff?(): Promise<number>
  /** Blocks that passed between the tree and its store. Absent: it has no blocks, or does not tell. */
  counts?(): Partial<BlockCounts>
  /** Forgets what is cached above the store: what follows is counted, and timed, from the store on. Not timed. */
  forget?(): MaybePromise<void>
  /** Levels of the tree; 0 where nothing has been read of it yet. */
  levels?(): number
  close(): Promise<void>
}

export interface EngineKind {
  readonly name: string
  /** One line for the table: what it is. */
  readonly about: string
  /** Packages of bench/package.json it needs; none for what coppice itself depends on. */
  readonly packages: readonly string[]
  readonly place: 'memory' | 'disk'
  /** On disk: what has reached it when `build` and `update` resolve, and when `put` does. */
  readonly flush?: string
  /** A tree of hashes, like coppice. */
  readonly merkle: boolean
  /** @param directory an empty one of its own, for engines on disk */
  open(directory: string): Promise<Engine>
}
