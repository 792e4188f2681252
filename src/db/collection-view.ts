/** Documents of one collection, to read: by primary key, by ranges of it, by position. */
import { compareBytes } from '../bytes.ts'
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { decodeDocument } from './document.ts'
import type { KeyReader } from './key-reader.ts'
import { Schema, schemaKey } from './schema.ts'
import type { KeyPart, KeyRange } from './tuple.ts'

/** The names of the fields that are the primary key, in order. */
export type KeyNames<T> = readonly (keyof T & string)[]

/** A primary key as `get` takes it: one part for each field, of that field's type where `K` lists the fields. */
export type PrimaryKey<T, K extends KeyNames<T>> =
  KeyNames<T> extends K ? readonly KeyPart[] : { readonly [I in keyof K]: T[K[I] & keyof T] }

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
  readonly signal?: AbortSignal
}

export class CollectionView<T extends object = Document, K extends KeyNames<T> = KeyNames<T>> {
  readonly name: string
  readonly #reader: () => MaybePromise<KeyReader>
  /** What is known of a reader's schema; readers are immutable states or transactions, so it does not change. */
  readonly #schemas = new WeakMap<KeyReader, Schema>()

  constructor(name: string, reader: () => MaybePromise<KeyReader>) {
    this.name = name
    this.#reader = reader
  }

  /** @throws {CoppiceError} `COLLECTION_UNKNOWN` before anything was put and nothing else declared it. */
  async schema(): Promise<Schema> {
    return await this.#schemaIn(await this.#reader())
  }

  /** The document, undefined where there is none. @throws {CoppiceError} `KEY_INVALID` where `key` does not fit the schema. */
  async get(key: PrimaryKey<T, K>): Promise<T | undefined> {
    const reader = await this.#reader()
    const schema = await this.#schemaIn(reader)
    const bytes = await reader.get(schema.keyFor(key as readonly KeyPart[]))
    return bytes === undefined ? undefined : (decodeDocument(bytes) as T)
  }

  async has(key: PrimaryKey<T, K>): Promise<boolean> {
    const reader = await this.#reader()
    const schema = await this.#schemaIn(reader)
    return (await reader.get(schema.keyFor(key as readonly KeyPart[]))) !== undefined
  }

  /** Documents in the order of their keys: of one state to its end, whatever is written meanwhile. */
  async *scan(options: DocumentScanOptions = {}): AsyncGenerator<T, void, undefined> {
    const reader = await this.#reader()
    const range = documentRange(await this.#schemaIn(reader), options)
    const { reverse = false, limit = Number.POSITIVE_INFINITY, signal } = options
    for await (const { value } of reader.scan({ ...range, reverse, limit, signal })) yield decodeDocument(value) as T
  }

  async count(range: DocumentRange = {}): Promise<number> {
    const reader = await this.#reader()
    return await reader.count(documentRange(await this.#schemaIn(reader), range))
  }

  async #schemaIn(reader: KeyReader): Promise<Schema> {
    const known = this.#schemas.get(reader)
    if (known !== undefined) return known
    const bytes = await reader.get(schemaKey(this.name))
    if (bytes === undefined) {
      throw new CoppiceError(
        'COLLECTION_UNKNOWN',
        `collection ${quoteText(this.name)}: expected one that exists, got none of that name`,
        {
          details: { collection: this.name },
        },
      )
    }
    const schema = Schema.decode(this.name, bytes)
    this.#schemas.set(reader, schema)
    return schema
  }
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
