/**
 * An author's own database: a working state that batches change, and signed roots that `publish` makes of it. One handle
 * may write at a time, in all processes together; any number read. Whatever a call was doing when the process died, the
 * working state is the one of the last batch that resolved, or of one that was just about to.
 */
import { equalBytes } from '../bytes.ts'
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import type { Link } from '../link.ts'
import { buildTree, type KeyRange, NodeReader, type ScanOptions, Tree } from '../prolly/index.ts'
import { formatAddress, type SignedRoot, type Signer } from '../pointer/index.ts'
import { Staging, type Store } from '../store/index.ts'
import type { KeyNames, ReadOptions } from './collection-view.ts'
import { type BatchOptions, Collection, type CollectionOptions } from './collection.ts'
import { encodeDocument } from './document.ts'
import type { KeyReader, Row } from './key-reader.ts'
import { AUTHOR, encodeText, NAME, PUBLISHED, ROOT } from './meta.ts'
import { Publisher, type PublishOptions, type PublishReport } from './publisher.ts'
import { decodeOwn, type LogEntry, type LogOptions, readLog } from './signed-log.ts'
import { METADATA_KEY } from './schema.ts'
import type { Snapshot } from './snapshot.ts'
import { DatabaseState, type StateChange, type Surroundings } from './state.ts'
import { Transaction } from './transaction.ts'
import { Turns } from './turns.ts'

export interface DatabaseOptions extends Surroundings {
  /** Signs roots; without one the handle cannot publish. */
  readonly signer?: Signer
  /** Without, the handle only reads: another process may write. */
  readonly isWritable?: boolean
}

/** What a batch left behind. */
export interface BatchReport<R> {
  readonly result: R
  readonly from: Snapshot
  readonly to: Snapshot
  readonly blocksWritten: number
  readonly bytesWritten: number
}

export class Database implements KeyReader, AsyncDisposable {
  readonly #state: DatabaseState
  readonly #signer: Signer | undefined
  readonly #isWritable: boolean
  readonly #turns = new Turns()

  protected constructor(state: DatabaseState, options: DatabaseOptions) {
    this.#state = state
    this.#signer = options.signer
    this.#isWritable = options.isWritable ?? false
  }

  /** The values a new, empty database starts with; the root's block is written at once, the values with the batch of whoever creates it. */
  static async initialMeta(store: Store, author: Uint8Array, name: string): Promise<Map<string, Uint8Array>> {
    const staging = new Staging(store)
    const { root } = await buildTree([], staging)
    await staging.commit()
    return new Map([
      [AUTHOR, author],
      [NAME, encodeText(name)],
      [ROOT, root],
    ])
  }

  static async load(store: Store, options: DatabaseOptions): Promise<Database> {
    return new Database(await DatabaseState.load(store, options), options)
  }

  get author(): Uint8Array {
    return this.#state.author
  }

  get name(): string {
    return this.#state.name
  }

  /** `coppice:<author>/<name>`, without peers. */
  get address(): string {
    return formatAddress({ author: this.author, name: this.name, peers: [] })
  }

  /** What serving and comparing need. */
  get state(): DatabaseState {
    return this.#state
  }

  /** The working state as it is now. */
  async snapshot(options: ReadOptions = {}): Promise<Snapshot> {
    options.signal?.throwIfAborted()
    return await this.#state.snapshot()
  }

  async get(key: Uint8Array, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    options.signal?.throwIfAborted()
    return await (await this.snapshot()).get(key)
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<Row, void, undefined> {
    yield* (await this.snapshot()).scan(options)
  }

  async count(range: KeyRange & ReadOptions = {}): Promise<number> {
    range.signal?.throwIfAborted()
    return await (await this.snapshot()).count(range)
  }

  /** Documents of one collection. `K` lists the key's fields, so that `get` takes a typed tuple. */
  collection<T extends object = Document, K extends KeyNames<T> = KeyNames<T>>(
    name: string,
    options: CollectionOptions<K> = {},
  ): Collection<T, K> {
    return new Collection<T, K>(
      name,
      options,
      () => this.snapshot(),
      (body, call) => this.batch(body, call),
    )
  }

  async put(key: Uint8Array, value: Uint8Array, options?: BatchOptions): Promise<void> {
    await this.batch((tx) => tx.put(key, value), options)
  }

  /** Whether the key was there. */
  async del(key: Uint8Array, options?: BatchOptions): Promise<boolean> {
    return await this.batch((tx) => tx.del(key), options)
  }

  /**
   * Runs `body`; all it wrote becomes visible at once when it resolves, nothing if it rejects. Batches of one handle run
   * one after the other, so `body` must write through its `tx` and await no other batch.
   * @throws {CoppiceError} `STORE_READ_ONLY` on a handle that only reads; what `body` and the store throw.
   */
  async batch<R>(body: (tx: Transaction) => Promise<R>, options: BatchOptions = {}): Promise<R> {
    return (await this.batchWithReport(body, options)).result
  }

  /** As {@link batch}, with the states before and after and what it cost. */
  batchWithReport<R>(body: (tx: Transaction) => Promise<R>, options: BatchOptions = {}): Promise<BatchReport<R>> {
    return this.#exclusively(() => this.#runBatch(body, options), options.signal)
  }

  async #runBatch<R>(body: (tx: Transaction) => Promise<R>, options: BatchOptions): Promise<BatchReport<R>> {
    const { signal, durable = true } = options
    const staging = new Staging(this.#state.store)
    const from = await this.snapshot()
    const tx = new Transaction(await Tree.open(new NodeReader(staging), from.tree.ref.root), staging, signal)
    try {
      const result = await body(tx)
      const { root } = (await tx.finish()).ref
      signal?.throwIfAborted()
      await this.#show(staging, from.tree.ref.root, root, durable)
      const { blocksWritten, bytesWritten } = staging.counters
      return { result, from, to: await this.#state.at(root), blocksWritten, bytesWritten }
    } catch (error) {
      tx.drop()
      await staging.abort()
      throw error
    }
  }

  async #show(staging: Staging, before: Link, root: Link, durable: boolean): Promise<void> {
    if (equalBytes(before, root)) return
    await staging.commit({ meta: new Map([[ROOT, root]]), durable })
    this.#state.notify()
  }

  /**
   * Signs the working state as the next signed root. Its bytes are on the disk before anybody sees them; a publish that
   * was killed shows the same bytes again or none. Publishing an unchanged state signs nothing new, unless told to
   * `renew`.
   * @throws {CoppiceError} `KEY_FILE_INVALID` without the author's key; `USAGE` for a message or an expiry out of bounds;
   *   `BLOCK_MISSING`, `STORE_CORRUPT` or `TREE_MALFORMED` where the store is damaged: such a state is never signed.
   */
  publish(options: PublishOptions = {}): Promise<PublishReport> {
    return this.#exclusively(async () => {
      if (this.#signer === undefined) {
        throw new CoppiceError(
          'KEY_FILE_INVALID',
          "publish: expected the author's key, got none; publish where author.key is",
        )
      }
      const report = await new Publisher(this.#state, this.#signer).publish(options)
      this.#state.notify()
      return report
    }, options.signal)
  }

  /** The newest signed root, undefined before the first publish. */
  async published(options: ReadOptions = {}): Promise<SignedRoot | undefined> {
    options.signal?.throwIfAborted()
    const bytes = await this.#state.store.getMeta(PUBLISHED)
    return bytes === undefined ? undefined : decodeOwn(bytes)
  }

  /** Sets the metadata document: title, description, licenses and the like, of your choosing. */
  async setMetadata(metadata: Document, options?: BatchOptions): Promise<void> {
    await this.put(METADATA_KEY, encodeDocument(metadata), options)
  }

  /** Every change of the working state from now on, made by this process or another, until the signal aborts or the handle is closed. */
  watch(options: ReadOptions = {}): AsyncGenerator<StateChange, void, undefined> {
    return this.#state.watch('local', options.signal)
  }

  /** The signed roots, newest first. */
  log(options: LogOptions = {}): AsyncIterable<LogEntry> {
    return readLog(this.#state, options)
  }

  #exclusively<R>(work: () => Promise<R>, signal: AbortSignal | undefined): Promise<R> {
    if (!this.#isWritable) {
      return Promise.reject(
        new CoppiceError('STORE_READ_ONLY', 'database: expected a handle opened for writing, got one that only reads'),
      )
    }
    return this.#turns.run(work, signal)
  }

  /** Ends watches, waits for batches and publishes that were begun or wait, and closes the store. Idempotent. */
  async close(): Promise<void> {
    this.#state.beginClose()
    await this.#turns.close()
    await this.#state.store.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
