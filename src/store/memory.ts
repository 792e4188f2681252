/** A store in memory: for tests, simulation and trees that are never kept. Bytes are kept by reference, as handed in. */
import { CoppiceError } from '../errors.ts'
import { linkMapKey, type Link } from '../link.ts'
import { validateBatch, validateLimit, validateLink, validateMetaName } from './batch.ts'
import { decodeCompleteRecord, encodeCompleteRecord } from './complete-record.ts'
import type { CompleteRecord, Lease, LeasedRoot, Store, WriteBatch, WriterLock } from './interface.ts'

export class MemoryStore implements Store {
  readonly #blocks = new Map<string, Uint8Array>()
  readonly #complete = new Map<string, Uint8Array>()
  readonly #meta = new Map<string, Uint8Array>()
  readonly #blockOrder = new KeyOrder(this.#blocks)
  readonly #completeOrder = new KeyOrder(this.#complete)
  readonly #leases = new Set<{ readonly root: Link }>()
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

  listBlocks(after: Link | undefined, limit: number): Link[] {
    this.#requireOpen()
    return this.#blockOrder.list(after, limit)
  }

  listComplete(after: Link | undefined, limit: number): Link[] {
    this.#requireOpen()
    return this.#completeOrder.list(after, limit)
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
    for (const link of batch.removeComplete ?? []) this.#complete.delete(linkMapKey(link))
    for (const link of batch.removeBlocks ?? []) this.#blocks.delete(linkMapKey(link))
    if (batch.blocks !== undefined) this.#blockOrder.forget()
    if (complete.length > 0) this.#completeOrder.forget()
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

  async lease(root: Link): Promise<Lease | undefined> {
    this.#requireOpen()
    validateLink(root)
    if (!this.#blocks.has(linkMapKey(root))) return undefined
    const held = { root }
    this.#leases.add(held)
    const release = async (): Promise<void> => void this.#leases.delete(held)
    return { release, [Symbol.asyncDispose]: release }
  }

  async leased(): Promise<LeasedRoot[]> {
    this.#requireOpen()
    return [...this.#leases].map(({ root }) => ({ root, pid: undefined }))
  }

  async removeUnleased(roots: readonly Link[]): Promise<Link[]> {
    this.#requireOpen()
    for (const root of roots) validateLink(root)
    const leased = new Set([...this.#leases].map(({ root }) => linkMapKey(root)))
    for (const key of roots.map(linkMapKey)) {
      if (leased.has(key)) continue
      this.#complete.delete(key)
      this.#blocks.delete(key)
    }
    return roots.filter((root) => leased.has(linkMapKey(root)))
  }

  async usage(): Promise<{ readonly diskBytes: number; readonly blocks: number; readonly complete: number }> {
    this.#requireOpen()
    return { diskBytes: 0, blocks: this.#blocks.size, complete: this.#complete.size }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#lock = undefined
    this.#leases.clear()
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

/** The keys of a map in order, sorted when they are first asked for after a write. Those removed since are left out. */
class KeyOrder {
  readonly #map: ReadonlyMap<string, unknown>
  #sorted: string[] | undefined

  constructor(map: ReadonlyMap<string, unknown>) {
    this.#map = map
  }

  forget(): void {
    this.#sorted = undefined
  }

  list(after: Link | undefined, limit: number): Link[] {
    validateLimit(limit)
    const sorted = (this.#sorted ??= [...this.#map.keys()].sort())
    const start = after === undefined ? '' : linkMapKey(after)
    const links: Link[] = []
    for (
      let at = after === undefined ? 0 : firstAbove(sorted, start);
      at < sorted.length && links.length < limit;
      at++
    ) {
      const key = sorted[at] as string
      if (this.#map.has(key)) links.push(Uint8Array.from(key, (char) => char.charCodeAt(0)))
    }
    return links
  }
}

/** Index of the first of `sorted` above `key`. */
function firstAbove(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as string) <= key) low = middle + 1
    else high = middle
  }
  return low
}
