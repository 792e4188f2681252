/**
 * States that this handle has given out and that somebody may still be reading: they are kept from garbage collection for
 * as long as anything refers to them. A handle that writes holds the writer lock, so that only itself can collect: it
 * remembers what it gave out in memory. One that only reads leases in the store, where other processes look.
 */
import type { Link } from '../../link.ts'
import type { Tree } from '../../prolly/index.ts'
import type { Lease } from '../../store/interface.ts'

interface Given {
  readonly tree: WeakRef<Tree>
  readonly root: Link
  readonly lease: Lease | undefined
}

/** So many more states than this at most are kept when nothing refers to them any more, and the engine knows. */
const PRUNED_MAX = 32

export class Leases {
  #given: Given[] = []
  /** When there are so many of them, it is worth a look which are still in use. */
  #nextPrune = 2

  /** From now on, until nothing refers to `tree` any more. */
  keep(tree: Tree, lease: Lease | undefined): void {
    if (this.#given.length >= this.#nextPrune) this.#prune()
    this.#given.push({ tree: new WeakRef(tree), root: tree.ref.root, lease })
  }

  /** What is in use now. */
  roots(): Link[] {
    this.#prune()
    return this.#given.map(({ root }) => root)
  }

  #prune(): void {
    const inUse = this.#given.filter(({ tree }) => tree.deref() !== undefined)
    for (const given of this.#given) if (given.tree.deref() === undefined) void given.lease?.release()
    this.#given = inUse
    this.#nextPrune = inUse.length + Math.min(PRUNED_MAX, Math.max(1, inUse.length))
  }
}
