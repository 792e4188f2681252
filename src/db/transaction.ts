/**
 * A batch of writes that becomes visible as a whole or not at all, and reads what it wrote. Writes gather in memory,
 * sorted by key when needed; beyond a bound they are put into the tree, whose root nobody sees before the batch ends.
 */
import { bytesToMapKey, copyBytes } from '../bytes.ts'
import type { Document } from '../document-model.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import {
  assertKeySize,
  type BlockSink,
  type Edit,
  editTree,
  type Entry,
  isValueRef,
  type KeyRange,
  RAW_VALUE_BYTES_MAX,
  type ScanOptions,
  type Source,
  type StreamOptions,
  Tree,
  type Value,
} from '../prolly/index.ts'
import { writeFile } from '../unixfs/index.ts'
import type { KeyNames } from './documents/collection-view.ts'
import { CollectionWriter } from './documents/collection-writer.ts'
import type { CollectionOptions } from './documents/collection.ts'
import type { EntryReader, Row } from './documents/key-reader.ts'
import { mergeEdits } from './merge-edits.ts'
import type { Schema } from './documents/schema.ts'
import { Snapshot } from './snapshot.ts'
import { streamOf, type ValueSource, type ValueStream } from './value-stream.ts'

/** Writes kept in memory before they are put into the tree. */
export const TRANSACTION_BYTES_MAX: number = 32 * 1024 * 1024
/** Objects and map slots of one write, beside its bytes. */
const WRITE_OVERHEAD_BYTES = 150
/** A scan sorts the writes in memory. More of them are put into the tree first, once instead of with every scan. */
const SCANNED_WRITES_MAX = 1000

export class Transaction implements EntryReader {
  readonly #sink: BlockSink
  readonly #signal: AbortSignal | undefined
  #base: Snapshot
  /** By key as a string that sorts like it. */
  #writes = new Map<string, Edit<Value>>()
  #writesBytes = 0
  #isOpen = true
  /** Writes are on their way from memory into the tree: reads wait. */
  #flushing: Promise<void> | undefined
  /** The tree is being rewritten from edits that may read this transaction, but not write to it. */
  #isApplying = false
  /** Why writes were lost: the batch cannot be completed any more. */
  #failure: { readonly error: unknown } | undefined
  /** By collection: settles when nobody is looking up or declaring its schema. */
  readonly #settling = new Map<string, Promise<void>>()

  constructor(base: Tree, sink: BlockSink, signal?: AbortSignal) {
    this.#base = new Snapshot(base)
    this.#sink = sink
    this.#signal = signal
  }

  get(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    const value = this.getValue(key)
    if (value instanceof Promise) return value.then((late) => this.#load(late))
    return this.#load(value)
  }

  #load(value: Value | undefined): MaybePromise<Uint8Array | undefined> {
    return value === undefined ? undefined : this.#base.tree.readValue(value)
  }

  getValue(key: Uint8Array): MaybePromise<Value | undefined> {
    this.#assertOpen()
    if (this.#flushing !== undefined) return this.#flushing.then(() => this.getValue(key))
    const own = this.#writes.get(bytesToMapKey(key))
    if (own !== undefined) return own.value ?? undefined
    return this.#base.getValue(key)
  }

  /** As {@link KeyReader.stream}: the value as it is now, whatever is written while it is read. */
  async stream(key: Uint8Array, options: StreamOptions = {}): Promise<ValueStream | undefined> {
    const value = await this.getValue(key)
    return value === undefined ? undefined : streamOf(this.#base.tree, value, options)
  }

  /** As {@link KeyReader.scan}: what is written after the first row was asked for is not seen. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<Row, void, undefined> {
    for await (const { key, value } of this.entries(options)) {
      const bytes = this.#base.tree.readValue(value)
      yield { key, value: bytes instanceof Promise ? await bytes : bytes }
    }
  }

  /** As {@link scan}, without loading what stands out of line. */
  async *entries(options: ScanOptions = {}): AsyncGenerator<Entry, void, undefined> {
    this.#assertOpen()
    if (this.#flushing !== undefined || this.#writes.size > SCANNED_WRITES_MAX) await this.#flush()
    const { limit = Number.POSITIVE_INFINITY, ...range } = options
    const rows = mergeEdits(this.#base.entries(range), this.#sortedWrites(), range)
    let left = limit
    if (left <= 0) return
    for await (const row of rows) {
      yield row
      if (--left === 0) return
    }
  }

  async count(range: KeyRange = {}): Promise<number> {
    this.#assertOpen()
    await this.#flush()
    return await this.#base.count(range)
  }

  /**
   * A value beyond 1 MiB is written as it comes, in bounded memory, and waits for the disk: await it before the next write
   * of the same key.
   * @throws {CoppiceError} `KEY_TOO_LONG`, or what the source throws: the batch may go on. Others: it is lost.
   */
  async put(key: Uint8Array, value: ValueSource): Promise<void> {
    assertKeySize(key)
    const own = copyBytes(key)
    const taken = this.#take(value)
    await this.#write({ key: own, value: taken instanceof Promise ? await taken : taken })
  }

  #take(value: ValueSource): MaybePromise<Value> {
    this.#assertOpen()
    this.#assertNotApplying()
    if (!(value instanceof Uint8Array)) return writeFile(value, this.#sink, { signal: this.#signal })
    if (value.length <= RAW_VALUE_BYTES_MAX) return copyBytes(value)
    return writeFile([value], this.#sink, { signal: this.#signal })
  }

  /** Whether the key was there. */
  async del(key: Uint8Array): Promise<boolean> {
    if ((await this.getValue(key)) === undefined) return false
    await this.#write({ key: copyBytes(key), value: null })
    return true
  }

  /**
   * Applies edits that are sorted by key in one pass over the tree, whatever their number: what imports use. The source
   * may read this transaction, and sees it as it was before.
   * @throws {CoppiceError} `INPUT_UNSORTED`, `INPUT_DUPLICATE_KEY`, `KEY_TOO_LONG`, and what the source throws; the batch is
   *   lost then.
   */
  async apply(edits: Source<Edit<Value>>): Promise<void> {
    this.#assertOpen()
    while (this.#flushing !== undefined || this.#writes.size > 0) await this.#flush()
    this.#assertNotApplying()
    this.#isApplying = true
    try {
      await this.#edit(edits)
    } finally {
      this.#isApplying = false
    }
  }

  /** Documents of one collection, to read and to write with this batch. */
  collection<T extends object = Document, K extends KeyNames<T> = KeyNames<T>>(
    name: string,
    options: CollectionOptions<K> = {},
  ): CollectionWriter<T, K> {
    return new CollectionWriter<T, K>(this, name, options)
  }

  /** For collections: runs `settle` when no other call for this collection does, so that a schema is declared once. */
  settleSchema(collection: string, settle: () => Promise<Schema>): Promise<Schema> {
    const before = this.#settling.get(collection) ?? Promise.resolve()
    const schema = before.then(settle)
    const settled = (): void => {}
    this.#settling.set(collection, schema.then(settled, settled))
    return schema
  }

  /** Puts everything into the tree and closes the batch for further use. @throws why writes were lost, if any were. */
  async finish(): Promise<Tree> {
    this.#assertOpen()
    this.#assertNotApplying()
    this.#isOpen = false
    await this.#flush()
    return this.#base.tree
  }

  /** Closes the batch; whatever it wrote is never seen. */
  drop(): void {
    this.#isOpen = false
    this.#writes.clear()
  }

  async #write(edit: Edit<Value>): Promise<void> {
    this.#assertOpen()
    this.#assertNotApplying()
    const id = bytesToMapKey(edit.key)
    const before = this.#writes.get(id)
    if (before !== undefined) this.#writesBytes -= cost(before)
    this.#writes.set(id, edit)
    this.#writesBytes += cost(edit)
    if (this.#writesBytes > TRANSACTION_BYTES_MAX) await this.#flush()
  }

  #sortedWrites(): Edit<Value>[] {
    return [...this.#writes.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, edit]) => edit)
  }

  /** One at a time: whoever comes meanwhile waits for the one under way, which takes what is written meanwhile too. */
  async #flush(): Promise<void> {
    if (this.#isApplying || (this.#flushing === undefined && this.#writes.size === 0)) return
    this.#flushing ??= this.#flushWrites()
    await this.#flushing
  }

  async #flushWrites(): Promise<void> {
    try {
      while (this.#writes.size > 0) {
        const edits = this.#sortedWrites()
        this.#writes = new Map()
        this.#writesBytes = 0
        await this.#edit(edits)
      }
    } finally {
      this.#flushing = undefined
    }
  }

  async #edit(edits: Source<Edit<Value>>): Promise<void> {
    const before = this.#base.tree
    try {
      const after = await editTree(before, edits, this.#sink, { signal: this.#signal })
      this.#base = new Snapshot(await Tree.open(before.nodes, after.root))
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }

  #assertOpen(): void {
    this.#signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure.error
    if (!this.#isOpen) throw new TypeError('transaction: expected use while its batch runs, got it afterwards')
  }

  #assertNotApplying(): void {
    if (this.#isApplying) throw new TypeError('transaction: expected no writes while apply runs, and apply awaited')
  }
}

function cost({ key, value }: Edit<Value>): number {
  const bytes = value === null || isValueRef(value) ? 0 : value.length
  return key.length + bytes + WRITE_OVERHEAD_BYTES
}
