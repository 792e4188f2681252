/**
 * The newer tree from the top, as far as its nodes are here: which subtrees are missing, from left to right. What is recorded or
 * rebuilt is passed over, so a patch that was interrupted goes on where it was. Leaves are no subtrees worth a question about
 * rows: what is missing below a node that is here is left to blocks.
 */
import { copyBytes } from '../../bytes.ts'
import { eventLoopTurn } from '../../event-loop.ts'
import { type Block, matchesLink } from '../../link.ts'
import {
  childClaim,
  type Format,
  mayReuse,
  type NodeClaim,
  rootClaim,
  type TreeRef,
  type VerifiedNode,
  verifyHeldNode,
  verifyNode,
} from '../../prolly/index.ts'
import type { Store } from '../../store/interface.ts'

/** A subtree that is missing. */
export interface Piece {
  readonly claim: NodeClaim
  /** Questions that had to be answered one after the other before it was known. */
  readonly trips: number
  /** It is here, or left to blocks. */
  isDone: boolean
}

/** Places looked at between two turns of the event loop. */
const PLACES_PER_TURN = 1024

export class PieceWalk {
  readonly #store: Pick<Store, 'get' | 'getComplete'>
  readonly #format: Format
  /** The next one last. */
  readonly #places: Piece[]
  /** What was passed over: what the signed counts say of it. */
  readonly here: { entries: number; bytes: number } = { entries: 0, bytes: 0 }
  #sinceTurn = 0

  constructor(target: TreeRef, store: Pick<Store, 'get' | 'getComplete'>, format: Format, trips: number) {
    this.#store = store
    this.#format = format
    this.#places = [{ claim: rootClaim(target), trips, isDone: false }]
  }

  /** Takes the next missing subtree; undefined at the end. @throws {CoppiceError} `TREE_MALFORMED`; errors of the store. */
  async next(): Promise<Piece | undefined> {
    for (let place = this.#places.pop(); place !== undefined; place = this.#places.pop()) {
      if (++this.#sinceTurn % PLACES_PER_TURN === 0) await eventLoopTurn()
      const { claim } = place
      const record = await this.#store.getComplete(claim.link)
      if (record !== undefined && mayReuse(record, claim)) {
        this.here.entries += claim.entries
        this.here.bytes += claim.bytes
        continue
      }
      const held = await this.#store.get(claim.link)
      if (held === undefined || !matchesLink(claim.link, held)) return place
      this.here.bytes += held.length
      if (claim.level !== 1) this.#enter(place, verifyHeldNode(held, claim, this.#format), place.trips)
    }
    return undefined
  }

  /** Gives back what {@link next} gave, the leftmost first. */
  putBack(pieces: readonly Piece[]): void {
    for (let i = pieces.length - 1; i >= 0; i--) this.#places.push(pieces[i] as Piece)
  }

  /**
   * The node of a piece has come; what is missing below comes next. Gives its block, to be kept.
   * @throws {CoppiceError} `BLOCK_MISMATCH`, `TREE_MALFORMED`
   */
  expand(piece: Piece, bytes: Uint8Array): Block {
    this.#enter(piece, verifyNode(bytes, piece.claim, this.#format), piece.trips + 1)
    return { link: copyBytes(piece.claim.link), bytes }
  }

  #enter({ claim }: Piece, { node }: VerifiedNode, trips: number): void {
    if (node.level <= 1) return
    for (let i = node.length - 1; i >= 0; i--) {
      this.#places.push({ claim: childClaim(node, i, claim), trips, isDone: false })
    }
  }
}
