/**
 * The default store: LMDB in a directory. Readers in any number of processes see a commit as soon as it is made; gets
 * answer at once, from memory maps; writes go to a thread of lmdb's. The import of lmdb happens on first `open`.
 */
import { statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { concatBytes, copyBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { isLink, type Link } from '../link.ts'
import { validateBatch, validateLimit, validateLink, validateMetaName } from './batch.ts'
import { decodeCompleteRecord, encodeCompleteRecord } from './complete-record.ts'
import type { CompleteRecord, Lease, LeasedRoot, Store, WriteBatch, WriterLock } from './interface.ts'
import { LmdbEnv, PAGE_BYTES, type Table } from './lmdb-env.ts'
import { toStoreError } from './lmdb-errors.ts'
import { DATA_FILE } from './lmdb-file.ts'
import { listLeases, releaseLeases, removeUnleased, takeLease } from './lmdb-lease.ts'
import { lockWriter } from './lmdb-lock.ts'

export type StoreAccess = 'read' | 'write'

export class LmdbStore implements Store {
  /** The directory. */
  readonly path: string
  readonly access: StoreAccess
  readonly #env: LmdbEnv
  readonly #pending = new Set<Promise<void>>()
  readonly #leases = new Set<string>()
  /** Until it failed once: a disk that is full is not made better by trying with every state that is read. */
  #canLease = true
  #lock: WriterLock | undefined
  #closed: Promise<void> | undefined

  private constructor(env: LmdbEnv, path: string, access: StoreAccess) {
    this.#env = env
    this.path = path
    this.access = access
  }

  /**
   * Opens the store in the directory `path`; for writing, makes both where they are absent. Access 'write' does not
   * take the writer lock: whoever writes calls `lockWriter` first.
   * @throws {CoppiceError} `NOT_A_DATABASE` (nothing to read, or another program's file), `STORE_CORRUPT`,
   * `STORE_READ_ONLY`, `STORE_IO`.
   */
  static async open(path: string, access: StoreAccess): Promise<LmdbStore> {
    const env = await LmdbEnv.open(path, access === 'write')
    if (access === 'write' && env.readOnly) {
      await env.close()
      throw new CoppiceError(
        'STORE_READ_ONLY',
        `store ${path}: it cannot be written to; open it for reading, or make the disk, the directory and its files writable`,
        { details: { path } },
      )
    }
    return new LmdbStore(env, path, access)
  }

  get(link: Link): Uint8Array | undefined {
    return this.#read(this.#env.blocks, link)
  }

  getMany(links: readonly Link[]): (Uint8Array | undefined)[] {
    return links.map((link) => this.#read(this.#env.blocks, link))
  }

  has(link: Link): boolean {
    this.#requireOpen()
    const { blocks } = this.#env
    try {
      this.#env.beginRead()
      if (blocks.doesExist(link)) return true
      this.#env.refresh()
      return blocks.doesExist(link)
    } catch (error) {
      throw toStoreError(error, 'reading', this.path)
    }
  }

  getComplete(link: Link): CompleteRecord | undefined {
    const encoded = this.#read(this.#env.complete, link)
    if (encoded === undefined) return undefined
    const record = decodeCompleteRecord(link, encoded)
    if (record === undefined) throw this.#damaged('a completeness record', link)
    return record
  }

  listBlocks(after: Link | undefined, limit: number): Link[] {
    return this.#list(this.#env.blocks, after, limit)
  }

  listComplete(after: Link | undefined, limit: number): Link[] {
    return this.#list(this.#env.complete, after, limit)
  }

  getMeta(name: string): Uint8Array | undefined {
    validateMetaName(name)
    this.#requireOpen()
    this.#env.refresh()
    return this.#read(this.#env.meta, encodeName(name))
  }

  write(batch: WriteBatch, options: { readonly durable?: boolean } = {}): Promise<void> {
    const written = this.#write(batch, options.durable === true)
    this.#pending.add(written)
    const forget = (): boolean => this.#pending.delete(written)
    written.then(forget, forget)
    return written
  }

  async lockWriter(): Promise<WriterLock> {
    this.#requireWritable()
    this.#lock = await lockWriter(this.#env)
    return this.#lock
  }

  async lease(root: Link): Promise<Lease | undefined> {
    this.#requireOpen()
    validateLink(root)
    if (this.#env.readOnly || !this.#canLease) return this.has(root) ? this.#leaseOf(undefined) : undefined
    try {
      const id = await takeLease(this.#env, root)
      if (id === undefined) return undefined
      this.#leases.add(id)
      return this.#leaseOf(id)
    } catch (error) {
      if (!isCoppiceError(error)) throw error
      this.#canLease = false
      return await this.lease(root)
    }
  }

  async leased(): Promise<LeasedRoot[]> {
    this.#requireOpen()
    return this.#env.readOnly ? [] : await listLeases(this.#env)
  }

  async removeUnleased(roots: readonly Link[]): Promise<Link[]> {
    this.#requireWritable()
    for (const root of roots) validateLink(root)
    return await removeUnleased(this.#env, roots)
  }

  #leaseOf(id: string | undefined): Lease {
    const release = async (): Promise<void> => {
      if (id === undefined || !this.#leases.delete(id)) return
      await releaseLeases(this.#env, [id]).catch(() => {})
    }
    return { release, [Symbol.asyncDispose]: release }
  }

  async usage(): Promise<{ readonly diskBytes: number; readonly blocks: number; readonly complete: number }> {
    this.#requireOpen()
    const { blocks, complete } = this.#env
    return {
      diskBytes: diskBytes(statSync(join(this.path, DATA_FILE))),
      blocks: countOf(blocks),
      complete: countOf(complete),
    }
  }

  /** Waits for writes under way and gives the writer lock back. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending)
    await releaseLeases(this.#env, [...this.#leases]).catch(() => {})
    // A lock that cannot be given back, on a full disk, is found to be stale by the next writer.
    await this.#lock?.release().catch(() => {})
    await this.#env.close()
  }

  async #write(batch: WriteBatch, durable: boolean): Promise<void> {
    this.#requireWritable()
    const { blocks = [], complete = [], removeBlocks = [], removeComplete = [] } = batch
    const bytes = validateBatch(batch)
    // Encoded before the first put: what throws inside a batch leaves half of it in.
    const records = complete.map((record) => ({ link: record.link, bytes: encodeCompleteRecord(record) }))
    const names = [...(batch.meta ?? [])].map(([name, value]) => ({ key: encodeName(name), value }))
    const changes = blocks.length + records.length + removeBlocks.length + removeComplete.length + names.length
    if (changes > 0) {
      const env = this.#env
      // A block takes at most one page more than its bytes: to tell a full disk from other failures.
      await env.batch(bytes + PAGE_BYTES * changes, () => {
        // The promises are the batch's own, or resolved already: the batch's result counts.
        for (const link of removeComplete) void env.complete.remove(link)
        for (const link of removeBlocks) void env.blocks.remove(link)
        for (const block of blocks) void env.blocks.put(block.link, block.bytes)
        for (const record of records) void env.complete.put(record.link, record.bytes)
        for (const { key, value } of names) void (value === null ? env.meta.remove(key) : env.meta.put(key, value))
      })
    }
    if (durable) await this.#env.flushed()
  }

  #list(table: Table, after: Link | undefined, limit: number): Link[] {
    this.#requireOpen()
    validateLimit(limit)
    // The least key above a link is the link and one more byte.
    const start = after === undefined ? undefined : concatBytes(after, new Uint8Array(1))
    const links: Link[] = []
    try {
      this.#env.beginRead()
      this.#env.refresh()
      for (const key of table.getKeys({ limit, ...(start === undefined ? {} : { start }) })) {
        const link = copyBytes(key)
        if (!isLink(link)) throw this.#damaged('a link')
        links.push(link)
      }
    } catch (error) {
      throw toStoreError(error, 'reading', this.path)
    }
    return links
  }

  /**
   * A copy that owns its memory: a view into the map would not outlive the next write. What lmdb's snapshot does not
   * have is looked up again in a new one: another process may have committed it since.
   */
  #read(table: Table, key: Uint8Array): Uint8Array | undefined {
    this.#requireOpen()
    try {
      this.#env.beginRead()
      let bytes = table.getBinary(key)
      if (bytes === undefined) {
        this.#env.refresh()
        bytes = table.getBinary(key)
      }
      return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    } catch (error) {
      throw toStoreError(error, 'reading', this.path)
    }
  }

  #damaged(what: string, link?: Link): CoppiceError {
    return new CoppiceError(
      'STORE_CORRUPT',
      `store ${this.path}: ${what} is damaged; restore a backup, or clone again`,
      { details: { path: this.path, ...(link && { link }) } },
    )
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new TypeError('store: used after close()')
  }

  #requireWritable(): void {
    this.#requireOpen()
    if (this.access === 'read') {
      throw new CoppiceError('STORE_READ_ONLY', `store ${this.path}: it was opened for reading; open it for writing`, {
        details: { path: this.path },
      })
    }
  }
}

function encodeName(name: string): Uint8Array {
  return new TextEncoder().encode(name)
}

function countOf(table: Table): number {
  return (table.getStats() as { readonly entryCount: number }).entryCount
}

/** What the file takes on the disk: it may have holes. Systems that count no blocks give its length. */
function diskBytes(stats: Stats): number {
  return stats.blocks === undefined ? stats.size : Math.min(stats.size, stats.blocks * 512)
}
