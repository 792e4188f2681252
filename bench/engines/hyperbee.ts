/**
 * hyperbee 2, a B-tree in a signed append-only log (hypercore 10), in memory and in files. Each put appends a block; blocks
 * written are counted by the log's length. Several reads go through one `batch()`, faster than as many `db.get()`.
 */
import { equalBytes } from '../../src/bytes.ts'
import type { Rows } from '../data/rows.ts'
import type { BlockCounts, Engine, EngineKind } from './engine.ts'
import { loadPeer } from './load-peer.ts'

interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

interface Batch {
  put(key: Uint8Array, value: Uint8Array): Promise<void>
  get(key: Uint8Array): Promise<Row | null>
  flush(): Promise<void>
  close(): Promise<void>
}

interface Bee {
  readonly version: number
  ready(): Promise<void>
  put(key: Uint8Array, value: Uint8Array): Promise<void>
  batch(): Batch
  createReadStream(): AsyncIterable<Row>
  createDiffStream(version: number): AsyncIterable<{ readonly left: Row | null; readonly right: Row | null }>
  close(): Promise<void>
}

interface Core {
  readonly length: number
  readonly byteLength: number
}

/** Rows of one batch: more of them make it no faster, and it holds them all. */
const ROWS_PER_BATCH = 10_000

class HyperbeeEngine implements Engine<Rows> {
  readonly #bee: Bee
  readonly #core: Core
  #reading: Batch | undefined
  #marked = 0

  constructor(bee: Bee, core: Core) {
    this.#bee = bee
    this.#core = core
  }

  adopt(rows: Rows): Rows {
    return rows
  }

  async build(rows: Rows): Promise<void> {
    for (let i = 0; i < rows.length; i += ROWS_PER_BATCH) {
      await this.#write(rows, i, Math.min(i + ROWS_PER_BATCH, rows.length))
    }
    this.#reading = this.#bee.batch()
  }

  get(rows: Rows, i: number): Promise<Row | null> {
    if (this.#reading === undefined) throw new Error('hyperbee: nothing is built')
    return this.#reading.get(rows.keyBuffer(i))
  }

  async holds(rows: Rows, i: number): Promise<boolean> {
    const found = await this.get(rows, i)
    return found !== null && equalBytes(found.value, rows.value(i))
  }

  async scan(): Promise<number> {
    let count = 0
    for await (const { key, value } of this.#bee.createReadStream()) if (key.length > 0 && value.length > 0) count++
    return count
  }

  async update(rows: Rows): Promise<void> {
    await this.#write(rows, 0, rows.length)
    await this.#renew()
  }

  async put(rows: Rows, i: number): Promise<void> {
    await this.#bee.put(rows.keyBuffer(i), rows.valueBuffer(i))
    await this.#renew()
  }

  mark(): void {
    this.#marked = this.#bee.version
  }

  async diff(): Promise<number> {
    let changes = 0
    for await (const { left, right } of this.#bee.createDiffStream(this.#marked)) {
      if (left !== null || right !== null) changes++
    }
    return changes
  }

  counts(): Partial<BlockCounts> {
    return { blocksWritten: this.#core.length, bytesWritten: this.#core.byteLength }
  }

  async close(): Promise<void> {
    await this.#reading?.close()
    await this.#bee.close()
  }

  async #write(rows: Rows, from: number, to: number): Promise<void> {
    const batch = this.#bee.batch()
    for (let i = from; i < to; i++) await batch.put(rows.keyBuffer(i), rows.valueBuffer(i))
    await batch.flush()
  }

  /** Reads see the new state from then on. */
  async #renew(): Promise<void> {
    await this.#reading?.close()
    this.#reading = this.#bee.batch()
  }
}

async function open(storage: unknown): Promise<Engine> {
  const { default: Hypercore } = await loadPeer<{ default: new (storage: unknown) => Core }>('hypercore')
  const { default: Hyperbee } = await loadPeer<{ default: new (core: Core, options: object) => Bee }>('hyperbee')
  const core = new Hypercore(storage)
  const bee = new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary' })
  await bee.ready()
  return new HyperbeeEngine(bee, core)
}

export const hyperbeeMemory: EngineKind = {
  name: 'hyperbee',
  about: 'B-tree in a signed log (hypercore 10) in memory',
  packages: ['hyperbee', 'hypercore', 'random-access-memory'],
  place: 'memory',
  merkle: true,
  open: async () => {
    const { default: memory } = await loadPeer<{ default: unknown }>('random-access-memory')
    return open(memory)
  },
}

export const hyperbeeDisk: EngineKind = {
  name: 'hyperbee-disk',
  about: 'B-tree in a signed log (hypercore 10) in files',
  packages: ['hyperbee', 'hypercore'],
  place: 'disk',
  flush: 'build, update and put: written to files, never flushed',
  merkle: true,
  open: (directory) => open(directory),
}
