/**
 * prolly-trees, with what its main user sets: dag-cbor, sha2-256, chunks of about 30, every node kept decoded in a cache
 * of the caller's. Keys are strings of one character per byte, which its comparison and its codec take fastest. It has no diff.
 */
import { equalBytes } from '../../src/bytes.ts'
import type { Rows } from '../data/rows.ts'
import type { BlockCounts, Engine, EngineKind } from './engine.ts'
import { loadPeer } from './load-peer.ts'

interface Row {
  readonly key: string
  readonly value: Uint8Array
}

interface Cid {
  toString(): string
}

interface Block {
  readonly cid: Cid
  readonly bytes: Uint8Array
}

interface ProllyNode {
  readonly address: Cid | Promise<Cid>
  readonly block: Block | Promise<Block>
  get(key: string): Promise<{ readonly result: Uint8Array }>
  getAllEntries(): Promise<{ readonly result: readonly Row[] }>
  bulk(rows: readonly Row[]): Promise<{ readonly root: ProllyNode; readonly blocks: readonly Block[] }>
}

interface MapModule {
  create(options: object): AsyncIterable<ProllyNode>
}

interface UtilsModule {
  bf(factor: number): unknown
  readonly simpleCompare: unknown
}

/** Entries of a chunk, on average. */
const BRANCHING = 30

class ProllyTreesEngine implements Engine<readonly Row[]> {
  readonly #create: (list: readonly Row[]) => AsyncIterable<ProllyNode>
  readonly #blocks = new Map<string, Block>()
  readonly #nodes = new Map<string, ProllyNode>()
  readonly #cache = {
    has: (cid: Cid): boolean => this.#nodes.has(cid.toString()),
    get: (cid: Cid): ProllyNode | undefined => this.#nodes.get(cid.toString()),
    set: async (node: ProllyNode): Promise<void> => {
      this.#nodes.set((await node.address).toString(), node)
    },
  }
  #root: ProllyNode | undefined
  #bytesWritten = 0

  constructor(map: MapModule, options: object) {
    const get = async (cid: Cid): Promise<Block | undefined> => this.#blocks.get(cid.toString())
    this.#create = (list) => map.create({ ...options, get, cache: this.#cache, list, sorted: true })
  }

  adopt(rows: Rows): Row[] {
    return Array.from({ length: rows.length }, (_, i) => ({
      key: rows.keyBuffer(i).toString('latin1'),
      value: rows.value(i),
    }))
  }

  async build(rows: readonly Row[]): Promise<void> {
    for await (const node of this.#create(rows)) {
      this.#write(await node.block)
      await this.#cache.set(node)
      this.#root = node
    }
  }

  async get(rows: readonly Row[], i: number): Promise<Uint8Array> {
    return (await this.#open.get((rows[i] as Row).key)).result
  }

  async holds(rows: readonly Row[], i: number): Promise<boolean> {
    const { key, value } = rows[i] as Row
    return equalBytes((await this.#open.get(key)).result, value)
  }

  async scan(): Promise<number> {
    const { result } = await this.#open.getAllEntries()
    let count = 0
    for (const { key, value } of result) if (key.length > 0 && value.length > 0) count++
    return count
  }

  async update(rows: readonly Row[]): Promise<void> {
    const { root, blocks } = await this.#open.bulk([...rows])
    blocks.forEach((block) => this.#write(block))
    this.#root = root
  }

  put(rows: readonly Row[], i: number): Promise<void> {
    return this.update([rows[i] as Row])
  }

  mark(): void {}

  counts(): Partial<BlockCounts> {
    return { blocksWritten: this.#blocks.size, bytesWritten: this.#bytesWritten }
  }

  async close(): Promise<void> {}

  #write(block: Block): void {
    const key = block.cid.toString()
    if (!this.#blocks.has(key)) this.#bytesWritten += block.bytes.length
    this.#blocks.set(key, block)
  }

  get #open(): ProllyNode {
    if (this.#root === undefined) throw new Error('prolly-trees: nothing is built')
    return this.#root
  }
}

export const prollyTrees: EngineKind = {
  name: 'prolly-trees',
  about: 'prolly tree in memory, dag-cbor; not history independent, no diff',
  packages: ['prolly-trees', '@ipld/dag-cbor', 'multiformats'],
  place: 'memory',
  merkle: true,
  open: async () => {
    const map = await loadPeer<MapModule>('prolly-trees/map')
    const { bf, simpleCompare } = await loadPeer<UtilsModule>('prolly-trees/utils')
    const codec = await loadPeer<object>('@ipld/dag-cbor')
    const { sha256 } = await loadPeer<{ sha256: object }>('multiformats/hashes/sha2')
    return new ProllyTreesEngine(map, { codec, hasher: sha256, compare: simpleCompare, chunker: bf(BRANCHING) })
  },
}
