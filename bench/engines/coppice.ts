/**
 * coppice's tree by its public parts, in memory and in LMDB. Blocks are counted between the node cache and the store.
 * `forget` takes a new node cache, so that an update, a diff and each counted put start cold.
 */
import type { Link } from '../../src/link.ts'
import type { MaybePromise } from '../../src/maybe-promise.ts'
import { buildTree, diffTrees, editTree, NODE_CACHE_BYTES, NodeReader, type Put, Tree } from '../../src/prolly/index.ts'
import { type BlockReader, MemoryStore, Staging, type Store } from '../../src/store/index.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { equalBytes } from '../../src/bytes.ts'
import type { Rows } from '../data/rows.ts'
import type { BlockCounts, Engine, EngineKind } from './engine.ts'

/** Counts what a node cache asks of a store. */
export class CountingReader implements BlockReader {
  blocksRead = 0
  bytesRead = 0
  readonly #store: BlockReader

  constructor(store: BlockReader) {
    this.#store = store
  }

  get(link: Link): MaybePromise<Uint8Array | undefined> {
    const found = this.#store.get(link)
    if (found instanceof Promise) return found.then((bytes) => this.#count(bytes))
    return this.#count(found)
  }

  getMany(links: readonly Link[]): MaybePromise<(Uint8Array | undefined)[]> {
    const found = this.#store.getMany(links)
    if (found instanceof Promise) return found.then((blocks) => blocks.map((bytes) => this.#count(bytes)))
    return found.map((bytes) => this.#count(bytes))
  }

  #count(bytes: Uint8Array | undefined): Uint8Array | undefined {
    this.blocksRead++
    this.bytesRead += bytes?.length ?? 0
    return bytes
  }
}

class CoppiceEngine implements Engine<Rows> {
  readonly #store: Store
  readonly #blocks: CountingReader
  readonly #staging: Staging
  readonly #durable: boolean
  #nodes: NodeReader
  #root: Link | undefined
  #marked: Link | undefined
  /** Of {@link #root}, once something asked for it. */
  #tree: Tree | undefined
  #levels = 0

  constructor(store: Store, options: { readonly durable: boolean; readonly cacheBytes: number }) {
    this.#store = store
    this.#blocks = new CountingReader(store)
    this.#staging = new Staging(store)
    this.#durable = options.durable
    this.#nodes = new NodeReader(this.#blocks, options.cacheBytes)
  }

  adopt(rows: Rows): Rows {
    return rows
  }

  async build(rows: Rows): Promise<void> {
    const { root } = await buildTree(rows, this.#staging)
    await this.#staging.commit({ durable: this.#durable })
    this.#moveTo(root)
  }

  get(rows: Rows, i: number): MaybePromise<Uint8Array | undefined> {
    if (this.#tree === undefined) return this.#open().then((tree) => tree.get(rows.key(i)))
    return this.#tree.get(rows.key(i))
  }

  async holds(rows: Rows, i: number): Promise<boolean> {
    const found = await this.get(rows, i)
    return found !== undefined && equalBytes(found, rows.value(i))
  }

  async scan(): Promise<number> {
    const tree = await this.#open()
    let count = 0
    for await (const { key, value } of tree.scan()) if (key.length > 0 && value !== undefined) count++
    return count
  }

  update(rows: Rows): Promise<void> {
    return this.#edit(rows, this.#durable)
  }

  put(rows: Rows, i: number): Promise<void> {
    return this.#edit([{ key: rows.key(i), value: rows.value(i) }], false)
  }

  mark(): void {
    this.#marked = this.#root
  }

  async diff(): Promise<number> {
    if (this.#marked === undefined) throw new Error('diff: nothing is marked')
    const from = await Tree.open(this.#nodes, this.#marked)
    let changes = 0
    for await (const { key } of diffTrees(from, await this.#open())) if (key.length > 0) changes++
    return changes
  }

  counts(): BlockCounts {
    const { blocksWritten, bytesWritten } = this.#staging.counters
    return { blocksRead: this.#blocks.blocksRead, bytesRead: this.#blocks.bytesRead, blocksWritten, bytesWritten }
  }

  forget(): void {
    this.#nodes = new NodeReader(this.#blocks, NODE_CACHE_BYTES)
    this.#tree = undefined
  }

  levels(): number {
    return this.#levels
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #edit(edits: Iterable<Put>, durable: boolean): Promise<void> {
    const { root } = await editTree(await this.#open(), edits, this.#staging)
    await this.#staging.commit({ durable })
    this.#moveTo(root)
  }

  #moveTo(root: Link): void {
    this.#root = root
    this.#tree = undefined
  }

  async #open(): Promise<Tree> {
    if (this.#root === undefined) throw new Error('coppice: nothing is built')
    this.#tree ??= await Tree.open(this.#nodes, this.#root)
    this.#levels = this.#tree.level + 1
    return this.#tree
  }
}

export const coppiceMemory: EngineKind = {
  name: 'coppice',
  about: 'the tree in memory; every node cached for get and scan, a new cache of 32 MiB for the rest',
  packages: [],
  place: 'memory',
  merkle: true,
  // Room for all nodes: measured is the tree, not what a cache of some size misses.
  open: async () => new CoppiceEngine(new MemoryStore(), { durable: false, cacheBytes: Number.POSITIVE_INFINITY }),
}

export const coppiceLmdb: EngineKind = {
  name: 'coppice-lmdb',
  about: 'the tree in LMDB, node cache of 32 MiB',
  packages: [],
  place: 'disk',
  flush: 'build, update: flushed; put: committed',
  merkle: true,
  open: async (directory) =>
    new CoppiceEngine(await LmdbStore.open(directory, 'write'), { durable: true, cacheBytes: NODE_CACHE_BYTES }),
}
