/** One state of a database, to read: a tree, and the documents in it. Never changes, so it needs no lock and no care. */
import type { Document } from '../document-model.ts'
import { formatLink } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { KeyRange, ScanOptions, Tree } from '../prolly/index.ts'
import { CollectionView, type KeyNames, type ReadOptions } from './collection-view.ts'
import { decodeDocument } from './document.ts'
import type { KeyReader, Row } from './key-reader.ts'
import { METADATA_KEY, Schema, SCHEMA_RANGE, meaningOfKey } from './schema.ts'

export class Snapshot implements KeyReader {
  readonly tree: Tree

  constructor(tree: Tree) {
    this.tree = tree
  }

  /** The CID of the root, as text. */
  get root(): string {
    return formatLink(this.tree.ref.root)
  }

  get(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    return this.tree.get(key)
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<Row, void, undefined> {
    for await (const { key, value } of this.tree.scan(options)) {
      const bytes = this.tree.readValue(value)
      yield { key, value: bytes instanceof Promise ? await bytes : bytes }
    }
  }

  count(range: KeyRange = {}): Promise<number> {
    return this.tree.count(range)
  }

  /** @throws {CoppiceError} at first use, `COLLECTION_UNKNOWN` where there is none of that name. */
  collection<T extends object = Document, K extends KeyNames<T> = KeyNames<T>>(name: string): CollectionView<T, K> {
    return new CollectionView<T, K>(name, () => this)
  }

  /** The schemas of all collections, by name. */
  async collections(options: ReadOptions = {}): Promise<Schema[]> {
    options.signal?.throwIfAborted()
    return await readSchemas(this)
  }

  /** The metadata document (title, description, licenses, ...), undefined where none was given. */
  async metadata(options: ReadOptions = {}): Promise<Document | undefined> {
    options.signal?.throwIfAborted()
    const bytes = await this.get(METADATA_KEY)
    return bytes === undefined ? undefined : decodeDocument(bytes)
  }
}

/** @throws {CoppiceError} `DOCUMENT_INVALID`, `FORMAT_NEWER` for a schema this version cannot read. */
export async function readSchemas(reader: KeyReader): Promise<Schema[]> {
  const schemas: Schema[] = []
  for await (const { key, value } of reader.scan(SCHEMA_RANGE)) {
    const meaning = meaningOfKey(key)
    if (meaning?.space === 'schema') schemas.push(Schema.decode(meaning.collection, value))
  }
  return schemas
}
