/** lmdb by itself: no tree, no hashes. The floor of the disk under coppice-lmdb, which uses the same build of it. */
import { open, type RootDatabase } from 'lmdb'
import { equalBytes } from '../../src/bytes.ts'
import type { Rows } from '../data/rows.ts'
import type { Engine, EngineKind } from './engine.ts'

/** Puts between two waits: what keeps memory bounded, and faster than queueing all of them. */
const PUTS_PER_WAIT = 10_000

class LmdbEngine implements Engine<Rows> {
  readonly #db: RootDatabase<Buffer, Uint8Array>

  constructor(directory: string) {
    this.#db = open<Buffer, Uint8Array>({ path: directory, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
  }

  adopt(rows: Rows): Rows {
    return rows
  }

  async build(rows: Rows): Promise<void> {
    for (let i = 0; i < rows.length; i++) {
      const done = this.#db.put(rows.keyBuffer(i), rows.valueBuffer(i))
      if ((i + 1) % PUTS_PER_WAIT === 0 || i === rows.length - 1) await done
    }
    await this.#db.flushed
  }

  get(rows: Rows, i: number): Buffer | undefined {
    return this.#db.getBinary(rows.keyBuffer(i))
  }

  holds(rows: Rows, i: number): boolean {
    const found = this.#db.getBinary(rows.keyBuffer(i))
    return found !== undefined && equalBytes(found, rows.value(i))
  }

  async scan(): Promise<number> {
    let count = 0
    for (const { key, value } of this.#db.getRange()) if (key.length > 0 && value.length > 0) count++
    return count
  }

  async update(rows: Rows): Promise<void> {
    await this.#db.batch(() => {
      for (let i = 0; i < rows.length; i++) void this.#db.put(rows.keyBuffer(i), rows.valueBuffer(i))
    })
    await this.#db.flushed
  }

  async put(rows: Rows, i: number): Promise<void> {
    await this.#db.put(rows.keyBuffer(i), rows.valueBuffer(i))
  }

  mark(): void {}

  close(): Promise<void> {
    return this.#db.close()
  }
}

export const lmdb: EngineKind = {
  name: 'lmdb',
  about: 'lmdb by itself: no tree, no hashes',
  packages: [],
  place: 'disk',
  flush: 'build, update: flushed; put: committed',
  merkle: false,
  open: async (directory) => new LmdbEngine(directory),
}
