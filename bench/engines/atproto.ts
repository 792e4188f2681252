/**
 * The Merkle search tree of atproto's repositories, in memory. Its values are CIDs of records: these are computed, and
 * the records left out, before the clock starts, so it is measured with less to do than the others.
 */
import type { Rows } from '../data/rows.ts'
import type { BlockCounts, Engine, EngineKind } from './engine.ts'
import { loadPeer } from './load-peer.ts'

interface Cid {
  equals(other: Cid): boolean
}

interface Row {
  readonly key: string
  readonly cid: Cid
  /** Not among what was adopted before: its writer knows whether it creates or updates. */
  readonly isNew: boolean
}

interface BlockMap {
  readonly size: number
  readonly byteSize: number
}

interface Blockstore {
  getBytes(cid: Cid): Promise<Uint8Array | null>
  putMany(blocks: BlockMap): Promise<void>
}

interface Mst {
  add(key: string, value: Cid): Promise<Mst>
  update(key: string, value: Cid): Promise<Mst>
  get(key: string): Promise<Cid | null>
  walkLeavesFrom(key: string): AsyncIterable<{ readonly key: string; readonly value: Cid }>
  getUnstoredBlocks(): Promise<{ readonly root: Cid; readonly blocks: BlockMap }>
}

interface Diff {
  addList(): readonly unknown[]
  updateList(): readonly unknown[]
  deleteList(): readonly unknown[]
}

interface RepoModule {
  readonly MST: { create(storage: Blockstore): Promise<Mst> }
  readonly MemoryBlockstore: new () => Blockstore
  readonly DataDiff: {
    of(current: Mst, previous: Mst): Promise<Diff>
  }
}

interface LexModule {
  cidForRawBytes(bytes: Uint8Array): Promise<Cid>
}

class AtprotoEngine implements Engine<readonly Row[]> {
  readonly #repo: RepoModule
  readonly #lex: LexModule
  readonly #storage: Blockstore
  readonly #adopted = new Set<string>()
  readonly #counts = { blocksRead: 0, bytesRead: 0, blocksWritten: 0, bytesWritten: 0 }
  #tree: Mst | undefined
  #marked: Mst | undefined

  constructor(repo: RepoModule, lex: LexModule) {
    this.#repo = repo
    this.#lex = lex
    this.#storage = new repo.MemoryBlockstore()
    const getBytes = this.#storage.getBytes.bind(this.#storage)
    this.#storage.getBytes = async (cid) => {
      const bytes = await getBytes(cid)
      this.#counts.blocksRead++
      this.#counts.bytesRead += bytes?.length ?? 0
      return bytes
    }
  }

  async adopt(rows: Rows): Promise<Row[]> {
    const adopted: Row[] = []
    for (let i = 0; i < rows.length; i++) {
      // Keys are `collection/record` of a small alphabet.
      const key = `rows/${rows.keyBuffer(i).toString('hex')}`
      adopted.push({ key, cid: await this.#lex.cidForRawBytes(rows.value(i)), isNew: !this.#adopted.has(key) })
      this.#adopted.add(key)
    }
    return adopted
  }

  /** There is no bulk way: rows are added one by one in key order, and what came of it is stored at once. */
  async build(rows: readonly Row[]): Promise<void> {
    let tree = await this.#repo.MST.create(this.#storage)
    for (const { key, cid } of rows) tree = await tree.add(key, cid)
    await this.#store(tree)
  }

  get(rows: readonly Row[], i: number): Promise<Cid | null> {
    return this.#open.get((rows[i] as Row).key)
  }

  async holds(rows: readonly Row[], i: number): Promise<boolean> {
    const { key, cid } = rows[i] as Row
    return (await this.#open.get(key))?.equals(cid) === true
  }

  async scan(): Promise<number> {
    let count = 0
    for await (const { key } of this.#open.walkLeavesFrom('')) if (key.length > 0) count++
    return count
  }

  async update(rows: readonly Row[]): Promise<void> {
    let tree = this.#open
    for (const { key, cid, isNew } of rows) tree = await (isNew ? tree.add(key, cid) : tree.update(key, cid))
    await this.#store(tree)
  }

  put(rows: readonly Row[], i: number): Promise<void> {
    return this.update([rows[i] as Row])
  }

  mark(): void {
    this.#marked = this.#open
  }

  async diff(): Promise<number> {
    if (this.#marked === undefined) throw new Error('diff: nothing is marked')
    const diff = await this.#repo.DataDiff.of(this.#open, this.#marked)
    return diff.addList().length + diff.updateList().length + diff.deleteList().length
  }

  counts(): BlockCounts {
    return this.#counts
  }

  async close(): Promise<void> {}

  async #store(tree: Mst): Promise<void> {
    const { blocks } = await tree.getUnstoredBlocks()
    await this.#storage.putMany(blocks)
    this.#counts.blocksWritten += blocks.size
    this.#counts.bytesWritten += blocks.byteSize
    this.#tree = tree
  }

  get #open(): Mst {
    if (this.#tree === undefined) throw new Error('atproto: nothing is built')
    return this.#tree
  }
}

export const atproto: EngineKind = {
  name: 'atproto',
  about: 'Merkle search tree of @atproto/repo in memory; holds CIDs of values, not the values',
  packages: ['@atproto/repo', '@atproto/lex-data'],
  place: 'memory',
  merkle: true,
  open: async () =>
    new AtprotoEngine(await loadPeer<RepoModule>('@atproto/repo'), await loadPeer<LexModule>('@atproto/lex-data')),
}
