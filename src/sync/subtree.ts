/**
 * A verified node whose subtree is being completed: what is still missing below it, and what its completeness record
 * will say (tree.md, 4).
 */
import { copyBytes, EMPTY_BYTES } from '../bytes.ts'
import { formatLink } from '../link.ts'
import type { NodeClaim, VerifiedNode } from '../prolly/index.ts'
import type { CompleteRecord } from '../store/interface.ts'

/** A step from the root: the block, and which child of its parent, or which row of its leaf, it is. */
export interface PathStep {
  readonly cid: string
  readonly index: number
}

export class Subtree {
  readonly parent: Subtree | undefined
  /** Which child of the parent this is. */
  readonly index: number
  readonly #claim: NodeClaim
  readonly #verified: VerifiedNode
  /** Children, or values of a leaf, that are not here yet. */
  #missing = 0
  #firstKey: Uint8Array
  #lastChildClosed = true

  constructor(claim: NodeClaim, verified: VerifiedNode, parent: Subtree | undefined, index: number) {
    const { node } = verified
    this.#claim = claim
    this.#verified = verified
    this.#firstKey = node.level === 0 && node.length > 0 ? node.key(0) : EMPTY_BYTES
    this.parent = parent
    this.index = index
  }

  get isComplete(): boolean {
    return this.#missing === 0
  }

  /** `count` children or values more have to come. */
  expect(count: number): void {
    this.#missing += count
  }

  /** A value of a leaf is here. Gives this subtree if nothing is missing now. */
  completeValue(): Subtree | undefined {
    return --this.#missing === 0 ? this : undefined
  }

  /** Child `i` is complete. Gives this subtree if nothing is missing now. */
  completeChild(i: number, firstKey: Uint8Array, spineClosed: boolean): Subtree | undefined {
    // Copied: the child's block need not stay in memory as long as this subtree.
    if (i === 0) this.#firstKey = copyBytes(firstKey)
    if (i === this.#verified.node.length - 1) this.#lastChildClosed = spineClosed
    return --this.#missing === 0 ? this : undefined
  }

  /** True once nothing is missing. */
  record(): CompleteRecord {
    const { node, closed } = this.#verified
    return {
      link: copyBytes(this.#claim.link),
      level: node.level,
      entries: node.entries,
      bytes: node.totalBytes,
      firstKey: this.#firstKey,
      lastKey: node.lastKey ?? EMPTY_BYTES,
      spineClosed: closed && this.#lastChildClosed,
    }
  }

  /** From the root to this node. */
  path(): PathStep[] {
    const above = this.parent?.path() ?? []
    return [...above, { cid: formatLink(this.#claim.link), index: this.index }]
  }
}
