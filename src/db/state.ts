/**
 * What an author's database and a replica share: a store, the state that is shown now, the log of signed roots, and
 * notice of changes, made by this process or another. The store is the truth: the shown root is read anew for every
 * snapshot, which costs one lookup, so that a process that serves all day sees what another one publishes.
 */
import { equalBytes } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import { CoppiceError } from '../errors.ts'
import { formatLink, type Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { NodeReader, Tree } from '../prolly/index.ts'
import type { Store } from '../store/interface.ts'
import { type Change, changesBetween } from './changes.ts'
import { AUTHOR, decodeCount, decodeText, LOG_LENGTH, logName, NAME, readRoot, requireMeta } from './meta.ts'
import { Snapshot } from './snapshot.ts'

/** How often other processes' writes are looked for: a lookup in shared memory, far below the second within which a new root is announced. */
export const POLL_INTERVAL_MS = 200

/** What a database takes from the world. */
export interface Surroundings {
  readonly clock: Clock
  /** 0 <= n < 1: only spreads retries, decides nothing. */
  readonly random: () => number
}

/** Where a change of the shown state came from. */
export type Origin = 'local' | 'pulled'

export interface StateChange {
  readonly origin: Origin
  readonly from: Snapshot
  readonly to: Snapshot
  /** The exact changes, read when asked for. */
  changes(): AsyncIterable<Change>
}

export class DatabaseState {
  readonly store: Store
  readonly nodes: NodeReader
  readonly clock: Clock
  /** 0 <= n < 1. */
  readonly random: () => number
  /** The author's public key, 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  #shown: Snapshot | undefined
  #waiting = new Set<() => void>()

  private constructor(store: Store, { clock, random }: Surroundings, author: Uint8Array, name: string) {
    this.store = store
    this.nodes = new NodeReader(store)
    this.clock = clock
    this.random = random
    this.author = author
    this.name = name
  }

  /** @throws {CoppiceError} `STORE_CORRUPT` where the store holds no database. */
  static async load(store: Store, surroundings: Surroundings): Promise<DatabaseState> {
    const author = await requireMeta(store, AUTHOR)
    const name = decodeText(await requireMeta(store, NAME))
    return new DatabaseState(store, surroundings, author, name)
  }

  /** The state shown now. */
  async snapshot(): Promise<Snapshot> {
    return await this.at(await readRoot(this.store))
  }

  /** The state of a root that is in the store. @throws {CoppiceError} `ROOT_NOT_FOUND`. */
  async at(root: Link): Promise<Snapshot> {
    if (this.#shown !== undefined && equalBytes(this.#shown.tree.ref.root, root)) return this.#shown
    if ((await this.store.has(root)) === false) throw rootNotFound(formatLink(root))
    this.#shown = new Snapshot(await Tree.open(this.nodes, root))
    return this.#shown
  }

  /** Number of signed roots in the log: all of an author's, those a replica accepted. */
  async logLength(): Promise<number> {
    return decodeCount(LOG_LENGTH, await this.store.getMeta(LOG_LENGTH))
  }

  /** Bytes of the signed root at a position of the log, 0 being the oldest. */
  logAt(position: number): MaybePromise<Uint8Array | undefined> {
    return this.store.getMeta(logName(position))
  }

  /** Tells those who wait in this process at once; others find out by looking. */
  notify(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  /** Resolves when the meta value is no longer `known`, changed by whatever process, with what it is now. */
  async changed(
    name: string,
    known: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    for (;;) {
      signal?.throwIfAborted()
      const now = await this.store.getMeta(name)
      if (now === undefined ? known !== undefined : known === undefined || !equalBytes(now, known)) return now
      await this.#nap(signal)
    }
  }

  /** Every change of the shown state from now on. States that follow fast may come as one change. */
  async *watch(origin: Origin, signal?: AbortSignal): AsyncGenerator<StateChange, void, undefined> {
    let from = await this.snapshot()
    for (;;) {
      await this.#nap(signal)
      signal?.throwIfAborted()
      const before = from
      const to = await this.snapshot()
      if (equalBytes(before.tree.ref.root, to.tree.ref.root)) continue
      yield { origin, from: before, to, changes: () => changesBetween(before, to) }
      from = to
    }
  }

  /** Until something may have changed. */
  async #nap(signal: AbortSignal | undefined): Promise<void> {
    const nap = new AbortController()
    const either = signal === undefined ? nap.signal : AbortSignal.any([signal, nap.signal])
    const wake = (): void => nap.abort()
    this.#waiting.add(wake)
    try {
      await this.clock.sleep(POLL_INTERVAL_MS, either)
    } catch (error) {
      if (!nap.signal.aborted || signal?.aborted === true) throw error
    } finally {
      this.#waiting.delete(wake)
    }
  }
}

export function rootNotFound(what: string): CoppiceError {
  return new CoppiceError(
    'ROOT_NOT_FOUND',
    `root ${what}: expected one that this database holds, got none; see coppice log`,
    {
      details: { root: what },
    },
  )
}
