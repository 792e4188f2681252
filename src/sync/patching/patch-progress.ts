/**
 * How far a pull is while rows are asked for and applied: what the signed counts say of the subtrees that are here or were proven.
 * The rows' own bytes came, the rest of such a subtree was here. The fetch that follows counts on from there.
 */
import { type Edit, isValueRef, type Value } from '../../prolly/index.ts'
import type { PullProgress } from '../report.ts'
import type { PatchPeers } from './patch-peers.ts'
import type { Piece, PieceWalk } from './piece-walk.ts'

/** What a patch has proven of a tree. */
export interface Proven {
  readonly entries: number
  /** As the signed total counts them. */
  readonly bytes: number
  /** Of these, rows and the nodes above them, which came. */
  readonly bytesCame: number
}

export interface PatchProgressOptions {
  readonly target: { readonly entries: number; readonly bytes: number }
  readonly peers: Pick<PatchPeers, 'used'>
  readonly onProgress: ((progress: PullProgress) => void) | undefined
}

export class PatchProgress {
  readonly #options: PatchProgressOptions
  /** Set once there is one. */
  walk: Pick<PieceWalk, 'here'> | undefined
  #entries = 0
  #bytes = 0
  #bytesCame = 0

  constructor(options: PatchProgressOptions) {
    this.#options = options
  }

  get proven(): Proven {
    const { target } = this.#options
    const here = this.walk?.here ?? { entries: 0, bytes: 0 }
    const bytes = Math.min(target.bytes, here.bytes + this.#bytes)
    return {
      entries: Math.min(target.entries, here.entries + this.#entries),
      bytes,
      bytesCame: Math.min(bytes, this.#bytesCame),
    }
  }

  /** A subtree was made of rows of so many bytes. Values out of line are still to come. */
  notePiece({ claim }: Piece, edits: readonly Edit<Value>[], rowBytes: number): void {
    let awaited = 0
    for (const { value } of edits) if (value !== null && isValueRef(value)) awaited += value.size
    const bytes = Math.max(0, claim.bytes - awaited)
    this.#entries += claim.entries
    this.#bytes += bytes
    this.#bytesCame += Math.min(bytes, rowBytes)
  }

  /** A node above the subtrees has come. */
  noteNode(bytes: number): void {
    this.#bytes += bytes
    this.#bytesCame += bytes
  }

  /** @param trips of questions about rows so far, one after the other */
  tell(trips: number): void {
    const { target, peers, onProgress } = this.#options
    if (onProgress === undefined) return
    const { entries, bytes, bytesCame } = this.proven
    onProgress({
      entries,
      bytes,
      bytesHere: bytes - bytesCame,
      entriesTotal: target.entries,
      bytesTotal: target.bytes,
      blocksReceived: 0,
      subtreesSkipped: 0,
      roundTrips: 1 + trips,
      peers: [...peers.used].map(([{ name }, { rows, bytes: used }]) => ({ name, blocks: 0, rows, bytes: used })),
    })
  }
}
