/** A store in memory of which one write fails, in either way that the interface allows (src/store/interface.ts). */
import { CoppiceError } from '../../src/errors.ts'
import type { WriteBatch } from '../../src/store/interface.ts'
import { MemoryStore } from '../../src/store/memory.ts'

/** `refused`: nothing of the batch is written. `unflushed`: a durable one is written and visible, and its flush fails. */
export type WriteFault = 'refused' | 'unflushed'
export const WRITE_FAULTS: readonly WriteFault[] = ['refused', 'unflushed']

export class FaultyStore extends MemoryStore {
  /** Sees each batch that was written. */
  onWritten: ((batch: WriteBatch) => void) | undefined
  #fault: WriteFault | undefined
  #writesBefore = 0
  #hasStruck = false

  /** Whether the write that {@link failOnce} chose came, and failed. */
  get hasStruck(): boolean {
    return this.#hasStruck
  }

  /** Of the writes from now on that `fault` can hit, the one with this index, from 0, fails with `STORE_FULL`. */
  failOnce(fault: WriteFault, index: number): void {
    this.#fault = fault
    this.#writesBefore = index
    this.#hasStruck = false
  }

  /** From now on every write is good. */
  heal(): void {
    this.#fault = undefined
  }

  override async write(batch: WriteBatch, options: { readonly durable?: boolean } = {}): Promise<void> {
    const fault = this.#strikingFault(options.durable === true)
    if (fault === 'refused') throw storeFull()
    await super.write(batch)
    this.onWritten?.(batch)
    if (fault === 'unflushed') throw storeFull()
  }

  #strikingFault(isDurable: boolean): WriteFault | undefined {
    if (this.#hasStruck || this.#fault === undefined || (this.#fault === 'unflushed' && !isDurable)) return undefined
    if (this.#writesBefore-- > 0) return undefined
    this.#hasStruck = true
    return this.#fault
  }
}

function storeFull(): CoppiceError {
  return new CoppiceError('STORE_FULL', 'store: the disk is full')
}
