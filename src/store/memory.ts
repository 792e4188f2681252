/** A store in memory: for tests, simulation and trees that are never kept. Bytes are kept by reference, as handed in. */
import { CoppiceError } from '../errors.ts'
import { linkMapKey, type Link } from '../link.ts'
import { validateBatch, validateMetaName } from './batch.ts'
import { decodeCompleteRecord, encodeCompleteRecord } from './complete-record.ts'
import type { CompleteRecord, Store, WriteBatch, WriterLock } from './interface.ts'

export class MemoryStore implements Store {
  readonly #blocks = new Map<string, Uint8Array>()
  readonly #complete = new Map<string, Uint8Array>()
  readonly #meta = new Map<string, Uint8Array>()
  #lock: WriterLock | undefined
  #closed = false

  get(link: Link): Uint8Array | undefined {
    this.#requireOpen()
    return this.#blocks.get(linkMapKey(link))
  }

  getMany(links: readonly Link[]): (Uint8Array | undefined)[] {
    return links.map((link) => this.get(link))
  }

  has(link: Link): boolean {
    this.#requireOpen()
    return this.#blocks.has(linkMapKey(link))
  }

  getComplete(link: Link): CompleteRecord | undefined {
    this.#requireOpen()
    const encoded = this.#complete.get(linkMapKey(link))
    return encoded === undefined ? undefined : decodeCompleteRecord(link, encoded)
  }

  getMeta(name: string): Uint8Array | undefined {
    this.#requireOpen()
    validateMetaName(name)
    return this.#meta.get(name)
  }

  async write(batch: WriteBatch): Promise<void> {
    this.#requireOpen()
    validateBatch(batch)
    const complete = (batch.complete ?? []).map(
      (record) => [linkMapKey(record.link), encodeCompleteRecord(record)] as const,
    )
    for (const { link, bytes } of batch.blocks ?? []) this.#blocks.set(linkMapKey(link), bytes)
    for (const [key, encoded] of complete) this.#complete.set(key, encoded)
    for (const [name, value] of batch.meta ?? []) {
      if (value === null) this.#meta.delete(name)
      else this.#meta.set(name, value)
    }
  }

  async lockWriter(): Promise<WriterLock> {
    this.#requireOpen()
    if (this.#lock !== undefined) {
      throw new CoppiceError('STORE_LOCKED', 'store: another handle of this process is writing; release its lock first')
    }
    const release = async (): Promise<void> => {
      if (this.#lock === lock) this.#lock = undefined
    }
    const lock: WriterLock = { release, [Symbol.asyncDispose]: release }
    this.#lock = lock
    return lock
  }

  async usage(): Promise<{ readonly diskBytes: number; readonly blocks: number; readonly complete: number }> {
    this.#requireOpen()
    return { diskBytes: 0, blocks: this.#blocks.size, complete: this.#complete.size }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#lock = undefined
    this.#blocks.clear()
    this.#complete.clear()
    this.#meta.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #requireOpen(): void {
    if (this.#closed) throw new TypeError('store: used after close()')
  }
}
