/** Places of a tree where a block is wanted, and the claims under which it is verified there. */
import { CoppiceError } from '../../errors.ts'
import { CODEC_DAG_CBOR, formatLink, type Link, linkCodec } from '../../link.ts'
import {
  type Format,
  type NodeClaim,
  NODE_BYTES_MAX,
  RAW_VALUE_BYTES_MAX,
  type VerifiedNode,
  verifyHeldNode,
  verifyHeldValueBlock,
  verifyNode,
  verifyValueBlock,
} from '../../prolly/index.ts'
import { blockLength, childCount, type FileBlock } from '../../unixfs/index.ts'
import type { Incomplete, Subtree } from './subtree.ts'

/** Where a node is wanted. */
export interface NodePlace {
  readonly kind: 'node'
  readonly claim: NodeClaim
  readonly parent: Subtree | undefined
  readonly index: number
  /** Questions that had to be answered one after the other before this place was known. */
  readonly trips: number
}

/** Where a block of an out-of-line value is wanted: the value itself, or a part of its file. */
export interface ValuePlace {
  readonly kind: 'value'
  readonly block: FileBlock
  /** The tree's leaf, or the file's node. */
  readonly parent: Incomplete
  readonly index: number
  readonly trips: number
}

export type Place = NodePlace | ValuePlace

export function linkOf(place: Place): Link {
  return place.kind === 'node' ? place.claim.link : place.block.link
}

/** The mean length of a node (tree.md, 3), rounded up: a request is sized by it. */
const NODE_BYTES_LIKELY = 4096

/** About how many bytes the block has, by the author's word. */
export function likelyBytes(place: Place): number {
  return place.kind === 'node' ? Math.min(place.claim.bytes, NODE_BYTES_LIKELY) : blockLength(place.block.place)
}

/** Of the block and all below it, by the author's word; undefined for what is no node. */
export function subtreeBytes(place: Place): number | undefined {
  return place.kind === 'node' ? place.claim.bytes : undefined
}

export function bytesMaxOf(link: Link): number {
  return linkCodec(link) === CODEC_DAG_CBOR ? NODE_BYTES_MAX : RAW_VALUE_BYTES_MAX
}

/** Children of a node of a tree, as a rule: what the nodes under way are counted by. */
const CHILDREN_LIKELY = 80

/**
 * How many nodes of a tree the block counts for while it is under way: by the places it brings, none for a leaf. The
 * root counts as internal: nothing else is wanted before it. A file's node brings up to 1024.
 */
export function weightOf(place: Place): number {
  if (place.kind === 'node') return place.claim.level === 0 ? 0 : 1
  const at = place.block.place
  return at.height === 0 ? 0 : Math.ceil(childCount(at) / CHILDREN_LIKELY)
}

/** A node of the tree, or the links of a value's block. */
export type Verified = VerifiedNode | readonly Link[]

/**
 * Verifies `bytes` as the block of the place. `isHashed`: they are known to be those of the link.
 * @throws {CoppiceError} `BLOCK_MISMATCH`, the peer's fault; `TREE_MALFORMED`, the author's, with the way from the root in
 *   `details.path`, which makes it evidence.
 */
export function verifyAt(place: Place, bytes: Uint8Array, isHashed: boolean, format: Format): Verified {
  try {
    if (place.kind === 'value') return (isHashed ? verifyHeldValueBlock : verifyValueBlock)(bytes, place.block)
    return (isHashed ? verifyHeldNode : verifyNode)(bytes, place.claim, format)
  } catch (error) {
    if (!(error instanceof CoppiceError) || error.code !== 'TREE_MALFORMED') throw error
    const path = [...(place.parent?.path() ?? []), { cid: formatLink(linkOf(place)), index: place.index }]
    throw new CoppiceError(error.code, error.message, { cause: error, details: { ...error.details, path } })
  }
}

export function mismatch(link: Link): CoppiceError {
  const cid = formatLink(link)
  return new CoppiceError('BLOCK_MISMATCH', `block ${cid}: expected the bytes of its CID, got others (rule 1)`, {
    details: { rule: 1, cid },
  })
}

/** About a block of a range. */
export function foreignBlock(bytes: Uint8Array): CoppiceError {
  const what = `one of ${bytes.length} bytes that is none of them`
  return new CoppiceError('BLOCK_MISMATCH', `range: expected blocks below the links asked for, got ${what} (rule 1)`, {
    details: { rule: 1 },
  })
}
