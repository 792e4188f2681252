/** Documents of one collection, to read: by primary key, by ranges of it, by position. */
import { bytesToHex, compareBytes } from '../../bytes.ts'
import type { Document } from '../../document-model.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { quoteText } from '../../escape.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { decodeDocument } from './document.ts'
import type { KeyReader, Row } from './key-reader.ts'
import { renderTreeKey } from './key-text.ts'
import { Schema, schemaKey } from './schema.ts'
import type { KeyPart, KeyRange } from './tuple.ts'

/** The names of the fields that are the primary key, in order. */
export type KeyNames<T> = readonly (keyof T & string)[]

/** A primary key as `get` takes it: one part for each field, of that field's type where `K` lists the fields. */
export type PrimaryKey<T, K extends KeyNames<T>> =
  KeyNames<T> extends K ? readonly KeyPart[] : { readonly [I in keyof K]: T[K[I] & keyof T] }

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined
}

/** Which documents, by the first parts of their primary key. */
export interface DocumentRange {
  /** Only documents whose key begins with these parts. */
  readonly prefix?: readonly KeyPart[]
  /** From this key (or beginning of one) on, included. */
  readonly start?: readonly KeyPart[]
  /** Up to this key (or beginning of one), excluded. */
  readonly end?: readonly KeyPart[]
}

export interface DocumentScanOptions extends DocumentRange {
  readonly reverse?: boolean
  readonly limit?: number
  readonly signal?: AbortSignal | undefined
}

/** A collection that was not declared with its key, nor put to, is unknown; one that was declared is empty. */
export class CollectionView<T extends object = Document, K extends KeyNames<T> = KeyNames<T>> {
  readonly name: string
  readonly #reader: () => MaybePromise<KeyReader>
  readonly #isDeclared: boolean
  /** What is known of a reader's schema; readers are immutable states or transactions, so it does not change. */
  readonly #schemas = new WeakMap<KeyReader, Schema>()

  /** `isDeclared`: whoever reads knows what the collection is to be, so its absence is no mistake in the name. */
  constructor(name: string, reader: () => MaybePromise<KeyReader>, isDeclared = false) {
    this.name = name
    this.#reader = reader
    this.#isDeclared = isDeclared
  }

  /** @throws {CoppiceError} `COLLECTION_UNKNOWN` before anything was put. */
  async schema(options: ReadOptions = {}): Promise<Schema> {
    options.signal?.throwIfAborted()
    const schema = await this.schemaIfAny(await this.#reader())
    if (schema === undefined) throw unknownCollection(this.name)
    return schema
  }

  /**
   * The document, undefined where there is none.
   * @throws {CoppiceError} `KEY_INVALID` where `key` does not fit the schema, `COLLECTION_UNKNOWN`.
   */
  async get(key: PrimaryKey<T, K>, options: ReadOptions = {}): Promise<T | undefined> {
    const row = await this.#rowOf(key, options)
    return row === undefined ? undefined : documentIn<T>(row)
  }

  /** @throws {CoppiceError} as {@link get}. */
  async has(key: PrimaryKey<T, K>, options: ReadOptions = {}): Promise<boolean> {
    return (await this.#rowOf(key, options)) !== undefined
  }

  /**
   * Documents in the order of their keys: of one state to its end, whatever is written meanwhile.
   * @throws {CoppiceError} `KEY_INVALID` where a bound does not fit the schema, `COLLECTION_UNKNOWN`.
   */
  async *scan(options: DocumentScanOptions = {}): AsyncGenerator<T, void, undefined> {
    const { reverse = false, limit = Number.POSITIVE_INFINITY, signal } = options
    signal?.throwIfAborted()
    const reader = await this.#reader()
    const schema = await this.schemaIfAny(reader)
    if (schema === undefined) return
    const range = documentRange(schema, options)
    for await (const row of reader.scan({ ...range, reverse, limit, signal })) yield documentIn<T>(row)
  }

  /** How many documents, from the counts in the tree. @throws {CoppiceError} as {@link scan}. */
  async count(range: DocumentRange & ReadOptions = {}): Promise<number> {
    range.signal?.throwIfAborted()
    const reader = await this.#reader()
    const schema = await this.schemaIfAny(reader)
    return schema === undefined ? 0 : await reader.count(documentRange(schema, range))
  }

  async #rowOf(parts: PrimaryKey<T, K>, { signal }: ReadOptions): Promise<Row | undefined> {
    signal?.throwIfAborted()
    const reader = await this.#reader()
    const schema = await this.schemaIfAny(reader)
    if (schema === undefined) return undefined
    const key = schema.keyFor(parts as readonly KeyPart[])
    const value = await reader.get(key)
    return value === undefined ? undefined : { key, value }
  }

  /** Undefined for a declared collection that nothing was put to. @throws {CoppiceError} `COLLECTION_UNKNOWN`. */
  protected async schemaIfAny(reader: KeyReader): Promise<Schema | undefined> {
    const known = this.#schemas.get(reader)
    if (known !== undefined) return known
    const bytes = await reader.get(schemaKey(this.name))
    if (bytes === undefined) {
      if (this.#isDeclared) return undefined
      throw unknownCollection(this.name)
    }
    const schema = Schema.decode(this.name, bytes)
    this.#schemas.set(reader, schema)
    return schema
  }
}

/** @throws {CoppiceError} `DOCUMENT_INVALID` that names the key: raw bytes can be put where documents stand. */
function documentIn<T extends object>({ key, value }: Row): T {
  try {
    return decodeDocument(value) as T
  } catch (error) {
    if (!isCoppiceError(error, 'DOCUMENT_INVALID')) throw error
    const shown = renderTreeKey(key)
    throw new CoppiceError(
      'DOCUMENT_INVALID',
      `${shown}: expected a document, got other bytes (${error.message}); they were put there as raw bytes`,
      {
        cause: error,
        details: { ...error.details, key: shown, rawKey: bytesToHex(key) },
      },
    )
  }
}

function unknownCollection(name: string): CoppiceError {
  return new CoppiceError(
    'COLLECTION_UNKNOWN',
    `collection ${quoteText(name)}: expected one that exists, got none of that name`,
    { details: { collection: name } },
  )
}

/** The keys of a range of documents; bounds that lie outside the collection are cut to it. */
export function documentRange(schema: Schema, range: DocumentRange): KeyRange {
  const within = schema.rangeFor(range.prefix ?? [])
  const start = range.start === undefined ? within.start : schema.rangeFor(range.start).start
  const end = range.end === undefined ? within.end : schema.rangeFor(range.end).start
  return {
    start: compareBytes(start, within.start) > 0 ? start : within.start,
    end: compareBytes(end, within.end) < 0 ? end : within.end,
  }
}
