/** A store that can be copied, as a directory is: a backup, or a second machine. */
import type { WriteBatch } from '../../src/store/interface.ts'
import { MemoryStore } from '../../src/store/memory.ts'

export class CopyableStore extends MemoryStore {
  readonly #batches: WriteBatch[] = []

  override async write(batch: WriteBatch): Promise<void> {
    await super.write(batch)
    this.#batches.push(batch)
  }

  /** As it is now, or was some writes ago. */
  async copy(writesAgo = 0): Promise<CopyableStore> {
    const copy = new CopyableStore()
    for (const batch of this.#batches.slice(0, this.#batches.length - writesAgo)) await copy.write(batch)
    return copy
  }
}
