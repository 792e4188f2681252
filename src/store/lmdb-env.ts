/**
 * One LMDB environment per directory and process, shared by all handles on it, so that what one handle commits the
 * others see at once. Three named databases: blocks and completeness records by link, meta values by name.
 *
 * Two guarantees lmdb 3.5.6 does not give by itself are made here:
 *
 * - A commit that fails is reported on its own promise only. lmdb also prints it and rejects a promise nobody can
 *   reach, which ends the process; and what waits for its `flushed` then waits for ever. So the result of each
 *   transaction of its writing thread is taken here ({@link LmdbEnv.flushed}), and lmdb is told "done": which
 *   writes failed it knows from the transaction itself.
 * - After a failure that is neither a full disk nor a passing one ({@link isPassing}) nothing is written any more: a
 *   second transaction could find LMDB's lock held for good.
 *
 * Readers open the environment for writing too where they may. Only then does lmdb choose, after a power cut, the
 * newest state that was flushed; an environment opened read-only may show pages that never reached the disk.
 */
import { statSync } from 'node:fs'
import type { Database, RootDatabase, RootDatabaseOptions } from 'lmdb'
import { CoppiceError } from '../errors.ts'
import { MDB_BAD_TXN, toStoreError, toStoreErrorOfNumber } from './lmdb-errors.ts'
import { allocateLockFile, inspectEnvFile, isWritable, makeDirectory } from './lmdb-file.ts'

export type Table = Database<Uint8Array, Uint8Array>

const TABLES = ['blocks', 'complete', 'meta'] as const

/** Address space reserved at first; lmdb doubles it as the data grows. Nothing is allocated for it. */
const MAP_BYTES = 1024 * 1024 * 1024
/**
 * Whatever the page size of the system is, which lmdb takes otherwise: with 16 KiB the file was 1.7 times as large. Smaller ones
 * make it smaller, and put LMDB's two meta pages, of which a power cut may spoil one, into one block of the disk.
 */
export const PAGE_BYTES = 4096
/** How often one batch is tried, where LMDB's reason passes. */
const COMMIT_ATTEMPTS_MAX = 3
const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const

/** What a status of lmdb's writing thread means: 0 done, 1 committed, 2 run the callbacks, anything else an error number. */
type WorkerCallback = (status: number) => unknown

interface NativeEnv {
  startWriting(address: number, callback: WorkerCallback): void
  abortTxn(): void
}

export class LmdbEnv {
  readonly path: string
  readonly readOnly: boolean
  readonly root: RootDatabase<Uint8Array, Uint8Array>
  readonly blocks: Table
  readonly complete: Table
  readonly meta: Table
  /** Whether a handle of this process and thread holds the writer lock. */
  writerHeld = false
  /** Ids of the leases that handles of this process and thread hold. */
  readonly leases: Set<string> = new Set()
  #handles = 1
  #fresh = false
  readonly #key: string
  /** Transactions of the writing thread that are not flushed yet. */
  readonly #unflushed = new Set<Promise<void>>()
  /** The number the newest failed transaction ended with. */
  #lastFailure = 0
  #broken: CoppiceError | undefined

  private constructor(key: string, path: string, root: LmdbEnv['root'], readOnly: boolean) {
    this.#key = key
    this.path = path
    this.root = root
    this.readOnly = readOnly
    const [blocks, complete, meta] = TABLES.map((name) => root.openDB({ name, ...BINARY }) as Table | undefined)
    if (blocks === undefined || complete === undefined || meta === undefined) {
      throw new CoppiceError('NOT_A_DATABASE', `store ${path}: the LMDB file holds no coppice store`, {
        details: { path },
      })
    }
    this.blocks = blocks
    this.complete = complete
    this.meta = meta
    if (!readOnly) this.#watchWriter()
  }

  /**
   * The environment in the directory `path`, made where `create`, opened read-only where it cannot be written to.
   * Each call is to be paired with a {@link close}.
   * @throws {CoppiceError} `NOT_A_DATABASE`, `STORE_CORRUPT`, `STORE_READ_ONLY`, `STORE_IO`.
   */
  static async open(path: string, create: boolean): Promise<LmdbEnv> {
    const lmdb = await import('lmdb')
    const state = prepare(path, create)
    const { dev, ino } = statSync(path)
    const key = `${dev}:${ino}`
    const opened = environments.get(key)
    if (opened !== undefined) {
      opened.#handles++
      return opened
    }
    const readOnly = state === 'read-only'
    let root: LmdbEnv['root'] | undefined
    try {
      root = lmdb.open<Uint8Array, Uint8Array>(path, optionsFor(readOnly))
      checkTables(path, root)
      const env = new LmdbEnv(key, path, root, readOnly)
      environments.set(key, env)
      return env
    } catch (error) {
      await root?.close()
      throw toStoreError(error, 'opening', path)
    }
  }

  /** Gives the handle back. The last one waits for what is being written and closes the environment. */
  async close(): Promise<void> {
    if (--this.#handles > 0) return
    environments.delete(this.#key)
    await Promise.allSettled(this.#unflushed)
    await this.root.close()
  }

  /**
   * To be called before each read. A read-only environment has no slot in the table of readers, so a writer elsewhere
   * (the same disk mounted for writing, or another user) may reuse pages of an old snapshot: each read takes the newest.
   */
  beginRead(): void {
    if (this.readOnly) this.root.resetReadTxn()
  }

  /**
   * Makes the next read see the newest commit of all processes: lmdb keeps one snapshot for about a millisecond. Once
   * per run of the event loop's queue is enough, since nobody can have told this process of a later commit meanwhile.
   */
  refresh(): void {
    if (this.#fresh) return
    this.#fresh = true
    queueMicrotask(() => (this.#fresh = false))
    this.root.resetReadTxn()
  }

  /**
   * Queues what `fill` puts as one atomic write; resolves once it is visible to all processes.
   * @param writing bytes that `fill` puts
   * @throws {CoppiceError} `STORE_FULL`, `STORE_IO`; nothing of it is visible then.
   */
  async batch(writing: number, fill: () => void): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#requireSound()
      try {
        await this.root.batch(fill)
        return
      } catch {
        const error = await this.#failure(writing)
        if (!isPassing(this.#lastFailure) || attempt === COMMIT_ATTEMPTS_MAX) throw error
      }
    }
  }

  /**
   * Runs `action` inside a write transaction, in which gets see the newest state of all processes. An action that
   * throws leaves nothing behind.
   */
  async transact<T>(action: () => T): Promise<T> {
    this.#requireSound()
    let result: { readonly value: T } | undefined
    let failure: { readonly error: unknown } | undefined
    try {
      await this.root.childTransaction(() => {
        try {
          result = { value: action() }
        } catch (error) {
          failure = { error }
          throw error
        }
      })
    } catch {
      throw failure === undefined ? await this.#failure(1) : toStoreError(failure.error, 'writing', this.path, 1)
    }
    return (result as { readonly value: T }).value
  }

  /**
   * Resolves when all that is committed now is on the disk.
   * @throws {CoppiceError} `STORE_FULL`, `STORE_IO` where it did not get there.
   */
  async flushed(): Promise<void> {
    await Promise.all(this.#unflushed)
  }

  #requireSound(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  /** Why a write failed. lmdb may reject it before the transaction's result, and so its error number, has arrived. */
  async #failure(writing: number): Promise<CoppiceError> {
    await Promise.allSettled(this.#unflushed)
    return this.#failureOf(writing)
  }

  #failureOf(writing: number): CoppiceError {
    const error = toStoreErrorOfNumber(this.#lastFailure, 'writing', this.path, writing)
    if (error.code !== 'STORE_FULL' && !isPassing(this.#lastFailure)) this.#broken = error
    return error
  }

  /** Stands between lmdb and its writing thread: see the head of this file. */
  #watchWriter(): void {
    const native = (this.root as unknown as { readonly env: NativeEnv }).env
    const startWriting = native.startWriting.bind(native)
    const watched = (address: number, callback: WorkerCallback): void => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      this.#unflushed.add(promise)
      promise.then(
        () => this.#unflushed.delete(promise),
        () => this.#unflushed.delete(promise),
      )
      startWriting(address, (status) => {
        if (status === 1 || status === 2) return callback(status)
        if (status !== 0) this.#lastFailure = status
        // A batch that is to be run again makes its own promise wait; what else waits for the disk has lost nothing.
        if (status === 0 || isPassing(status)) resolve()
        else reject(this.#failureOf(1))
        return callback(0)
      })
    }
    Object.defineProperty(native, 'startWriting', { value: watched, configurable: true })
    // On damaged pages a transaction may have failed by itself; lmdb lets the error about that out where nobody can catch it.
    const abort = native.abortTxn.bind(native)
    const aborted = (): void => {
      try {
        abort()
      } catch {
        // It is over already, and what made it fail is told.
      }
    }
    Object.defineProperty(native, 'abortTxn', { value: aborted, configurable: true })
  }
}

/**
 * Whether a transaction that ended with this number is worth another try. lmdb 3.5.6 reads an uninitialised length when it
 * saves its list of free pages (`mdb_freelist_save`), and now and then, about once in hundreds of clones, takes a commit for
 * invalid that is sound. The transaction is rolled back whole, and LMDB's lock given back, before the number arrives.
 */
function isPassing(status: number): boolean {
  return status === MDB_BAD_TXN
}

/** By device and inode of the directory: one path may name another directory later. */
const environments = new Map<string, LmdbEnv>()

function optionsFor(readOnly: boolean): RootDatabaseOptions & { noSubdir: boolean } {
  return {
    ...BINARY,
    noSubdir: false,
    readOnly,
    maxDbs: TABLES.length,
    mapSize: MAP_BYTES,
    pageSize: PAGE_BYTES,
    // Unused parts of pages may keep old heap bytes otherwise zeroed: the store is as private as the process's memory.
    noMemInit: false,
    // Batches are made explicitly; lmdb's own, per turn of the event loop, leave failures without a handler.
    eventTurnBatching: false,
  }
}

/** Makes the directory where needed and says how its environment may be opened. */
function prepare(path: string, create: boolean): 'absent' | 'writable' | 'read-only' {
  try {
    if (create) makeDirectory(path)
    const state = inspectEnvFile(path)
    if (state === 'read-only') return state
    if (state === 'writable') {
      allocateLockFile(path)
      return state
    }
    if (!create) {
      throw new CoppiceError('NOT_A_DATABASE', `store ${path}: there is none; check the path`, { details: { path } })
    }
    if (!isWritable(path)) {
      throw new CoppiceError('STORE_READ_ONLY', `store ${path}: the directory cannot be written to`, {
        details: { path },
      })
    }
    allocateLockFile(path)
    return state
  } catch (error) {
    throw toStoreError(error, 'opening', path)
  }
}

/** Refuses the environment of another program before three databases are made in it. */
function checkTables(path: string, root: LmdbEnv['root']): void {
  for (const key of root.getKeys()) {
    const name = new TextDecoder().decode(key).replace(/\0$/, '')
    if (!(TABLES as readonly string[]).includes(name)) {
      throw new CoppiceError('NOT_A_DATABASE', `store ${path}: the LMDB file belongs to another program`, {
        details: { path },
      })
    }
  }
}
