/**
 * okra, a Merkle skip list kept as rows of a key-value store, in memory and in LMDB. It has no blocks to count: each
 * node is a row. Its reads see the state they began with, which is how a diff has both states.
 */
import { equalBytes } from '../../src/bytes.ts'
import type { Rows } from '../data/rows.ts'
import type { Engine, EngineKind } from './engine.ts'
import { loadPeer } from './load-peer.ts'

interface ReadTransaction {
  get(key: Uint8Array): Uint8Array | null
  entries(): Iterable<[key: Uint8Array, value: Uint8Array]>
}

interface WriteTransaction extends ReadTransaction {
  set(key: Uint8Array, value: Uint8Array): void
}

interface OkraTree {
  read<T>(callback: (transaction: ReadTransaction) => T | Promise<T>): Promise<T>
  write(callback: (transaction: WriteTransaction) => void): Promise<void>
  close(): Promise<void>
}

type Loading = AsyncIterable<[key: Uint8Array, value: Uint8Array]>

interface OkraModule {
  sync(source: ReadTransaction, target: ReadTransaction): AsyncIterable<{ readonly key: Uint8Array }>
}

interface MemoryModule {
  readonly Tree: { fromEntries(options: object, entries: Loading): Promise<OkraTree> }
}

interface LmdbModule {
  readonly Tree: { fromEntries(path: string, options: { mapSize: number }, entries: Loading): Promise<OkraTree> }
}

/** A read transaction that stays open until it is ended. */
interface Held {
  readonly transaction: ReadTransaction
  end(): Promise<void>
}

/** Address space; its native module takes less than 2 GiB. */
const MAP_BYTES = 1024 ** 3

class OkraEngine implements Engine<Rows> {
  readonly #load: (rows: Loading) => Promise<OkraTree>
  readonly #sync: OkraModule['sync']
  #tree: OkraTree | undefined
  #reading: Held | undefined
  #marked: Held | undefined

  constructor(load: (rows: Loading) => Promise<OkraTree>, sync: OkraModule['sync']) {
    this.#load = load
    this.#sync = sync
  }

  adopt(rows: Rows): Rows {
    return rows
  }

  async build(rows: Rows): Promise<void> {
    this.#tree = await this.#load(pairs(rows))
    this.#reading = await hold(this.#tree)
  }

  get(rows: Rows, i: number): Uint8Array | null {
    return this.#held.transaction.get(rows.key(i))
  }

  holds(rows: Rows, i: number): boolean {
    const found = this.#held.transaction.get(rows.key(i))
    return found !== null && equalBytes(found, rows.value(i))
  }

  async scan(): Promise<number> {
    let count = 0
    for (const [key, value] of this.#held.transaction.entries()) if (key.length > 0 && value.length > 0) count++
    return count
  }

  async update(rows: Rows): Promise<void> {
    await this.#write((transaction) => {
      for (let i = 0; i < rows.length; i++) transaction.set(rows.key(i), rows.value(i))
    })
  }

  async put(rows: Rows, i: number): Promise<void> {
    await this.#write((transaction) => transaction.set(rows.key(i), rows.value(i)))
  }

  async mark(): Promise<void> {
    await this.#marked?.end()
    this.#marked = await hold(this.#open)
  }

  async diff(): Promise<number> {
    if (this.#marked === undefined) throw new Error('diff: nothing is marked')
    let changes = 0
    for await (const { key } of this.#sync(this.#held.transaction, this.#marked.transaction)) {
      if (key.length > 0) changes++
    }
    return changes
  }

  async close(): Promise<void> {
    await this.#marked?.end()
    await this.#reading?.end()
    await this.#tree?.close()
  }

  /** Reads see the new state from then on. */
  async #write(callback: (transaction: WriteTransaction) => void): Promise<void> {
    await this.#open.write(callback)
    await this.#reading?.end()
    this.#reading = await hold(this.#open)
  }

  get #open(): OkraTree {
    if (this.#tree === undefined) throw new Error('okra: nothing is built')
    return this.#tree
  }

  get #held(): Held {
    if (this.#reading === undefined) throw new Error('okra: nothing is built')
    return this.#reading
  }
}

async function* pairs(rows: Rows): AsyncGenerator<[Uint8Array, Uint8Array], void, undefined> {
  for (let i = 0; i < rows.length; i++) yield [rows.key(i), rows.value(i)]
}

function hold(tree: OkraTree): Promise<Held> {
  return new Promise((resolve, reject) => {
    const release = Promise.withResolvers<void>()
    const ended = tree.read(async (transaction) => {
      const end = async (): Promise<void> => {
        release.resolve()
        await ended
      }
      resolve({ transaction, end })
      await release.promise
    })
    ended.catch(reject)
  })
}

export const okraMemory: EngineKind = {
  name: 'okra-memory',
  about: 'Merkle skip list in memory',
  packages: ['@canvas-js/okra', '@canvas-js/okra-memory'],
  place: 'memory',
  merkle: true,
  open: async () => {
    const { sync } = await loadPeer<OkraModule>('@canvas-js/okra')
    const { Tree } = await loadPeer<MemoryModule>('@canvas-js/okra-memory')
    return new OkraEngine((rows) => Tree.fromEntries({}, rows), sync)
  },
}

export const okraLmdb: EngineKind = {
  name: 'okra-lmdb',
  about: 'Merkle skip list in LMDB by a native module',
  packages: ['@canvas-js/okra', '@canvas-js/okra-lmdb'],
  place: 'disk',
  flush: 'build, update and put: flushed',
  merkle: true,
  open: async (directory) => {
    const { sync } = await loadPeer<OkraModule>('@canvas-js/okra')
    const { Tree } = await loadPeer<LmdbModule>('@canvas-js/okra-lmdb')
    return new OkraEngine((rows) => Tree.fromEntries(directory, { mapSize: MAP_BYTES }, rows), sync)
  },
}
