/**
 * Queries as they are proven: generators that ask for blocks by link and verify each against its parent's claim before they
 * use it (proof.md, 3). A prover feeds them from a store and keeps what was asked for, a checker from the proof alone; so
 * both run one algorithm, and the blocks of a proof are those that the answer needs, in the order of first use.
 */
import { compareBytes } from '../bytes.ts'
import { CODEC_RAW, type Link, linkCodec, linkMapKey, matchesLink } from '../link.ts'
import { DecodeFailure } from '../prolly/cbor.ts'
import { type Format, NODE_BYTES_MAX } from '../prolly/format.ts'
import { isValueRef, Node, type Value } from '../prolly/node.ts'
import type { KeyRange } from '../prolly/range.ts'
import type { TreeRef } from '../prolly/tree-writer.ts'
import { childClaim, type NodeClaim, rootClaim, verifyNode, verifyValue } from '../prolly/verify.ts'
import { PROOF_VALUES_MAX, proofTooLarge } from './proof-bytes.ts'

/** Asks for blocks; the bytes that are given may be any, so whoever asks verifies them. */
export type Reading<R> = Generator<Link, R, Uint8Array>

/** A verified node and what was known of it: all that is needed to verify its children. */
export interface Place {
  readonly node: Node
  readonly claim: NodeClaim
}

/** What stays the same within one answer. */
export class Replay {
  readonly #format: Format
  /** Undefined where values out of line are not carried. */
  readonly #carried: Map<string, Uint8Array> | undefined
  #shown = 0

  constructor(format: Format, carriesValues: boolean) {
    this.#format = format
    this.#carried = carriesValues ? new Map() : undefined
  }

  /** A root by its signed totals, or by its CID alone: then its block says them. */
  *root(known: TreeRef | Link): Reading<Place> {
    const isBare = known instanceof Uint8Array
    const bytes = yield isBare ? known : known.root
    return this.#verify(bytes, rootClaim(isBare ? totalsIn(known, bytes) : known))
  }

  *child({ node, claim }: Place, i: number): Reading<Place> {
    const below = childClaim(node, i, claim)
    return this.#verify(yield below.link, below)
  }

  #verify(bytes: Uint8Array, claim: NodeClaim): Place {
    return { node: verifyNode(bytes, claim, this.#format).node, claim }
  }

  /**
   * A value that the answer shows: its bytes where it is carried, each block hashed once however many rows have it; else as
   * its entry has it.
   */
  *value(value: Value): Reading<Value> {
    if (++this.#shown > PROOF_VALUES_MAX) throw proofTooLarge()
    if (this.#carried === undefined || !isValueRef(value) || linkCodec(value.link) !== CODEC_RAW) return value
    const id = linkMapKey(value.link)
    const known = this.#carried.get(id)
    if (known?.length === value.size) return known
    const bytes = known ?? (yield value.link)
    verifyValue(bytes, value)
    this.#carried.set(id, bytes)
    return bytes
  }
}

/** Of a block that is not the root's nothing is read: verifying it says what is wrong. */
function totalsIn(root: Link, bytes: Uint8Array): TreeRef {
  const unread = { root, entries: 0, bytes: 0 }
  if (bytes.length > NODE_BYTES_MAX || !matchesLink(root, bytes)) return unread
  try {
    const { entries, totalBytes } = Node.decode(bytes)
    return { root, entries, bytes: totalBytes }
  } catch (error) {
    if (error instanceof DecodeFailure) return unread
    throw error
  }
}

/** Whether a key above `lower` (undefined: any key) can lie below `end` (undefined: any key does). */
export function hasKeysBetween(lower: Uint8Array | undefined, end: KeyRange['end']): boolean {
  if (lower === undefined) return end === undefined || end.length > 0
  if (end === undefined) return true
  if (compareBytes(lower, end) >= 0) return false
  // The key after `lower` is `lower` and a zero byte: nothing lies between these two.
  return end.length !== lower.length + 1 || end.at(-1) !== 0 || compareBytes(lower, end.subarray(0, -1)) !== 0
}

/** The key that every key of child `i` lies above. */
export function lowerBoundOf({ node, claim }: Place, i: number): Uint8Array | undefined {
  return i === 0 ? claim.lower : node.key(i - 1)
}
