/**
 * An author's own database: a working state that batches change, and signed roots that `publish` makes of it. One handle
 * may write at a time, in all processes together; any number read. Whatever a call was doing when the process died, the
 * working state is the one of the last batch that resolved, or of one that was just about to.
 */
import { equalBytes } from '../bytes.ts'
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { type Link, parseLink } from '../link.ts'
import { buildTree, NodeReader, Tree } from '../prolly/index.ts'
import {
  type Authority,
  decodeSignedRoot,
  findRotationConflict,
  type Signer,
  type UnsignedRoot,
} from '../pointer/index.ts'
import { Staging, type Store } from '../store/index.ts'
import type { PeerDialer } from '../sync/index.ts'
import type { Carriers } from './carriers.ts'
import type { KeyNames, ReadOptions } from './documents/collection-view.ts'
import { type BatchOptions, Collection, type CollectionOptions } from './documents/collection.ts'
import { encodeDocument } from './documents/document.ts'
import { type Dialing, dialersOf } from './pulling/dialing.ts'
import { Handle } from './handle.ts'
import { mergeInto, type MergeOptions, type MergeResult } from './merging/merge.ts'
import { AUTHOR, encodeText, NAME, ROOT } from './meta.ts'
import { readPrepared } from './roots/prepared.ts'
import { announceRoot } from './announcing/announce.ts'
import { type RecoverOptions, type RecoverReport, recoverState } from './announcing/recover.ts'
import { checkEnvelopes, keepAttachments, keepHops } from './roots/attachments.ts'
import { Publisher, type PublishOptions, type PublishReport, type SigningReport } from './roots/publisher.ts'
import type { Resolution } from '../carriers/resolution.ts'
import { type ResolveRootOptions, resolveRoot, withOwnRoot } from './resolving/resolve-root.ts'
import { readAuthority, readFloor } from './roots/standing.ts'
import { type RestoreReport, restoreState } from './roots/restore.ts'
import { adoptRotations } from './roots/rotations.ts'
import { METADATA_KEY } from './documents/schema.ts'
import type { Snapshot } from './snapshot.ts'
import { DatabaseState, type Surroundings } from './state.ts'
import { Transaction } from './transaction.ts'
import type { ValueSource } from './value-stream.ts'

export interface DatabaseOptions extends Surroundings {
  /** Keys at hand, of which the one that is to sign a root does; without any the handle cannot publish. */
  readonly signers?: readonly Signer[]
  /** Without, the handle only reads: another process may write. */
  readonly isWritable?: boolean
  /** For repairs from replicas. Closed with the database. */
  readonly network?: Dialing
  /** Where its signed roots are left and found. Closed with the database. */
  readonly carriers?: Carriers
}

/** What a batch left behind. */
export interface BatchReport<R> {
  readonly result: R
  readonly from: Snapshot
  readonly to: Snapshot
  readonly blocksWritten: number
  readonly bytesWritten: number
}

export class Database extends Handle {
  readonly #signers: readonly Signer[]
  readonly #network: Dialing | undefined

  private constructor(state: DatabaseState, options: DatabaseOptions) {
    super(state, 'local', options.isWritable ?? false, options.carriers)
    this.#signers = options.signers ?? []
    this.#network = options.network
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

  /** The working state as it is now. */
  override async snapshot(options: ReadOptions = {}): Promise<Snapshot> {
    options.signal?.throwIfAborted()
    return await this.state.snapshot()
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

  /** The value in one piece, or a source of its bytes, which is read as they are written: a value of any length. */
  async put(key: Uint8Array, value: ValueSource, options?: BatchOptions): Promise<void> {
    await this.batch((tx) => tx.put(key, value), options)
  }

  /** Whether the key was there. */
  async del(key: Uint8Array, options?: BatchOptions): Promise<boolean> {
    return await this.batch((tx) => tx.del(key), options)
  }

  /**
   * Runs `body`; all it wrote becomes visible at once when it resolves, nothing if it rejects. Batches of one handle run
   * one after the other, so `body` must write through its `tx` and await no other batch, nor a publish, gc or repair.
   * @throws {CoppiceError} `STORE_READ_ONLY` on a handle that only reads; what `body` and the store throw.
   */
  async batch<R>(body: (tx: Transaction) => Promise<R>, options: BatchOptions = {}): Promise<R> {
    return (await this.batchWithReport(body, options)).result
  }

  /** As {@link batch}, with the states before and after and what it cost. */
  batchWithReport<R>(body: (tx: Transaction) => Promise<R>, options: BatchOptions = {}): Promise<BatchReport<R>> {
    return this.exclusively(() => this.#runBatch(body, options), options.signal)
  }

  async #runBatch<R>(body: (tx: Transaction) => Promise<R>, options: BatchOptions): Promise<BatchReport<R>> {
    const { signal, durable = true } = options
    const staging = new Staging(this.state.store)
    const from = await this.snapshot()
    const tx = new Transaction(await Tree.open(new NodeReader(staging), from.tree.ref.root), staging, signal)
    try {
      const result = await body(tx)
      const { root } = (await tx.finish()).ref
      signal?.throwIfAborted()
      await this.#show(staging, from.tree.ref.root, root, durable)
      const { blocksWritten, bytesWritten } = staging.counters
      return { result, from, to: await this.snapshot(), blocksWritten, bytesWritten }
    } catch (error) {
      tx.drop()
      await staging.abort()
      throw error
    }
  }

  async #show(staging: Staging, before: Link, root: Link, durable: boolean): Promise<void> {
    if (equalBytes(before, root)) return
    await staging.commit({ meta: new Map([[ROOT, root]]), durable })
    this.state.notify()
  }

  /**
   * Signs the working state as the next signed root. Its bytes are on the disk before anybody sees them; a publish that
   * was killed shows the same bytes again or none. Publishing an unchanged state signs nothing new, unless told to
   * `refresh`. Carriers are asked before, and the root is put on them afterwards: `report.asked` and `report.carriers` say what came of
   * it. Once it is signed an abort only ends that.
   * @throws {CoppiceError} `KEY_FILE_INVALID` without a key; `PUBLISH_REFUSED` where no key at hand may sign, or where a
   *   root of one's own is out there that this one would contradict (`newer`, `different`, `evidence`: see {@link recover});
   *   `USAGE` for a message or an expiry out of bounds; `BLOCK_MISSING`, `STORE_CORRUPT` or `TREE_MALFORMED` where the store is
   *   damaged: such a state is never signed.
   */
  async publish(options: PublishOptions = {}): Promise<PublishReport> {
    const { signal } = options
    const report = await this.#publishing((publisher) => publisher.publish(options), options)
    return await this.#announce(report, signal)
  }

  /**
   * What {@link publish} would sign, for a key that is elsewhere: `bytes` go to `signUnsignedRoot` there, and what comes of it to
   * {@link completePublish}. The state is kept until then, whatever changes meanwhile. Undefined where there is nothing new to sign.
   * @throws as {@link publish}.
   */
  preparePublish(options: PublishOptions = {}): Promise<UnsignedRoot | undefined> {
    return this.#publishing((publisher) => publisher.prepare(options), options)
  }

  /**
   * Publishes what was prepared, by the bytes of its signed root, and puts it on carriers with the `envelopes` that came with it. Safe to
   * repeat, as after a kill.
   * @throws {CoppiceError} `SIGNED_ROOT_INVALID`; `PUBLISH_REFUSED` where another root was published meanwhile, where it is not the one that
   *   was prepared, or its key may not sign it any more; as {@link publish}.
   */
  async completePublish(
    signedRoot: Uint8Array,
    { signal, envelopes = [] }: ReadOptions & Pick<PublishOptions, 'envelopes'> = {},
  ): Promise<PublishReport> {
    const { state } = this
    const report = await this.#publishing(
      async (publisher) => {
        const root = decodeSignedRoot(signedRoot)
        const own = root.state === 'newer-format' ? undefined : await checkEnvelopes(state, envelopes, root)
        const completed = await publisher.complete(signedRoot, signal)
        if (own !== undefined) await keepAttachments(state, completed.signedRoot, own)
        return completed
      },
      { signal },
    )
    return await this.#announce(report, signal)
  }

  /**
   * Asks carriers for the newest signed root, as its readers do, and tells those that show an older one.
   * @throws as `Replica.resolve`.
   */
  async resolve(options: ResolveRootOptions = {}): Promise<Resolution> {
    const { state } = this
    const signal = options.signal === undefined ? state.closing : AbortSignal.any([options.signal, state.closing])
    const published = await this.published()
    const known = { floor: withOwnRoot(await readFloor(state), published), authority: await readAuthority(state) }
    return await resolveRoot(state, this.carriers, known, { ...options, signal, isKept: false })
  }

  /** The root that waits for its signature. */
  async prepared(options: ReadOptions = {}): Promise<UnsignedRoot | undefined> {
    options.signal?.throwIfAborted()
    return await readPrepared(this.state)
  }

  /** Who decides about its epochs, with all rotations known. */
  async authority(options: ReadOptions = {}): Promise<Authority> {
    options.signal?.throwIfAborted()
    return await readAuthority(this.state)
  }

  /**
   * Takes the rotations of a chain, as `encodeRotations` gives it, that are new here; gives their number. From their epochs on, their keys
   * have the authority.
   * @throws {CoppiceError} `SIGNED_ROOT_INVALID` for what is no chain of this author, `EQUIVOCATION` where another rotation for one of
   *   the epochs is known already: that one stands.
   */
  async adoptRotations(
    rotations: Uint8Array,
    options: ReadOptions & Pick<PublishOptions, 'envelopes'> = {},
  ): Promise<number> {
    return await this.exclusively(async () => {
      const hops = await checkEnvelopes(this.state, options.envelopes ?? [])
      const { added, conflict } = await adoptRotations(this.state, rotations)
      if (conflict === undefined && hops !== undefined) await keepHops(this.state, hops)
      if (conflict === undefined) return added
      const { held, other } = conflict
      throw new CoppiceError(
        'EQUIVOCATION',
        `rotations: expected one for epoch ${held.epoch}, got another than the one that is known, which stands`,
        { details: { evidence: findRotationConflict(held, other) } },
      )
    }, options.signal)
  }

  #publishing<R>(
    work: (publisher: Publisher) => Promise<R>,
    { envelopes = [], signal }: Pick<PublishOptions, 'envelopes' | 'signal'>,
  ): Promise<R> {
    return this.exclusively(async () => {
      const hops = await checkEnvelopes(this.state, envelopes)
      const carriers = (await this.carriers?.list()) ?? []
      const result = await work(new Publisher(this.state, this.#signers, carriers))
      if (hops !== undefined) await keepHops(this.state, hops)
      this.state.notify()
      return result
    }, signal)
  }

  /** Signed it is, whatever becomes of the carriers: an abort only leaves some of them out. Other work need not wait for it. */
  async #announce(report: SigningReport, signal: AbortSignal | undefined): Promise<PublishReport> {
    const { state } = this
    const carriers = (await this.carriers?.list()) ?? []
    if (carriers.length === 0) return { ...report, carriers: [] }
    const until = signal === undefined ? state.closing : AbortSignal.any([signal, state.closing])
    const announced = await announceRoot(state, carriers, report, until)
    if (announced.attachments.size > 0 && !state.closing.aborted) {
      await this.exclusively(() => keepAttachments(state, report.signedRoot, announced.attachments))
    }
    return { ...report, carriers: announced.carriers }
  }

  /**
   * Goes on from a newer root of one's own, signed elsewhere with this key: after a backup was restored, or on a second machine. Its
   * state is fetched from peers, verified, and what was changed here since both were one is merged with it; `publish` signs the
   * result as the next root. Where the two contradict each other, `endFork` publishes that in a new epoch, which readers of both
   * sides accept; it takes the key that has the authority, or a grant. Safe to repeat, as after a kill.
   * @throws {CoppiceError} `NO_PEER_LEFT` where nobody answered, or nobody has that state; `PUBLISH_REFUSED` with `details.reason`:
   *   `different` (a fork, and no `endFork`), `signer` (no key that may end it), `history` (nobody could prove where the two were
   *   one); `SCHEMA_MISMATCH`, `TREE_MALFORMED`, `FORMAT_NEWER`, `ADDRESS_INVALID`, `STORE_*`.
   */
  async recover(options: RecoverOptions = {}): Promise<RecoverReport & Pick<PublishReport, 'carriers'>> {
    const { closing } = this.state
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing])
    const report = await this.exclusively(async () => {
      const hops = await checkEnvelopes(this.state, options.envelopes ?? [])
      const carriers = (await this.carriers?.list()) ?? []
      const dialers = await this.dialers([...new Set([...(options.peers ?? []), ...(await this.peers())])])
      const sources = { carriers, dialers, network: this.#network }
      const recovered = await recoverState(this.state, this.#signers, sources, { ...options, signal })
      if (hops !== undefined) await keepHops(this.state, hops)
      this.state.notify()
      return recovered
    }, signal)
    const carriers = report.signed === undefined ? [] : (await this.#announce(report.signed, signal)).carriers
    return { ...report, carriers }
  }

  /**
   * Joins what `other` changed with what the working state did since both were one, as one batch: all of it or, where a
   * conflict stays, nothing. A database or replica as `other` is remembered, its state being the base of the next merge
   * with it; a snapshot needs `options.base`.
   * @throws {CoppiceError} `NO_COMMON_BASE`, `SCHEMA_MISMATCH`, `ROOT_NOT_FOUND` (a base that is not held, a replica without a state),
   *   and as a batch does.
   */
  async merge(other: Handle | Snapshot, options: MergeOptions = {}): Promise<MergeResult> {
    const source =
      other instanceof Handle
        ? { snapshot: () => other.snapshot(options), state: other.state, isReplica: !(other instanceof Database) }
        : { snapshot: () => Promise.resolve(other), state: undefined, isReplica: false }
    if (options.dryRun === true) return await mergeInto(this.state, source, options)
    return await this.exclusively(async () => {
      const result = await mergeInto(this.state, source, options)
      this.state.notify()
      return result
    }, options.signal)
  }

  /**
   * Makes a held state the working state: one of the log, or any other that is here whole, by its root's CID. The state
   * before it is not read, so this works whatever became of that one, and `report.left` names it: until `gc` it can be
   * pinned, or restored in turn. What is remembered as merged goes back as well, for later merges.
   * @throws {CoppiceError} `ROOT_NOT_FOUND` where it is not here, or in part only; `STORE_CORRUPT` where its root is damaged.
   */
  async restore(target: Snapshot | string, options: BatchOptions = {}): Promise<RestoreReport> {
    const root = typeof target === 'string' ? parseLink(target) : target.tree.ref.root
    return await this.exclusively(async () => {
      const report = await restoreState(this.state, root, options)
      this.state.notify()
      return report
    }, options.signal)
  }

  /** Sets the metadata document: title, description, licenses and the like, of your choosing. */
  async setMetadata(metadata: Document, options?: BatchOptions): Promise<void> {
    await this.put(METADATA_KEY, encodeDocument(metadata), options)
  }

  protected override async dialers(addresses?: readonly string[]): Promise<PeerDialer[]> {
    return await dialersOf(this.#network, addresses ?? (await this.peers()))
  }

  protected override async release(): Promise<void> {
    await this.#network?.close()
  }
}
