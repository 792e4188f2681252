/**
 * What a verifier checks per node, in O(node), given what the parent (or the signed root) claims of it (tree.md, 4).
 * With these rules a root commits to the only tree of its entries: no verifier may skip one of them.
 *
 * Rule 1 (size and hash) is the fault of the peer that sent the block; 2 to 9 of the author who signed it, since the
 * hash is right. `details.rule` of the error names the first rule that fails.
 */
import { compareBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { CODEC_DAG_PB, CODEC_RAW, formatLink, linkCodec, type Link, matchesLink } from '../link.ts'
import type { CompleteRecord } from '../store/interface.ts'
import { decodeFileNode, type FileBlock, type FilePlace, LayoutFailure } from '../unixfs/index.ts'
import { DecodeFailure } from './cbor.ts'
import { type Format, FORMAT_1, NODE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from './format.ts'
import { compareKeysOf, isValueRef, Node, type ValueRef } from './node.ts'
import { isBoundary } from './splitter.ts'

/** What is known of a node before it arrives. */
export interface NodeClaim {
  readonly link: Link
  /** Undefined for a root: any level. */
  readonly level: number | undefined
  /** Every key lies above it; undefined at the left edge (the empty key is a valid key). */
  readonly lower: Uint8Array | undefined
  /** The node's last key; undefined for a root. */
  readonly last: Uint8Array | undefined
  readonly entries: number
  readonly bytes: number
  /** Of its level: only such a node may end without a boundary. */
  readonly rightmost: boolean
}

export interface VerifiedNode {
  readonly node: Node
  /** The last entry ends a chunk, so the node may also stand where it is not the rightmost. */
  readonly closed: boolean
}

export type Rule = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

/** The claim of a signed root: its totals, any level, both edges. */
export function rootClaim(root: { readonly root: Link; readonly entries: number; readonly bytes: number }): NodeClaim {
  const { root: link, entries, bytes } = root
  return { link, level: undefined, lower: undefined, last: undefined, entries, bytes, rightmost: true }
}

/** What a verified internal node, itself under `claim`, says of its child `i`. */
export function childClaim(node: Node, i: number, claim: NodeClaim): NodeClaim {
  return {
    link: node.link(i),
    level: node.level - 1,
    lower: i === 0 ? claim.lower : node.key(i - 1),
    last: node.key(i),
    entries: node.childEntries(i),
    bytes: node.childBytes(i),
    rightmost: claim.rightmost && i === node.length - 1,
  }
}

/**
 * Rules 1 to 8, in order.
 * @throws {CoppiceError} `BLOCK_MISMATCH` for rule 1, `TREE_MALFORMED` for 2 to 8, with `details` of rule, cid and place.
 */
export function verifyNode(bytes: Uint8Array, claim: NodeClaim, format: Format = FORMAT_1): VerifiedNode {
  if (bytes.length > NODE_BYTES_MAX) broken(1, claim, `a block of at most ${NODE_BYTES_MAX} bytes`, `${bytes.length}`)
  if (!matchesLink(claim.link, bytes)) broken(1, claim, 'the sha2-256 of its CID', 'other bytes')
  return verifyHeldNode(bytes, claim, format)
}

/** Rules 2 to 8, for a block of our own store, whose hash was checked when it came in. */
export function verifyHeldNode(bytes: Uint8Array, claim: NodeClaim, format: Format = FORMAT_1): VerifiedNode {
  const node = decode(bytes, claim)
  if (claim.level !== undefined && node.level !== claim.level) {
    broken(3, claim, `level ${claim.level}`, `level ${node.level}`)
  }
  verifyOccupied(node, claim)
  verifyKeys(node, claim)
  verifyValueForms(node, claim, format)
  const closed = verifyBoundaries(node, claim, format)
  if (node.entries !== claim.entries) broken(8, claim, `${claim.entries} entries`, `${node.entries}`)
  if (node.totalBytes !== claim.bytes) broken(8, claim, `${claim.bytes} bytes in all`, `${node.totalBytes}`)
  return { node, closed }
}

function decode(bytes: Uint8Array, claim: NodeClaim): Node {
  try {
    return Node.decode(bytes)
  } catch (error) {
    if (error instanceof DecodeFailure) broken(2, claim, error.message)
    throw error
  }
}

function verifyOccupied(node: Node, claim: NodeClaim): void {
  const emptyRoot = claim.last === undefined && node.level === 0
  if (node.length === 0 && !emptyRoot) broken(4, claim, 'at least one entry', 'none')
  if (node.level === 0) return
  for (let i = 0; i < node.length; i++) {
    if (node.childEntries(i) < 1) broken(4, claim, `at least one entry below child ${i}`, 'none')
  }
}

function verifyKeys(node: Node, claim: NodeClaim): void {
  if (node.length > 0 && claim.lower !== undefined && node.compareKey(0, claim.lower) <= 0) {
    broken(5, claim, 'keys above the lower bound', 'a key at or below it')
  }
  // No views: those of a million rows would be most of the garbage of a clone.
  for (let i = 1; i < node.length; i++) {
    if (compareKeysOf(node, i - 1, node, i) >= 0) {
      broken(5, claim, 'keys strictly ascending', `key ${i} at or below the one before it`)
    }
  }
  if (claim.last !== undefined && (node.length === 0 || node.compareKey(node.length - 1, claim.last) !== 0)) {
    broken(5, claim, "the parent's key as the last", 'another')
  }
}

function verifyValueForms(node: Node, claim: NodeClaim, format: Format): void {
  if (node.level > 0) return
  for (let i = 0; i < node.length; i++) {
    const size = node.valueSize(i)
    if (node.isInline(i)) {
      if (size > format.inlineBytesMax) broken(6, claim, `value ${i} of ${size} bytes out of line`, 'inline')
      continue
    }
    if (size <= format.inlineBytesMax) broken(6, claim, `value ${i} of ${size} bytes inline`, 'out of line')
    const value = node.value(i)
    const expected = size <= RAW_VALUE_BYTES_MAX ? CODEC_RAW : CODEC_DAG_PB
    if (isValueRef(value) && linkCodec(value.link) !== expected) {
      broken(6, claim, `a ${expected === CODEC_RAW ? 'raw' : 'UnixFS'} CID for ${size} bytes`, formatLink(value.link))
    }
  }
}

/** Replays the splitter over the node; gives whether the last entry is a boundary. */
function verifyBoundaries(node: Node, claim: NodeClaim, format: Format): boolean {
  const last = node.length - 1
  let x = 0
  let closes = false
  for (let i = 0; i <= last; i++) {
    const e = node.entryLength(i)
    x += e
    closes = isBoundary(format, node.level, i + 1, x, e, node.bytes, node.keyStart(i), node.keyEnd(i))
    if (closes && i < last) broken(7, claim, `the chunk to end after entry ${i}`, `${node.length} entries`)
  }
  if (!closes && !claim.rightmost) broken(7, claim, 'a boundary at the last entry', 'none')
  if (claim.last === undefined && node.level > 0 && node.length < 2) {
    broken(7, claim, 'at least 2 children below an internal root', '1')
  }
  return closes
}

/**
 * Rule 9, for a value that is one raw block: exactly `size` bytes that hash to the CID of the entry.
 * @throws {CoppiceError} as {@link verifyValueBlock}.
 */
export function verifyValue(bytes: Uint8Array, { link, size }: ValueRef): void {
  verifyValueBlock(bytes, { link, place: { offset: 0, size, height: 0 } })
}

/**
 * Rule 9, for one block of a value: the value itself up to 1 MiB, a leaf or a node of its file beyond. Top down, since
 * what is known of a block follows from the entry's size. Gives the links of a node, none for a leaf.
 * @throws {CoppiceError} `BLOCK_MISMATCH` where the hash is wrong (the peer's fault), `TREE_MALFORMED` rule 9 where the
 *   hash is right and the block is not what has to stand there (the author's).
 */
export function verifyValueBlock(bytes: Uint8Array, block: FileBlock): readonly Link[] {
  if (bytes.length > RAW_VALUE_BYTES_MAX || !matchesLink(block.link, bytes)) {
    const cid = formatLink(block.link)
    throw new CoppiceError('BLOCK_MISMATCH', `value ${cid}: expected the bytes of its CID, got others`, {
      details: { rule: 1, cid },
    })
  }
  return verifyHeldValueBlock(bytes, block)
}

/** As {@link verifyValueBlock}, for bytes whose hash was checked when they came in. */
export function verifyHeldValueBlock(bytes: Uint8Array, { link, place }: FileBlock): readonly Link[] {
  if (place.height > 0) {
    try {
      return decodeFileNode(bytes, place)
    } catch (error) {
      if (error instanceof LayoutFailure) throw wrongValue(link, place, error.message)
      throw error
    }
  }
  if (bytes.length === place.size) return []
  throw wrongValue(link, place, `expected ${place.size} bytes as its entry says, got ${bytes.length}`)
}

function wrongValue(link: Link, { offset }: FilePlace, what: string): CoppiceError {
  const cid = formatLink(link)
  const where = offset === 0 ? 'rule 9' : `rule 9, from byte ${offset} on`
  return new CoppiceError('TREE_MALFORMED', `value ${cid}: ${what} (${where})`, { details: { rule: 9, cid, offset } })
}

/**
 * Whether a subtree recorded as complete may stand where `claim` puts it, without looking below ("Held is not
 * verified"): order and boundaries depend on the place, so the record's own edges must fit it. False means no more
 * than that the subtree has to be verified again under this claim.
 */
export function mayReuse(record: CompleteRecord, claim: NodeClaim): boolean {
  return (
    claim.level !== undefined &&
    claim.last !== undefined &&
    record.level === claim.level &&
    record.entries === claim.entries &&
    record.bytes === claim.bytes &&
    compareBytes(record.lastKey, claim.last) === 0 &&
    (claim.lower === undefined || compareBytes(record.firstKey, claim.lower) > 0) &&
    (claim.rightmost || record.spineClosed)
  )
}

/** As {@link mayReuse}, for a block of a value: all that depends on its place is size and height. */
export function mayReuseValue(record: CompleteRecord, { place }: FileBlock): boolean {
  return record.level === -1 && record.bytes === place.size && record.entries === place.height
}

function broken(rule: Rule, claim: NodeClaim, expected: string, got?: string): never {
  const cid = formatLink(claim.link)
  const where = claim.level === undefined ? 'root' : `level ${claim.level}`
  const what = got === undefined ? expected : `expected ${expected}, got ${got}`
  throw new CoppiceError(
    rule === 1 ? 'BLOCK_MISMATCH' : 'TREE_MALFORMED',
    `node ${cid}: ${what} (rule ${rule}, ${where})`,
    { details: { rule, cid, level: claim.level, lower: claim.lower, last: claim.last } },
  )
}
