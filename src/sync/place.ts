/** Places of a tree where a block is wanted, and the claims under which it is verified there. */
import { CoppiceError } from '../errors.ts'
import { formatLink, type Link } from '../link.ts'
import { type NodeClaim, RAW_VALUE_BYTES_MAX, type ValueRef } from '../prolly/index.ts'
import type { Subtree } from './subtree.ts'

/** Where a node is wanted. */
export interface NodePlace {
  readonly kind: 'node'
  readonly claim: NodeClaim
  readonly parent: Subtree | undefined
  readonly index: number
  /** Questions that had to be answered one after the other before this place was known. */
  readonly trips: number
}

/** Where a leaf's out-of-line value is wanted. */
export interface ValuePlace {
  readonly kind: 'value'
  readonly ref: ValueRef
  readonly parent: Subtree
  readonly index: number
  readonly trips: number
}

export type Place = NodePlace | ValuePlace

export function linkOf(place: Place): Link {
  return place.kind === 'node' ? place.claim.link : place.ref.link
}

/** The root counts as internal: nothing else is wanted before it. */
export function isInternal(place: Place): boolean {
  return place.kind === 'node' && place.claim.level !== 0
}

export function mismatch(link: Link): CoppiceError {
  const cid = formatLink(link)
  return new CoppiceError('BLOCK_MISMATCH', `block ${cid}: expected the bytes of its CID, got others (rule 1)`, {
    details: { rule: 1, cid },
  })
}

export function tooLarge(ref: ValueRef): CoppiceError {
  const message = `value ${formatLink(ref.link)}: ${ref.size} bytes, this version reads at most ${RAW_VALUE_BYTES_MAX}; update coppice`
  return new CoppiceError('FORMAT_NEWER', message, { details: { cid: formatLink(ref.link), bytes: ref.size } })
}
