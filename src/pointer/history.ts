/**
 * The history of a database as a transparency log: the RFC 6962 tree hash over the payloads of its signed roots (record.md,
 * 1). A frontier is all that appending needs: the roots of the complete subtrees that the tree consists of, one per 1 bit of
 * its size, so at most 40 hashes for any history.
 */
import { concatBytes, equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { sha256, SHA256_BYTES } from '../sha256.ts'
import { cborArray, cborBytes, CborReader, cborUint } from './cbor.ts'
import { SEQUENCE_MAX } from './order.ts'
import { EMPTY_HISTORY } from './payload.ts'

/** Sequences end below 2^40. */
export const FRONTIER_HASHES_MAX = 40

const LEAF_PREFIX: Uint8Array = Uint8Array.of(0)
const NODE_PREFIX: Uint8Array = Uint8Array.of(1)

/** A complete subtree: 2^level leaves from leaf index * 2^level on. */
export interface Subtree {
  readonly level: number
  readonly index: number
}

export interface HashedSubtree extends Subtree {
  readonly hash: Uint8Array
}

/** The state of an append-only tree. Never changed in place. */
export interface Frontier {
  /** Leaves so far; the payload of sequence s is leaf s-1. */
  readonly size: number
  /** Roots of the complete subtrees, largest and leftmost first. */
  readonly hashes: readonly Uint8Array[]
}

export const EMPTY_FRONTIER: Frontier = { size: 0, hashes: [] }

/** The hash of a leaf: of a whole payload. */
export function historyLeaf(payloadBytes: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF_PREFIX, payloadBytes))
}

export function historyNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(NODE_PREFIX, left, right))
}

/** The hash of a tree made of complete subtrees of descending size. At least one. */
export function foldSubtrees(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.reduceRight((right, left) => historyNode(left, right))
}

/** The tree hash, 32 bytes: a signed root's `history`. */
export function historyRoot(frontier: Frontier): Uint8Array {
  return frontier.size === 0 ? EMPTY_HISTORY : foldSubtrees(frontier.hashes)
}

/**
 * The frontier with one more leaf, and the subtrees which that leaf completed, smallest first and the leaf itself included:
 * whoever keeps them all by (level, index) can prove anything about the history (history-proof.ts).
 */
export function appendHistory(
  frontier: Frontier,
  payloadBytes: Uint8Array,
): { readonly frontier: Frontier; readonly completed: readonly HashedSubtree[] } {
  const hashes = [...frontier.hashes]
  let hash = historyLeaf(payloadBytes)
  let index = frontier.size
  let level = 0
  const completed: HashedSubtree[] = [{ level, index, hash }]
  for (; index % 2 === 1; level++) {
    const left = hashes.pop()
    if (left === undefined) throw new RangeError('frontier: expected one hash per 1 bit of its size')
    hash = historyNode(left, hash)
    index = (index - 1) / 2
    completed.push({ level: level + 1, index, hash })
  }
  hashes.push(hash)
  return { frontier: { size: frontier.size + 1, hashes }, completed }
}

/** The complete subtrees that leaves `start`..`end`-1 of a tree consist of, left to right. `start` is where one of them may begin. */
export function completeSubtrees(start: number, end: number): Subtree[] {
  const subtrees: Subtree[] = []
  for (let at = start; at < end;) {
    let level = 0
    let size = 1
    while (size * 2 <= end - at) {
      size *= 2
      level++
    }
    subtrees.push({ level, index: at / size })
    at += size
  }
  return subtrees
}

/** Where the hashes of a frontier belong. */
export function frontierSubtrees({ size, hashes }: Frontier): HashedSubtree[] {
  return completeSubtrees(0, size).flatMap((subtree, i) => {
    const hash = hashes[i]
    return hash === undefined ? [] : [{ ...subtree, hash }]
  })
}

export function encodeFrontier(frontier: Frontier): Uint8Array {
  return cborArray([cborUint(frontier.size), cborArray(frontier.hashes.map(cborBytes))])
}

/** @throws {CoppiceError} `STORE_CORRUPT`: a frontier is our own state. */
export function decodeFrontier(bytes: Uint8Array): Frontier {
  const reader = new CborReader(new Uint8Array(bytes), (message, offset) => {
    return new CoppiceError('STORE_CORRUPT', `history state: ${message} (byte ${offset})`, { details: { offset } })
  })
  reader.array('history state', 2, 2)
  const size = reader.uint('size', 0, SEQUENCE_MAX)
  const count = countOnes(size)
  reader.array('hashes', count, count)
  const hashes = Array.from({ length: count }, () => reader.bytes('hash', SHA256_BYTES, SHA256_BYTES))
  reader.end('history state')
  return { size, hashes }
}

/** Whether `frontier` is the state whose tree hash is `root`, over `size` payloads. */
export function isFrontierOf(frontier: Frontier, size: number, root: Uint8Array): boolean {
  return frontier.size === size && frontier.hashes.length === countOnes(size) && equalBytes(historyRoot(frontier), root)
}

/** 1 bits of an integer below 2^53: the hashes that a frontier of that size has. */
export function countOnes(value: number): number {
  let ones = 0
  for (let rest = value; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}
