/**
 * What an author's database and a replica share: a store, the state that is shown now, the log of signed roots, and
 * notice of changes, made by this process or another. The store is the truth: the shown root is read anew for every
 * snapshot, which costs one lookup, so that a process that serves all day sees what another one publishes.
 */
import { equalBytes } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { CoppiceError } from '../errors.ts'
import { formatLink, type Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { Packing } from '../packings.ts'
import type { SignedRoot } from '../pointer/index.ts'
import { type DiffOptions, NodeReader, Tree } from '../prolly/index.ts'
import type { Store } from '../store/interface.ts'
import { type Change, changesBetween } from './changes.ts'
import { AUTHOR, decodeCount, decodeText, LOG_LENGTH, logName, NAME, readRoot, requireMeta, ROOT } from './meta.ts'
import { Leases } from './upkeep/leases.ts'
import { Snapshot } from './snapshot.ts'
import { Turns } from './turns.ts'

/** How often other processes' writes are looked for: a lookup in shared memory, far below the second within which a new root is announced. */
export const POLL_INTERVAL_MS = 200

/** What a database takes from the world. */
export interface Surroundings {
  readonly clock: Clock
  /** 0 <= n < 1: only spreads retries, decides nothing. */
  readonly random: () => number
  /** In which data are packed on their way to and from peers; none where absent. */
  readonly packings?: readonly Packing[]
  /** What goes on, for those who look for a fault. */
  readonly log?: Log
}

export interface StateOptions extends Surroundings {
  /** Whether the writer lock is held: nobody else collects garbage then. */
  readonly isWritable?: boolean
}

/** Where a change of the shown state came from. */
export type Origin = 'local' | 'pulled'

export interface StateChange {
  readonly origin: Origin
  readonly from: Snapshot
  readonly to: Snapshot
  /** The exact changes in key order, read when asked for: of a range only, where one is given. */
  changes(options?: DiffOptions): AsyncIterable<Change>
}

export class DatabaseState {
  readonly store: Store
  readonly nodes: NodeReader
  readonly clock: Clock
  /** 0 <= n < 1. */
  readonly random: () => number
  readonly packings: readonly Packing[]
  /** The author's public key, 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  readonly #isWriter: boolean
  /** Those who change what signed roots are judged by, one after the other: see roots/statements.ts. */
  readonly keeping: Turns = new Turns()
  readonly #leases = new Leases()
  #shown: Snapshot | undefined
  #waiting = new Set<() => void>()
  #fetching: SignedRoot | undefined
  readonly #closing = new AbortController()
  readonly #log: Log | undefined

  private constructor(store: Store, options: StateOptions, author: Uint8Array, name: string) {
    const { clock, random, packings = [], log, isWritable = false } = options
    this.store = store
    this.#isWriter = isWritable
    this.nodes = new NodeReader(store)
    this.clock = clock
    this.random = random
    this.packings = packings
    this.#log = log
    this.author = author
    this.name = name
  }

  /** @throws {CoppiceError} `STORE_CORRUPT` where the store holds no database. */
  static async load(store: Store, options: StateOptions): Promise<DatabaseState> {
    const author = await requireMeta(store, AUTHOR)
    const name = decodeText(await requireMeta(store, NAME))
    return new DatabaseState(store, options, author, name)
  }

  /** Whether the handle may write. */
  get isWriter(): boolean {
    return this.#isWriter
  }

  /** Notes what goes on, for those who look for a fault. */
  log(message: string, ...values: readonly unknown[]): void {
    this.#log?.(`%s: ${message}`, this.name, ...values)
  }

  /**
   * The state shown now, kept from garbage collection for as long as anything refers to it. Collection keeps what is shown
   * while it runs, so a root that is still shown after it was leased was leased in time.
   */
  async snapshot(): Promise<Snapshot> {
    let root = await readRoot(this.store)
    for (;;) {
      if (this.#isShown(root)) return this.#shown as Snapshot
      const snapshot = await this.#lease(root, this.#isWriter)
      const now = await readRoot(this.store)
      if (equalBytes(now, root)) {
        if (snapshot === undefined) throw rootNotFound(formatLink(root))
        this.#shown = snapshot
        return snapshot
      }
      root = now
    }
  }

  /** The state of a root that is in the store, kept as by {@link snapshot}. @throws {CoppiceError} `ROOT_NOT_FOUND`. */
  async at(root: Link): Promise<Snapshot> {
    if (this.#isShown(root)) return this.#shown as Snapshot
    const snapshot = await this.#lease(root, false)
    if (snapshot === undefined) throw rootNotFound(formatLink(root))
    this.#shown = snapshot
    return snapshot
  }

  /** The signed root that a pull of this handle fetches now: what is complete of its tree is served meanwhile. */
  get fetching(): SignedRoot | undefined {
    return this.#fetching
  }

  set fetching(root: SignedRoot | undefined) {
    this.#fetching = root
    this.notify()
  }

  /** Roots of states that this handle gave out and that are still referred to. */
  rootsInUse(): Link[] {
    return this.#leases.roots()
  }

  #isShown(root: Link): boolean {
    return this.#shown !== undefined && equalBytes(this.#shown.tree.ref.root, root)
  }

  /** Undefined where the root is not here. With `inMemory` only this handle knows of the lease. */
  async #lease(root: Link, inMemory: boolean): Promise<Snapshot | undefined> {
    const lease = inMemory ? undefined : await this.store.lease(root)
    if (inMemory ? (await this.store.has(root)) === false : lease === undefined) return undefined
    try {
      const tree = await Tree.open(this.nodes, root)
      this.#leases.keep(tree, lease)
      return new Snapshot(tree)
    } catch (error) {
      await lease?.release()
      throw error
    }
  }

  /** Number of signed roots in the log: all of an author's, those a replica accepted. */
  async logLength(): Promise<number> {
    return decodeCount(LOG_LENGTH, await this.store.getMeta(LOG_LENGTH))
  }

  /** Bytes of the signed root at a position of the log, 0 being the oldest. */
  logAt(position: number): MaybePromise<Uint8Array | undefined> {
    return this.store.getMeta(logName(position))
  }

  /** Aborts, as an AbortError, when the handle is being closed: who waits for changes or peers stops then. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Ends watches and whatever heeds {@link closing}. The store stays open for work that is to complete. */
  beginClose(): void {
    if (!this.#closing.signal.aborted) this.#closing.abort(new DOMException('the handle was closed', 'AbortError'))
  }

  /** Tells those who wait in this process at once; others find out by looking. */
  notify(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  /**
   * Resolves when the meta value is no longer `known`, changed by whatever process, with what it is now.
   * @throws the reason of the signal, or of {@link closing}.
   */
  async changed(
    name: string,
    known: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    let now: Uint8Array | undefined
    await this.waitUntil(async () => {
      now = await this.store.getMeta(name)
      return now === undefined ? known !== undefined : known === undefined || !equalBytes(now, known)
    }, signal)
    return now
  }

  /**
   * Resolves when `test` says so, which is asked now and whenever something may have changed, in whatever process.
   * @throws the reason of the signal, or of {@link closing}.
   */
  async waitUntil(test: () => Promise<boolean>, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted()
      this.closing.throwIfAborted()
      // Whoever looks first, at what another process did, tells the others: all learn of it together.
      if (await test()) return this.notify()
      await this.#nap(signal)
    }
  }

  /**
   * Every change of the shown state from the call on, until the signal aborts or the handle is closed. States that follow
   * fast may come as one change; a replica's first state is none.
   */
  watch(origin: Origin, signal?: AbortSignal): AsyncGenerator<StateChange, void, undefined> {
    const from = this.#snapshotIfAny()
    // Told to whoever iterates; nobody may.
    from.catch(() => {})
    return this.#watchFrom(from, origin, signal)
  }

  async *#watchFrom(
    start: Promise<Snapshot | undefined>,
    origin: Origin,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StateChange, void, undefined> {
    let from = await start
    while (signal?.aborted !== true && !this.closing.aborted) {
      const before = from
      const to = await this.#snapshotIfAny()
      if (to === undefined || (before !== undefined && equalBytes(before.tree.ref.root, to.tree.ref.root))) {
        await this.#nap(signal)
        continue
      }
      from = to
      if (before === undefined) continue
      yield { origin, from: before, to, changes: (options) => changesBetween(before, to, options) }
    }
  }

  /** Undefined for a replica that has never been complete. */
  async #snapshotIfAny(): Promise<Snapshot | undefined> {
    return (await this.store.getMeta(ROOT)) === undefined ? undefined : await this.snapshot()
  }

  /** Until something may have changed, or the signal or the closing of the handle ends the wait. */
  async #nap(signal: AbortSignal | undefined): Promise<void> {
    const nap = new AbortController()
    const wake = (): void => nap.abort()
    // Listeners instead of AbortSignal.any: naps are short and many, what they hang on lives long.
    const ends = [this.closing, ...(signal === undefined ? [] : [signal])]
    if (ends.some((end) => end.aborted)) return
    for (const end of ends) end.addEventListener('abort', wake, { once: true })
    this.#waiting.add(wake)
    try {
      await this.clock.sleep(POLL_INTERVAL_MS, nap.signal)
    } catch (error) {
      if (!nap.signal.aborted) throw error
    } finally {
      this.#waiting.delete(wake)
      for (const end of ends) end.removeEventListener('abort', wake)
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
