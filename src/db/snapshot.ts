/** One state of a database, to read: a tree, and the documents in it. Never changes, so it needs no lock and no care. */
import type { Document } from '../document-model.ts'
import { formatLink } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import {
  buildTree,
  type Entry,
  type KeyRange,
  type LeafRows,
  RowIterator,
  type ScanOptions,
  type StreamOptions,
  Tree,
  type Value,
} from '../prolly/index.ts'
import { MemoryStore, Staging } from '../store/index.ts'
import { CollectionView, type KeyNames, type ReadOptions } from './documents/collection-view.ts'
import { decodeDocument } from './documents/document.ts'
import type { EntryReader, KeyReader, Row } from './documents/key-reader.ts'
import { METADATA_KEY, Schema, SCHEMA_RANGE, meaningOfKey } from './documents/schema.ts'
import { streamOf, type ValueStream } from './value-stream.ts'

export class Snapshot implements EntryReader {
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

  getValue(key: Uint8Array): MaybePromise<Value | undefined> {
    return this.tree.getValue(key)
  }

  async stream(key: Uint8Array, options: StreamOptions = {}): Promise<ValueStream | undefined> {
    options.signal?.throwIfAborted()
    const value = await this.tree.getValue(key)
    return value === undefined ? undefined : streamOf(this.tree, value, options)
  }

  entries(options: ScanOptions = {}): AsyncIterable<Entry> {
    return this.tree.scan(options)
  }

  scan(options: ScanOptions = {}): AsyncGenerator<Row, void, undefined> {
    return scanRows(() => this, options)
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

/** The rows of a range of the snapshot that `open` gives when the first is asked for. */
export function scanRows(
  open: () => MaybePromise<Snapshot>,
  options: ScanOptions,
): AsyncGenerator<Row, void, undefined> {
  let tree: Tree
  const leaves = async function* (): AsyncGenerator<LeafRows, void, undefined> {
    tree = (await open()).tree
    yield* tree.leaves(options)
  }
  return new RowIterator(leaves(), options.limit ?? Number.POSITIVE_INFINITY, (leaf, row) => {
    const key = leaf.key(row)
    const value = tree.readValue(leaf.value(row))
    return value instanceof Promise ? value.then((bytes) => ({ key, value: bytes })) : { key, value }
  })
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

/** The state of a database before its first change. */
export async function emptySnapshot(): Promise<Snapshot> {
  const store = new MemoryStore()
  const staging = new Staging(store)
  const { root } = await buildTree([], staging)
  await staging.commit()
  return new Snapshot(await Tree.open(store, root))
}
