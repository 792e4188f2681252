/**
 * A verified block whose parts are being completed, a node of the tree or of a value's file: what is still missing below
 * it, and what its completeness record will say (tree.md, 4).
 */
import { copyBytes, EMPTY_BYTES } from '../../bytes.ts'
import { formatLink } from '../../link.ts'
import { type NodeClaim, valueRecord, type VerifiedNode } from '../../prolly/index.ts'
import type { CompleteRecord } from '../../store/interface.ts'
import type { FileBlock } from '../../unixfs/index.ts'

/** A step from the root: the block, and which child of its parent, or which row of its leaf, it is. */
export interface PathStep {
  readonly cid: string
  readonly index: number
}

/** What waits for blocks below it. */
export interface Incomplete {
  /** Undefined for the root of the tree. */
  readonly parent: Incomplete | undefined
  /** Which child of the parent, or which value of its leaf, this is. */
  readonly index: number
  /** Child or value `i`, and everything below it, is here. Gives this if nothing is missing now. */
  completeChild(i: number, firstKey: Uint8Array, spineClosed: boolean): Incomplete | undefined
  /** True once nothing is missing. */
  record(): CompleteRecord
  /** From the root of the tree to this block. */
  path(): PathStep[]
}

export class Subtree implements Incomplete {
  readonly parent: Subtree | undefined
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

  completeChild(i: number, firstKey: Uint8Array, spineClosed: boolean): Subtree | undefined {
    const { node } = this.#verified
    if (node.level > 0) {
      // Copied: the child's block need not stay in memory as long as this subtree.
      if (i === 0) this.#firstKey = copyBytes(firstKey)
      if (i === node.length - 1) this.#lastChildClosed = spineClosed
    }
    return --this.#missing === 0 ? this : undefined
  }

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

  path(): PathStep[] {
    const above = this.parent?.path() ?? []
    return [...above, { cid: formatLink(this.#claim.link), index: this.index }]
  }
}

/** A verified node of a file. */
export class FilePart implements Incomplete {
  readonly parent: Incomplete
  readonly index: number
  readonly #block: FileBlock
  #missing: number

  constructor(block: FileBlock, children: number, parent: Incomplete, index: number) {
    this.#block = block
    this.#missing = children
    this.parent = parent
    this.index = index
  }

  completeChild(): FilePart | undefined {
    return --this.#missing === 0 ? this : undefined
  }

  record(): CompleteRecord {
    return valueRecord(copyBytes(this.#block.link), this.#block.place)
  }

  path(): PathStep[] {
    return [...this.parent.path(), { cid: formatLink(this.#block.link), index: this.index }]
  }
}
