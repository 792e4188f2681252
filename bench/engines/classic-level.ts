/** LevelDB by classic-level: no tree of hashes. */
import { equalBytes } from '../../src/bytes.ts'
import type { Rows } from '../data/rows.ts'
import type { Engine, EngineKind } from './engine.ts'
import { loadPeer } from './load-peer.ts'

interface Put {
  readonly type: 'put'
  readonly key: Uint8Array
  readonly value: Uint8Array
}

interface Level {
  open(): Promise<void>
  batch(operations: readonly Put[], options?: { readonly sync?: boolean }): Promise<void>
  put(key: Uint8Array, value: Uint8Array): Promise<void>
  getSync(key: Uint8Array): Uint8Array | undefined
  iterator(options: { readonly highWaterMarkBytes: number }): {
    nextv(size: number): Promise<readonly [key: Uint8Array, value: Uint8Array][]>
    close(): Promise<void>
  }
  close(): Promise<void>
}

interface Module {
  readonly ClassicLevel: new (path: string, options: { keyEncoding: 'view'; valueEncoding: 'view' }) => Level
}

const ROWS_PER_BATCH = 1_000
const ROWS_PER_READ = 1_000
const READ_BYTES = 1024 * 1024

class ClassicLevelEngine implements Engine<Rows> {
  readonly #db: Level

  constructor(db: Level) {
    this.#db = db
  }

  adopt(rows: Rows): Rows {
    return rows
  }

  async build(rows: Rows): Promise<void> {
    for (let i = 0; i < rows.length; i += ROWS_PER_BATCH) {
      const end = Math.min(i + ROWS_PER_BATCH, rows.length)
      // LevelDB flushes its tables when it writes them; the last batch flushes the log that holds the rest.
      await this.#db.batch(puts(rows, i, end), { sync: end === rows.length })
    }
  }

  get(rows: Rows, i: number): Uint8Array | undefined {
    return this.#db.getSync(rows.key(i))
  }

  holds(rows: Rows, i: number): boolean {
    const found = this.#db.getSync(rows.key(i))
    return found !== undefined && equalBytes(found, rows.value(i))
  }

  async scan(): Promise<number> {
    const iterator = this.#db.iterator({ highWaterMarkBytes: READ_BYTES })
    let count = 0
    for (;;) {
      const read = await iterator.nextv(ROWS_PER_READ)
      if (read.length === 0) break
      for (const [key, value] of read) if (key.length > 0 && value.length > 0) count++
    }
    await iterator.close()
    return count
  }

  async update(rows: Rows): Promise<void> {
    await this.#db.batch(puts(rows, 0, rows.length), { sync: true })
  }

  put(rows: Rows, i: number): Promise<void> {
    return this.#db.put(rows.key(i), rows.value(i))
  }

  mark(): void {}

  close(): Promise<void> {
    return this.#db.close()
  }
}

function puts(rows: Rows, from: number, to: number): Put[] {
  return Array.from({ length: to - from }, (_, j) => ({
    type: 'put',
    key: rows.key(from + j),
    value: rows.value(from + j),
  }))
}

export const classicLevel: EngineKind = {
  name: 'classic-level',
  about: 'LevelDB: no tree of hashes',
  packages: ['classic-level'],
  place: 'disk',
  flush: 'build, update: flushed; put: in the log, not flushed',
  merkle: false,
  open: async (directory) => {
    const { ClassicLevel } = await loadPeer<Module>('classic-level')
    const db = new ClassicLevel(directory, { keyEncoding: 'view', valueEncoding: 'view' })
    await db.open()
    return new ClassicLevelEngine(db)
  },
}
