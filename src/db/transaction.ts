/**
 * A batch of writes that becomes visible as a whole or not at all, and reads what it wrote. Writes gather in memory,
 * sorted by key when needed; beyond a bound they are put into the tree, whose root nobody sees before the batch ends.
 */
import { bytesToMapKey, copyBytes } from '../bytes.ts'
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import {
  assertEntrySize,
  type BlockSink,
  type Edit,
  editTree,
  type KeyRange,
  type ScanOptions,
  type Source,
  Tree,
} from '../prolly/index.ts'
import { CollectionView, type KeyNames, type PrimaryKey } from './collection-view.ts'
import type { CollectionOptions } from './collection.ts'
import { encodeDocument } from './document.ts'
import type { KeyReader, Row } from './key-reader.ts'
import { mergeEdits } from './merge-edits.ts'
import { inferKeyFields, type KeyField, Schema, schemaKey } from './schema.ts'
import { Snapshot } from './snapshot.ts'
import type { KeyPart } from './tuple.ts'

/** Writes kept in memory before they are put into the tree. */
export const TRANSACTION_BYTES_MAX: number = 32 * 1024 * 1024
/** Objects and map slots of one write, beside its bytes. */
const WRITE_OVERHEAD_BYTES = 150

export class Transaction implements KeyReader {
  readonly #sink: BlockSink
  readonly #signal: AbortSignal | undefined
  #base: Snapshot
  /** By key as a string that sorts like it. */
  #writes = new Map<string, Edit>()
  #writesBytes = 0
  #isOpen = true
  /** The tree is being rewritten from edits that may read this transaction, but not write to it. */
  #isApplying = false

  constructor(base: Tree, sink: BlockSink, signal?: AbortSignal) {
    this.#base = new Snapshot(base)
    this.#sink = sink
    this.#signal = signal
  }

  get(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    this.#assertOpen()
    const own = this.#writes.get(bytesToMapKey(key))
    if (own !== undefined) return own.value ?? undefined
    return this.#base.get(key)
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<Row, void, undefined> {
    this.#assertOpen()
    const { limit = Number.POSITIVE_INFINITY, ...range } = options
    const rows = mergeEdits(this.#base.scan(range), this.#sortedWrites(), range)
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

  /** @throws {CoppiceError} `KEY_TOO_LONG`, `VALUE_TOO_LARGE`; the batch may go on. */
  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    assertEntrySize(key, value)
    await this.#write({ key: copyBytes(key), value: copyBytes(value) })
  }

  /** Whether the key was there. */
  async del(key: Uint8Array): Promise<boolean> {
    if ((await this.get(key)) === undefined) return false
    await this.#write({ key: copyBytes(key), value: null })
    return true
  }

  /**
   * Applies edits that are sorted by key in one pass over the tree, whatever their number: what imports use. The source
   * may read this transaction, and sees it as it was before.
   * @throws {CoppiceError} `INPUT_UNSORTED`, `INPUT_DUPLICATE_KEY`, `KEY_TOO_LONG`, `VALUE_TOO_LARGE`; the batch is lost then.
   */
  async apply(edits: Source<Edit>): Promise<void> {
    this.#assertOpen()
    await this.#flush()
    this.#isApplying = true
    try {
      await this.#edit(edits)
    } finally {
      this.#isApplying = false
    }
  }

  collection<T extends object = Document, K extends KeyNames<T> = KeyNames<T>>(
    name: string,
    options: CollectionOptions = {},
  ): CollectionWriter<T, K> {
    return new CollectionWriter<T, K>(this, name, options)
  }

  /** Puts everything into the tree and closes the batch for further use. */
  async finish(): Promise<Tree> {
    this.#assertOpen()
    await this.#flush()
    this.#isOpen = false
    return this.#base.tree
  }

  /** Closes the batch; whatever it wrote is never seen. */
  drop(): void {
    this.#isOpen = false
    this.#writes.clear()
  }

  async #write(edit: Edit): Promise<void> {
    this.#assertOpen()
    if (this.#isApplying) throw new TypeError('transaction: expected no writes while apply runs')
    const id = bytesToMapKey(edit.key)
    const before = this.#writes.get(id)
    if (before !== undefined) this.#writesBytes -= cost(before)
    this.#writes.set(id, edit)
    this.#writesBytes += cost(edit)
    if (this.#writesBytes > TRANSACTION_BYTES_MAX) await this.#flush()
  }

  #sortedWrites(): Edit[] {
    return [...this.#writes.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, edit]) => edit)
  }

  async #flush(): Promise<void> {
    if (this.#isApplying || this.#writes.size === 0) return
    const edits = this.#sortedWrites()
    this.#writes = new Map()
    this.#writesBytes = 0
    await this.#edit(edits)
  }

  async #edit(edits: Source<Edit>): Promise<void> {
    const before = this.#base.tree
    const after = await editTree(before, edits, this.#sink, { signal: this.#signal })
    this.#base = new Snapshot(await Tree.open(before.nodes, after.root))
  }

  #assertOpen(): void {
    this.#signal?.throwIfAborted()
    if (!this.#isOpen) throw new TypeError('transaction: expected use while its batch runs, got it afterwards')
  }
}

function cost(edit: Edit): number {
  return edit.key.length + (edit.value?.length ?? 0) + WRITE_OVERHEAD_BYTES
}

/** Writing documents within a batch. */
export class CollectionWriter<T extends object = Document, K extends KeyNames<T> = KeyNames<T>> extends CollectionView<
  T,
  K
> {
  readonly #tx: Transaction
  readonly #options: CollectionOptions
  #schema: Schema | undefined

  constructor(tx: Transaction, name: string, options: CollectionOptions) {
    super(name, () => tx)
    this.#tx = tx
    this.#options = options
  }

  /** As `Collection.put`, visible with the batch. */
  async put(document: T): Promise<void> {
    const schema = this.#schema ?? (await this.requireSchema(document as Document))
    await this.#tx.put(schema.keyOf(document as Document), encodeDocument(document))
  }

  /** Whether there was such a document. */
  async del(key: PrimaryKey<T, K>): Promise<boolean> {
    const schema = await this.schema()
    return await this.#tx.del(schema.keyFor(key as readonly KeyPart[]))
  }

  /**
   * The schema in the database, or a new one written now: of the declared fields, with the types declared or else
   * those of `first`.
   * @throws {CoppiceError} `SCHEMA_MISMATCH` where what is declared differs from what is there, `COLLECTION_UNKNOWN`
   *   where nothing is there and no key declared, `KEY_INVALID`.
   */
  async requireSchema(first: Document): Promise<Schema> {
    const stored = await this.#tx.get(schemaKey(this.name))
    this.#schema = stored === undefined ? await this.#declare(first) : this.#agree(Schema.decode(this.name, stored))
    return this.#schema
  }

  async #declare(first: Document): Promise<Schema> {
    const { key, types = {} } = this.#options
    if (key === undefined) {
      throw new CoppiceError(
        'COLLECTION_UNKNOWN',
        `collection ${quoteText(this.name)}: expected the fields of its primary key, since it does not exist yet`,
        { details: { collection: this.name } },
      )
    }
    const fields = key.map((field): KeyField => {
      const type = types[field]
      return type === undefined ? (inferKeyFields(first, [field])[0] as KeyField) : { field, type }
    })
    const schema = new Schema(this.name, fields)
    await this.#tx.put(schemaKey(this.name), schema.encode())
    return schema
  }

  #agree(stored: Schema): Schema {
    const { key, types = {} } = this.#options
    const sameFields =
      key === undefined || (key.length === stored.key.length && key.every((field, i) => stored.key[i]?.field === field))
    const wrongType = stored.key.find(({ field, type }) => types[field] !== undefined && types[field] !== type)
    if (sameFields && wrongType === undefined) return stored
    const shown = stored.key.map(({ field, type }) => `${field}:${type}`).join(',')
    throw new CoppiceError(
      'SCHEMA_MISMATCH',
      `collection ${quoteText(this.name)}: expected its key ${quoteText(shown)}, got ${quoteText(key?.join(',') ?? `${wrongType?.field}:${types[wrongType?.field ?? '']}`)}`,
      { details: { collection: this.name } },
    )
  }
}
