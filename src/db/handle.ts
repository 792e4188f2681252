/**
 * What a handle on one's own database and one on a replica have in common: who it is of, reading the state that is shown,
 * the log of signed roots, and doing one piece of work after the other.
 */
import { CoppiceError } from '../errors.ts'
import { parseLink } from '../link.ts'
import { formatAddress, type SignedRoot } from '../pointer/index.ts'
import type { KeyRange, ScanOptions, StreamOptions } from '../prolly/index.ts'
import type { PeerDialer } from '../sync/index.ts'
import type { CarrierSettings } from '../carriers/settings.ts'
import { type Carriers, readCarrierSettings, writeCarrierSettings } from './carriers.ts'
import type { ReadOptions } from './documents/collection-view.ts'
import type { KeyReader, Row } from './documents/key-reader.ts'
import { collectGarbage, type GcOptions, type GcReport, REPLICA_KEEP_DEFAULT } from './upkeep/gc.ts'
import { encodePeers, readPeers } from './finding/address-book.ts'
import { PEERS, PUBLISHED } from './meta.ts'
import { addPin, type Pin, readPins, removePin } from './upkeep/pins.ts'
import { repair, type RepairOptions, type RepairReport } from './upkeep/repair.ts'
import { decodeOwn, type LogEntry, type LogOptions, readLog } from './roots/signed-log.ts'
import { type VerifiedEntry, verifyLog } from './roots/verify-log.ts'
import { scanRows, type Snapshot } from './snapshot.ts'
import type { DatabaseState, Origin, StateChange } from './state.ts'
import type { ValueStream } from './value-stream.ts'
import { Turns } from './turns.ts'

export abstract class Handle implements KeyReader, AsyncDisposable {
  /** What serving and comparing need. */
  readonly state: DatabaseState
  /** Where its signed roots are left and found; closed with it. */
  readonly carriers: Carriers | undefined
  readonly #isWritable: boolean
  readonly #origin: Origin
  readonly #turns = new Turns()

  protected constructor(state: DatabaseState, origin: Origin, isWritable: boolean, carriers: Carriers | undefined) {
    this.state = state
    this.carriers = carriers
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

  /** As {@link KeyReader.stream}, of the state shown now. */
  async stream(key: Uint8Array, options: StreamOptions = {}): Promise<ValueStream | undefined> {
    return await (await this.snapshot(options)).stream(key, options)
  }

  scan(options: ScanOptions = {}): AsyncGenerator<Row, void, undefined> {
    return scanRows(() => this.snapshot(options), options)
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

  /**
   * The signed roots, oldest first, each verified: its signature, and how it continues the ones before (record.md, 5). What is
   * wrong is a `problem` of an entry; a skip that is not proven is none, and its `link` is `unlinked`.
   */
  verifyLog(options: LogOptions = {}): AsyncIterable<VerifiedEntry> {
    return verifyLog(this.state, options)
  }

  /** The addresses of peers and mirrors that it asks: a replica for the newest root and its tree, an author before and after it signs. */
  async peers(options: ReadOptions = {}): Promise<string[]> {
    options.signal?.throwIfAborted()
    return await readPeers(this.state.store)
  }

  /** Replaces the addresses it asks, after work that is under way. @throws {CoppiceError} `ADDRESS_INVALID` for what can be none. */
  async setPeers(peers: readonly string[], options: ReadOptions = {}): Promise<void> {
    const meta = new Map([[PEERS, encodePeers(peers)]])
    await this.exclusively(() => this.state.store.write({ meta }, { durable: true }), options.signal)
  }

  /** The carriers it uses beside its peers and mirrors, and how many sources a newer root needs. */
  async carrierSettings(options: ReadOptions = {}): Promise<CarrierSettings> {
    options.signal?.throwIfAborted()
    return await readCarrierSettings(this.state.store)
  }

  /** Uses these from now on. @throws {CoppiceError} `USAGE` for what is out of bounds; `STORE_*`. */
  async setCarrierSettings(settings: CarrierSettings, options: ReadOptions = {}): Promise<void> {
    await this.exclusively(() => writeCarrierSettings(this.state.store, settings), options.signal)
  }

  /**
   * Finds damage as `coppice verify` does and fetches what is broken from peers again. What none of them has stays
   * broken, and is reported. Safe to interrupt, and to run again.
   * @throws {CoppiceError} `STORE_READ_ONLY` on a handle that only reads, `ADDRESS_INVALID`, `STORE_*`.
   * @throws the signal's reason; an AbortError when the handle is closed meanwhile.
   */
  async repair(options: RepairOptions = {}): Promise<RepairReport> {
    const { closing } = this.state
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing])
    const dialers = (): Promise<PeerDialer[]> => this.dialers(options.peers)
    return await this.exclusively(() => repair(this.state, dialers, { ...options, signal }), signal)
  }

  /** Of the peers at these addresses, or of those the handle asks by itself. @throws {CoppiceError} `ADDRESS_INVALID`. */
  protected abstract dialers(addresses: readonly string[] | undefined): Promise<PeerDialer[]>

  /** Every change of the shown state from now on, made by this process or another, until the signal aborts or the handle is closed. */
  watch(options: ReadOptions = {}): AsyncGenerator<StateChange, void, undefined> {
    return this.state.watch(this.#origin, options.signal)
  }

  /**
   * Removes what no kept state needs: kept are the state that is shown and the published one, the newest of the log,
   * pinned ones, one that waits for its signature, those that this handle gave out and that are still referred to, those that other handles and processes
   * read or serve, and what an interrupted pull has fetched. Killed or aborted at any point, the database is whole, and the
   * next collection goes on.
   * @throws {RangeError} where `keep` is no number of states.
   * @throws {CoppiceError} `STORE_READ_ONLY`; `BLOCK_MISSING`, `STORE_CORRUPT` where a kept state is damaged: nothing is removed; `STORE_*`.
   */
  async gc(options: GcOptions = {}): Promise<GcReport> {
    const { closing } = this.state
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing])
    const keep = options.keep ?? (this.#origin === 'local' ? Number.POSITIVE_INFINITY : REPLICA_KEEP_DEFAULT)
    return await this.exclusively(() => collectGarbage(this.state, keep, { ...options, signal }), signal)
  }

  /** The pinned states, in the order in which they were pinned. */
  async pins(options: ReadOptions = {}): Promise<Pin[]> {
    options.signal?.throwIfAborted()
    return await readPins(this.state.store)
  }

  /**
   * Keeps a state from {@link gc} until it is unpinned. Whether it was not pinned before; where it was, a `note`
   * replaces the one there is.
   * @throws {CoppiceError} `USAGE` for a note that is long or has several lines; `ROOT_NOT_FOUND` where the state is here in part only; `STORE_*`.
   */
  async pin(snapshot: Snapshot, options: ReadOptions & { readonly note?: string } = {}): Promise<boolean> {
    const { signal, note } = options
    return await this.exclusively(() => addPin(this.state.store, snapshot, note, signal), signal)
  }

  /** Whether the root, a CID as text, was pinned. @throws {CoppiceError} `USAGE` where it is none; `STORE_*`. */
  async unpin(root: string, options: ReadOptions = {}): Promise<boolean> {
    const link = parseLink(root)
    return await this.exclusively(() => removePin(this.state.store, link), options.signal)
  }

  protected get isWritable(): boolean {
    return this.#isWritable
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
    await this.state.keeping.close()
    await this.carriers?.close()
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
