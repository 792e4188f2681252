/**
 * Which blocks of a mirror's packs its roots still need (mirror.md, 4): one bit for each, and the packs' indexes while it is
 * found out, 20 bytes for each. The first root's tree is read as a whole, of the others what differs.
 */
import type { BlockReader } from '../store/interface.ts'
import { SeenValues, type Tree, walkTree } from '../prolly/index.ts'
import { SEEN_VALUES_MAX } from './limits.ts'
import type { LocalPack } from './local-pack.ts'
import type { IsNeeded } from './merge-packs.ts'
import { findEntry, placeAt, type PackPlace } from './pack-format.ts'
import { digestOf } from './digest.ts'

class Marks {
  readonly #index: Uint8Array
  /** By batch and place. */
  readonly #places: readonly Uint8Array[]
  count = 0

  constructor(index: Uint8Array, blocks: number, batches: number) {
    this.#index = index
    const counts = new Uint32Array(batches)
    for (let i = 0; i < blocks; i++) {
      const { batch, place } = placeAt(index, i)
      if (batch < batches) counts[batch] = Math.max(counts[batch] as number, place + 1)
    }
    this.#places = Array.from(counts, (count) => new Uint8Array(count))
  }

  mark(digest: Uint8Array): boolean {
    const found = findEntry(this.#index, digest)
    const places = found === undefined ? undefined : this.#places[found.batch]
    if (found === undefined || places === undefined) return false
    if (places[found.place] === 0) this.count++
    places[found.place] = 1
    return true
  }

  isNeeded({ batch, place }: PackPlace): boolean {
    return this.#places[batch]?.[place] === 1
  }
}

export class NeededBlocks {
  readonly #marks: ReadonlyMap<LocalPack, Marks>

  private constructor(marks: ReadonlyMap<LocalPack, Marks>) {
    this.#marks = marks
  }

  /**
   * @param packs in the order in which readers look into them: of a block that stands in several, the first counts
   * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`; the signal's reason.
   */
  static async find(
    packs: readonly LocalPack[],
    blocks: BlockReader,
    trees: readonly Tree[],
    signal: AbortSignal | undefined,
  ): Promise<NeededBlocks> {
    const marks = new Map<LocalPack, Marks>()
    for (const pack of packs) marks.set(pack, new Marks(await pack.index(), pack.entry.blocks, pack.batches.length))
    let base: Tree | undefined
    for (const tree of trees) {
      const seen = new SeenValues(SEEN_VALUES_MAX)
      for await (const { link } of walkTree(blocks, tree.ref.root, { base, seen, signal })) {
        for (const packMarks of marks.values()) if (packMarks.mark(digestOf(link))) break
      }
      base = tree
    }
    return new NeededBlocks(marks)
  }

  /** The share of the pack's blocks that is needed. */
  shareOf(pack: LocalPack): number {
    return (this.#marks.get(pack)?.count ?? 0) / pack.entry.blocks
  }

  of(pack: LocalPack): IsNeeded {
    const marks = this.#marks.get(pack)
    return (batch, place) => marks?.isNeeded({ batch, place }) === true
  }
}
