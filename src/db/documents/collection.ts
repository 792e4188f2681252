/** Documents of one collection of one's own database: reading as everywhere, and writing through batches. */
import type { Document } from '../../document-model.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { CollectionView, type KeyNames, type PrimaryKey } from './collection-view.ts'
import type { KeyReader } from './key-reader.ts'
import type { CollectionWriter } from './collection-writer.ts'
import type { Transaction } from '../transaction.ts'
import type { PartType } from './tuple.ts'

/** What a collection is to be, for its first document; checked against what it is from then on. */
export interface CollectionOptions<K extends readonly string[] = readonly string[]> {
  /** The fields that are the primary key, in order. May be left out for a collection that exists. */
  readonly key?: K
  /** Types of key fields; those left out are taken from the first document. */
  readonly types?: { readonly [field: string]: PartType }
}

export interface BatchOptions {
  /** Aborted, nothing is written; also while the batch waits for others. */
  readonly signal?: AbortSignal | undefined
  /** Resolve only once the disk has it: the default. Otherwise once every reader sees it. */
  readonly durable?: boolean
}

type Batch = <R>(body: (tx: Transaction) => Promise<R>, options?: BatchOptions) => Promise<R>

export class Collection<T extends object = Document, K extends KeyNames<T> = KeyNames<T>> extends CollectionView<T, K> {
  readonly #options: CollectionOptions<K>
  readonly #batch: Batch

  constructor(name: string, options: CollectionOptions<K>, reader: () => MaybePromise<KeyReader>, batch: Batch) {
    super(name, reader, options.key !== undefined)
    this.#options = options
    this.#batch = batch
  }

  /**
   * Adds the document, or replaces the one with its primary key, as a batch of its own: many together want `db.batch`.
   * @throws {CoppiceError} `DOCUMENT_INVALID`, `KEY_INVALID`, `KEY_TOO_LONG`, `VALUE_TOO_LARGE`, `SCHEMA_MISMATCH`, `COLLECTION_UNKNOWN`.
   */
  async put(document: T, options?: BatchOptions): Promise<void> {
    await this.#write(async (writer) => writer.put(document), options)
  }

  /** Whether there was such a document. */
  async del(key: PrimaryKey<T, K>, options?: BatchOptions): Promise<boolean> {
    return await this.#write(async (writer) => writer.del(key), options)
  }

  #write<R>(body: (writer: CollectionWriter<T, K>) => Promise<R>, options?: BatchOptions): Promise<R> {
    return this.#batch((tx) => body(tx.collection<T, K>(this.name, this.#options)), options)
  }
}
