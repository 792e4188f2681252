/**
 * Verified blocks and completeness records on their way into the store, in batches. The invariant: a record is written
 * with or after everything it stands for, because batches are written one after the other in the order in which things
 * were put, each atomically. So a kill at any point leaves complete subtrees that are recorded, and blocks that are
 * only held; nothing that is recorded and not there. At most what was not written yet is fetched again.
 *
 * Unlike store/staging.ts, which keeps references for one commit at the end, records go in as early as they are true.
 */
import { type Block, type Link, linkMapKey } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import type { CompleteRecord, Store } from '../../store/interface.ts'
import { WRITE_BYTES_MAX } from '../limits.ts'

/** What the writer needs of a store. */
export type PullStore = Pick<Store, 'get' | 'getComplete' | 'write'>

/** A record counts as about this many bytes, so that a pull of known blocks is written in batches too. */
const RECORD_BYTES = 128

class Batch {
  readonly blocks = new Map<string, Block>()
  readonly records = new Map<string, CompleteRecord>()
  bytes = 0
}

export class VerifiedWriter {
  readonly #store: PullStore
  readonly #batchBytesMax: number
  #filling = new Batch()
  #writing: Batch | undefined
  #written: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  constructor(store: PullStore, batchBytesMax: number = WRITE_BYTES_MAX) {
    this.#store = store
    this.#batchBytesMax = batchBytesMax
  }

  get(link: Link): MaybePromise<Uint8Array | undefined> {
    const key = linkMapKey(link)
    const block = this.#filling.blocks.get(key) ?? this.#writing?.blocks.get(key)
    return block?.bytes ?? this.#store.get(link)
  }

  getComplete(link: Link): MaybePromise<CompleteRecord | undefined> {
    const key = linkMapKey(link)
    return this.#filling.records.get(key) ?? this.#writing?.records.get(key) ?? this.#store.getComplete(link)
  }

  /** `block` has been verified, and its bytes never change. */
  putBlock(block: Block): void {
    this.#filling.blocks.set(linkMapKey(block.link), block)
    this.#filling.bytes += block.bytes.length
  }

  /** Everything below `record` has been put, or is recorded in the store. */
  putRecord(record: CompleteRecord): void {
    this.#filling.records.set(linkMapKey(record.link), record)
    this.#filling.bytes += RECORD_BYTES
  }

  /**
   * Starts to write when enough has come together. A promise means that the batch before is still being written:
   * whoever awaits it before putting more keeps memory bounded.
   * @throws what the store failed with, of this or an earlier batch.
   */
  writeIfFull(): MaybePromise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#filling.bytes < this.#batchBytesMax) return
    if (this.#writing === undefined) return this.#begin()
    return this.#written.then(() => this.writeIfFull())
  }

  /** Starts to write what there is, unless that is under way: now and then, where little comes in, so that it is kept and served. */
  writeSome(): void {
    if (this.#failure === undefined && this.#writing === undefined && this.#filling.bytes > 0) this.#begin()
  }

  /** Writes everything put so far. @throws what the store failed with, of this or an earlier batch. */
  async flush(): Promise<void> {
    for (;;) {
      await this.#written
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#writing !== undefined) continue
      if (this.#filling.bytes === 0) return
      this.#begin()
    }
  }

  #begin(): void {
    const batch = this.#filling
    this.#filling = new Batch()
    this.#writing = batch
    this.#written = this.#write(batch)
  }

  /** Settles when the batch is visible or has failed; never rejects. A failed batch stays readable: nothing follows it. */
  async #write(batch: Batch): Promise<void> {
    try {
      await this.#store.write({ blocks: [...batch.blocks.values()], complete: [...batch.records.values()] })
      this.#writing = undefined
    } catch (error) {
      this.#failure = { error }
    }
  }
}
