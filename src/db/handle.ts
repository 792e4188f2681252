/**
 * What a handle on one's own database and one on a replica have in common: who it is of, reading the state that is shown,
 * the log of signed roots, and doing one piece of work after the other.
 */
import { CoppiceError } from '../errors.ts'
import { formatAddress, type SignedRoot } from '../pointer/index.ts'
import type { KeyRange, ScanOptions } from '../prolly/index.ts'
import type { ReadOptions } from './collection-view.ts'
import type { KeyReader, Row } from './key-reader.ts'
import { PUBLISHED } from './meta.ts'
import { decodeOwn, type LogEntry, type LogOptions, readLog } from './signed-log.ts'
import type { Snapshot } from './snapshot.ts'
import type { DatabaseState, Origin, StateChange } from './state.ts'
import { Turns } from './turns.ts'

export abstract class Handle implements KeyReader, AsyncDisposable {
  /** What serving and comparing need. */
  readonly state: DatabaseState
  readonly #isWritable: boolean
  readonly #origin: Origin
  readonly #turns = new Turns()

  protected constructor(state: DatabaseState, origin: Origin, isWritable: boolean) {
    this.state = state
    this.#origin = origin
    this.#isWritable = isWritable
  }

  /** The author's public key, 32 bytes. */
  get author(): Uint8Array {
    return this.state.author
  }

  get name(): string {
    return this.state.name
  }

  /** `coppice:<author>/<name>`, without peers. */
  get address(): string {
    return formatAddress({ author: this.author, name: this.name, peers: [] })
  }

  /** The state that is shown now: an author's working state, a replica's newest complete one. */
  abstract snapshot(options?: ReadOptions): Promise<Snapshot>

  async get(key: Uint8Array, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return await (await this.snapshot(options)).get(key)
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<Row, void, undefined> {
    yield* (await this.snapshot(options)).scan(options)
  }

  async count(range: KeyRange & ReadOptions = {}): Promise<number> {
    return await (await this.snapshot(range)).count(range)
  }

  /** The signed root that is announced: undefined before the first publish, or the first complete pull. */
  async published(options: ReadOptions = {}): Promise<SignedRoot | undefined> {
    options.signal?.throwIfAborted()
    const bytes = await this.state.store.getMeta(PUBLISHED)
    return bytes === undefined ? undefined : decodeOwn(bytes)
  }

  /** The signed roots, newest first: all that an author published, those that a replica completed. */
  log(options: LogOptions = {}): AsyncIterable<LogEntry> {
    return readLog(this.state, options)
  }

  /** Every change of the shown state from now on, made by this process or another, until the signal aborts or the handle is closed. */
  watch(options: ReadOptions = {}): AsyncGenerator<StateChange, void, undefined> {
    return this.state.watch(this.#origin, options.signal)
  }

  /** @throws {CoppiceError} `STORE_READ_ONLY` on a handle that only reads. */
  protected requireWritable(): void {
    if (this.#isWritable) return
    throw new CoppiceError('STORE_READ_ONLY', 'database: expected a handle opened for writing, got one that only reads')
  }

  /** Runs `work` when all work of this handle before it is over. @throws as {@link requireWritable} and `Turns.run`. */
  protected async exclusively<R>(work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    this.requireWritable()
    return await this.#turns.run(work, signal)
  }

  /** Ends watches, interrupts pulls and follows, waits for batches and publishes that were begun, and closes the store. Idempotent. */
  async close(): Promise<void> {
    this.state.beginClose()
    await this.#turns.close()
    await this.release()
    await this.state.store.close()
  }

  /** What else is to be given back, before the store is closed. */
  protected release(): Promise<void> {
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
