/**
 * The way into a store: blocks go in early and unreferenced, what refers to them goes in last. Whatever a build, an edit
 * or a pull puts is buffered here, flushed as bare blocks once the buffer is full, and made reachable by `commit` alone:
 * its completeness records and meta values are written in one batch with the blocks still buffered. A crash or an abort
 * at any point leaves blocks that nothing refers to, never a reference to something absent.
 *
 * Reads see what was put, so a tree can be edited before it is committed. Memory is bounded: one buffer being filled
 * and one being written.
 */
import { linkMapKey, type Block, type Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader, CompleteRecord, Store, WriteBatch } from './interface.ts'

/**
 * The default size of the buffer. Each batch waits for the transaction before it: with 2 MiB a bulk build into LMDB took half as
 * long again, with 8 MiB a fifth less, for twice the memory.
 */
export const STAGING_BYTES_MAX: number = 4 * 1024 * 1024

export interface StagingOptions {
  /** Bytes of blocks after which the buffer is flushed. At most twice that is held, and two blocks of each producer. */
  readonly bufferBytesMax?: number
}

export interface StagingCommit {
  readonly complete?: readonly CompleteRecord[]
  /** null deletes. */
  readonly meta?: ReadonlyMap<string, Uint8Array | null>
  /** Resolve only after a flush to the disk, of this and all before. */
  readonly durable?: boolean
}

/** Blocks that passed through, for reports and for tests of complexity. Absent blocks and blocks put twice count once or not at all. */
export interface StagingCounters {
  readonly blocksRead: number
  readonly bytesRead: number
  readonly blocksWritten: number
  readonly bytesWritten: number
}

type Buffer = Map<string, Block>

export class Staging implements BlockReader {
  readonly #store: Store
  readonly #bufferBytesMax: number
  #buffer: Buffer = new Map()
  #bufferBytes = 0
  /** Buffers on their way into the store, oldest first: at most one besides that of a commit. */
  readonly #writing = new Set<Buffer>()
  /** Settles, never rejects, when all writes begun so far have ended. */
  #written: Promise<void> = Promise.resolve()
  /** Why a write failed: blocks are lost, so nothing that may refer to them is committed before an abort. */
  #failure: unknown
  readonly #counters = { blocksRead: 0, bytesRead: 0, blocksWritten: 0, bytesWritten: 0 }

  constructor(store: Store, options: StagingOptions = {}) {
    this.#store = store
    this.#bufferBytesMax = options.bufferBytesMax ?? STAGING_BYTES_MAX
    if (!(this.#bufferBytesMax > 0)) throw new RangeError(`bufferBytesMax: ${this.#bufferBytesMax}`)
  }

  get counters(): StagingCounters {
    return { ...this.#counters }
  }

  /** Bytes of blocks held in memory now. */
  get heldBytes(): number {
    let sum = this.#bufferBytes
    for (const buffer of this.#writing) for (const block of buffer.values()) sum += block.bytes.length
    return sum
  }

  get(link: Link): MaybePromise<Uint8Array | undefined> {
    const found = this.#find(link) ?? this.#store.get(link)
    return found instanceof Promise ? found.then((bytes) => this.#countRead(bytes)) : this.#countRead(found)
  }

  getMany(links: readonly Link[]): MaybePromise<(Uint8Array | undefined)[]> {
    const held = links.map((link) => this.#find(link))
    const absent = links.filter((_, i) => held[i] === undefined)
    const fill = (stored: readonly (Uint8Array | undefined)[]): (Uint8Array | undefined)[] => {
      let next = 0
      return held.map((bytes) => this.#countRead(bytes ?? stored[next++]))
    }
    if (absent.length === 0) return fill([])
    const stored = this.#store.getMany(absent)
    return stored instanceof Promise ? stored.then(fill) : fill(stored)
  }

  has(link: Link): MaybePromise<boolean> {
    return this.#find(link) !== undefined || this.#store.has(link)
  }

  /**
   * Takes a block in; `get` sees it at once. A promise means the buffer is full and the previous one not yet written:
   * whoever awaits it keeps memory bounded.
   * @throws {CoppiceError} what an earlier flush failed with: `STORE_FULL`, `STORE_IO`, `STORE_READ_ONLY`.
   */
  put(block: Block): MaybePromise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const key = linkMapKey(block.link)
    if (this.#buffer.has(key)) return
    this.#buffer.set(key, block)
    this.#bufferBytes += block.bytes.length
    this.#counters.blocksWritten++
    this.#counters.bytesWritten += block.bytes.length
    if (this.#bufferBytes >= this.#bufferBytesMax) return this.#makeRoom()
  }

  /**
   * Writes what is buffered, the records and the meta values in one atomic batch. The staging may be used further.
   * @throws {CoppiceError} `STORE_FULL`, `STORE_IO`, `STORE_READ_ONLY`, of this write or of an earlier flush: nothing of
   * the commit is visible then, and `abort` comes next.
   */
  async commit(commit: StagingCommit = {}): Promise<void> {
    // Taken before anything is awaited: a block put during the wait belongs to the next commit.
    const { complete = [], meta = new Map(), durable = false } = commit
    await this.#write({ complete, meta }, durable)
  }

  /** Forgets what is buffered and waits for writes under way: blocks already flushed stay, unreferenced. Usable afterwards. */
  async abort(): Promise<void> {
    this.#buffer = new Map()
    this.#bufferBytes = 0
    await this.#written
    this.#failure = undefined
  }

  /** Flushes now or, while a write is under way, waits for it and then flushes, unless somebody else did meanwhile. */
  #makeRoom(): MaybePromise<void> {
    if (this.#writing.size === 0) {
      // Failure is kept for the next put or commit; nobody awaits this flush by itself.
      this.#write({}, false).catch(() => {})
      return
    }
    return this.#written.then(() => {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#bufferBytes >= this.#bufferBytesMax) return this.#makeRoom()
    })
  }

  #write(references: WriteBatch, durable: boolean): Promise<void> {
    const buffer = this.#buffer
    this.#buffer = new Map()
    this.#bufferBytes = 0
    this.#writing.add(buffer)
    const written = this.#written.then(async () => {
      try {
        // A flush that failed has lost blocks which these records may stand on.
        if (this.#failure !== undefined) throw this.#failure
        await this.#store.write({ ...references, blocks: [...buffer.values()] }, { durable })
      } catch (error) {
        this.#failure = error
        throw error
      } finally {
        this.#writing.delete(buffer)
      }
    })
    this.#written = written.catch(() => {})
    return written
  }

  #find(link: Link): Uint8Array | undefined {
    if (this.#buffer.size === 0 && this.#writing.size === 0) return undefined
    const key = linkMapKey(link)
    const block = this.#buffer.get(key)
    if (block !== undefined) return block.bytes
    for (const buffer of this.#writing) {
      const writing = buffer.get(key)
      if (writing !== undefined) return writing.bytes
    }
    return undefined
  }

  #countRead(bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes !== undefined) {
      this.#counters.blocksRead++
      this.#counters.bytesRead += bytes.length
    }
    return bytes
  }
}
