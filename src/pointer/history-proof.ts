/**
 * Proofs about the history, RFC 6962 section 2.1, checked as RFC 9162 section 2.1 writes it down. Sizes and indexes go
 * to 2^40, so there are no 32-bit shifts here. Checks are total: hostile paths give false.
 */
import { equalBytes } from '../bytes.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { EMPTY_HISTORY } from './payload.ts'
import { completeSubtrees, foldSubtrees, type HashedSubtree, historyNode, type Subtree } from './history.ts'

/** Gives the hashes of complete subtrees, in the order asked for: at most 80 at once. What it throws, whoever proves throws. */
export type SubtreeHashReader = (subtrees: readonly Subtree[]) => MaybePromise<readonly Uint8Array[]>

/** Leaves `start`..`end`-1. */
interface LeafRange {
  readonly start: number
  readonly end: number
}

const half = (value: number): number => Math.floor(value / 2)

/** The largest power of two below `size`, which is at least 2. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

/**
 * The path from leaf `index` (0-based) to the root of the tree of `size` leaves: O(log size) hashes, one batch of reads.
 * @throws {RangeError} unless 0 <= index < size.
 */
export function proveInclusion(index: number, size: number, read: SubtreeHashReader): MaybePromise<Uint8Array[]> {
  if (!(index >= 0 && index < size)) throw new RangeError(`index: expected 0..${size - 1}, got ${index}`)
  return hashRanges(inclusionRanges(index, 0, size), read)
}

/**
 * The proof that the tree of `from` leaves is a prefix of the tree of `to` leaves: O(log to) hashes, one batch of reads.
 * @throws {RangeError} unless 0 <= from <= to.
 */
export function proveConsistency(from: number, to: number, read: SubtreeHashReader): MaybePromise<Uint8Array[]> {
  if (!(from >= 0 && from <= to)) throw new RangeError(`from: expected 0..${to}, got ${from}`)
  return from === 0 ? [] : hashRanges(consistencyRanges(from, 0, to, true), read)
}

/** Whether `path` shows that `leaf` (a leaf's hash) is leaf `index` of the tree of `size` leaves with this root. */
export function checkInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!(index >= 0 && index < size)) return false
  let at = index
  let last = size - 1
  let hash = leaf
  for (const sibling of path) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      hash = historyNode(sibling, hash)
      for (; at % 2 === 0 && at !== 0; at = half(at)) last = half(last)
    } else {
      hash = historyNode(hash, sibling)
    }
    at = half(at)
    last = half(last)
  }
  return last === 0 && equalBytes(hash, root)
}

/** Whether `path` shows that the tree of `from` leaves with root `fromRoot` is a prefix of the one of `to` leaves. */
export function checkConsistency(
  from: number,
  to: number,
  path: readonly Uint8Array[],
  fromRoot: Uint8Array,
  toRoot: Uint8Array,
): boolean {
  if (!(from >= 0 && from <= to)) return false
  if (from === 0) return path.length === 0 && equalBytes(fromRoot, EMPTY_HISTORY)
  if (from === to) return path.length === 0 && equalBytes(fromRoot, toRoot)
  let at = from - 1
  let last = to - 1
  for (; at % 2 === 1; at = half(at)) last = half(last)
  // a tree of 2^n leaves is a subtree of the other one: its root need not be sent
  const [start, ...rest] = at === 0 ? [fromRoot, ...path] : path
  if (start === undefined) return false
  let older = start
  let newer = start
  for (const hash of rest) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      older = historyNode(hash, older)
      newer = historyNode(hash, newer)
      for (; at % 2 === 0 && at !== 0; at = half(at)) last = half(last)
    } else {
      newer = historyNode(newer, hash)
    }
    at = half(at)
    last = half(last)
  }
  return last === 0 && equalBytes(older, fromRoot) && equalBytes(newer, toRoot)
}

/**
 * The complete subtrees that an inclusion path shows which {@link checkInclusion} has found to hold: the leaf, its siblings on
 * the way up, and what these hash to. Those that end in an incomplete one at the right edge are left out.
 */
export function shownSubtrees(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): HashedSubtree[] {
  let own: HashedSubtree | undefined = { level: 0, index, hash: leaf }
  const shown = [own]
  for (const [i, { start, end }] of inclusionRanges(index, 0, size).entries()) {
    const [place, ...others] = completeSubtrees(start, end)
    const hash = path[i]
    if (place === undefined || hash === undefined || others.length > 0) {
      own = undefined
      continue
    }
    shown.push({ ...place, hash })
    if (own?.level !== place.level) {
      own = undefined
      continue
    }
    const parent: Uint8Array = own.index < place.index ? historyNode(own.hash, hash) : historyNode(hash, own.hash)
    own = { level: own.level + 1, index: half(own.index), hash: parent }
    shown.push(own)
  }
  return shown
}

/** PATH of RFC 6962, 2.1.1, as ranges of leaves. */
function inclusionRanges(index: number, start: number, end: number): LeafRange[] {
  if (end - start === 1) return []
  const middle = start + splitOf(end - start)
  return index < middle
    ? [...inclusionRanges(index, start, middle), { start: middle, end }]
    : [...inclusionRanges(index, middle, end), { start, end: middle }]
}

/** SUBPROOF of RFC 6962, 2.1.2, as ranges of leaves. `known`: the range is a whole tree the reader has the root of. */
function consistencyRanges(from: number, start: number, end: number, known: boolean): LeafRange[] {
  if (from === end) return known ? [] : [{ start, end }]
  const middle = start + splitOf(end - start)
  return from <= middle
    ? [...consistencyRanges(from, start, middle, known), { start: middle, end }]
    : [...consistencyRanges(from, middle, end, false), { start, end: middle }]
}

function hashRanges(ranges: readonly LeafRange[], read: SubtreeHashReader): MaybePromise<Uint8Array[]> {
  const parts = ranges.map(({ start, end }) => completeSubtrees(start, end))
  const fold = (hashes: readonly Uint8Array[]): Uint8Array[] => {
    let at = 0
    return parts.map((subtrees) => foldSubtrees(hashes.slice(at, (at += subtrees.length))))
  }
  const hashes = read(parts.flat())
  return hashes instanceof Promise ? hashes.then(fold) : fold(hashes)
}
