/**
 * Rows to nodes: a subtree of the newer tree is rebuilt from the rows of the older one and those that were sent, in memory, and
 * kept only when its link proves it. One at a time, so that what is unproven is bounded whatever the number of peers.
 */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { Block } from '../../link.ts'
import {
  type BlockSink,
  type Edit,
  type Format,
  rebuildSubtree,
  type Source,
  type Tree,
  type Value,
} from '../../prolly/index.ts'
import type { Store } from '../../store/interface.ts'
import type { Piece } from './piece-walk.ts'

/** `here`: it was made before. `wrong`: the rows are not those of the tree. `costly`: they rewrite more than is held on faith. */
export type Built = 'done' | 'here' | 'wrong' | 'costly'

export class PieceBuilder {
  /** Nodes that were rebuilt, proven and written. */
  readonly counts: { pieces: number; blocks: number; bytes: number } = { pieces: 0, blocks: 0, bytes: 0 }
  readonly #base: Tree
  readonly #store: Pick<Store, 'write'>
  readonly #format: Format
  readonly #bytesMax: number
  readonly #signal: AbortSignal
  #busy: Promise<unknown> = Promise.resolve()

  constructor(base: Tree, store: Pick<Store, 'write'>, format: Format, bytesMax: number, signal: AbortSignal) {
    this.#base = base
    this.#store = store
    this.#format = format
    this.#bytesMax = bytesMax
    this.#signal = signal
  }

  /** @throws {CoppiceError} `STORE_CORRUPT`, `BLOCK_MISSING` of the older tree; as writing to the store does. The signal's reason. */
  build(piece: Piece, edits: readonly Edit<Value>[]): Promise<Built> {
    const result = this.#busy.then(() => (piece.isDone ? 'here' : this.#build(piece, edits)))
    this.#busy = result.catch(() => {})
    return result
  }

  async #build(piece: Piece, edits: Source<Edit<Value>>): Promise<Built> {
    const staged = new StagedNodes(this.#bytesMax)
    try {
      const options = { format: this.#format, signal: this.#signal }
      const root = await rebuildSubtree(this.#base, piece.claim, edits, staged, options)
      if (root === undefined || !equalBytes(root, piece.claim.link)) return 'wrong'
    } catch (error) {
      if (error instanceof StagingFull) return 'costly'
      // Sizes beyond all bounds: no tree has such rows.
      if (isCoppiceError(error, 'VALUE_TOO_LARGE')) return 'wrong'
      throw error
    }
    await this.#store.write({ blocks: staged.blocks })
    piece.isDone = true
    this.counts.pieces++
    this.counts.blocks += staged.blocks.length
    this.counts.bytes += staged.bytes
    return 'done'
  }
}

class StagingFull extends Error {}

class StagedNodes implements BlockSink {
  readonly blocks: Block[] = []
  bytes = 0
  readonly #bytesMax: number

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  put(block: Block): void {
    this.bytes += block.bytes.length
    if (this.bytes > this.#bytesMax) throw new StagingFull()
    this.blocks.push(block)
  }
}
