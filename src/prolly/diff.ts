/**
 * The difference of two trees as an ordered stream. Both are walked from the left at once; where the fronts are the
 * same subtree (equal links are equal content), both sides skip it unread. Two trees of equal rows are equal trees, so
 * what is read is the changed paths, whatever the size of the rest.
 */
import { equalBytes } from '../bytes.ts'
import { DiffFront } from './diff-front.ts'
import { compareKeysOf, countEqualEntries, type Value } from './node.ts'
import type { KeyRange } from './range.ts'
import type { Tree } from './tree.ts'

export type Change =
  | { readonly type: 'add'; readonly key: Uint8Array; readonly to: Value }
  | { readonly type: 'remove'; readonly key: Uint8Array; readonly from: Value }
  | { readonly type: 'update'; readonly key: Uint8Array; readonly from: Value; readonly to: Value }

export interface DiffOptions extends KeyRange {
  readonly signal?: AbortSignal | undefined
}

/** The changes that turn `from` into `to`, in key order. */
export async function* diffTrees(
  from: Tree,
  to: Tree,
  options: DiffOptions = {},
): AsyncGenerator<Change, void, undefined> {
  options.signal?.throwIfAborted()
  if (equalBytes(from.ref.root, to.ref.root)) return
  const left = await DiffFront.open(from, options)
  const right = await DiffFront.open(to, options)
  for (;;) {
    options.signal?.throwIfAborted()
    passEqual(left, right)
    if (left.isDone && right.isDone) return
    const order = left.isDone ? 1 : right.isDone ? -1 : compareKeysOf(left.node, left.index, right.node, right.index)
    if (order < 0 && isAlone(left, right)) {
      if (left.isRow) yield removed(left)
      else await left.enter()
    } else if (order > 0 && isAlone(right, left)) {
      if (right.isRow) yield added(right)
      else await right.enter()
    } else if (left.isRow && right.isRow) {
      yield updated(left, right)
    } else {
      // The higher front may hold the lower one's equal further down; equal levels are entered together.
      const difference = left.level - right.level
      if (difference >= 0) await left.enter()
      if (difference <= 0) await right.enter()
    }
  }
}

/** Passes rows that are the same on both sides, and subtrees, unread. */
function passEqual(left: DiffFront, right: DiffFront): void {
  while (!left.isDone && !right.isDone && left.level === right.level) {
    const count = countEqualEntries(left.node, left.index, right.node, right.index)
    if (count === 0) return
    left.advance(left.index + count)
    right.advance(right.index + count)
  }
}

/** Whether the lower of two fronts has no partner on the other side; a subtree may have one further down. */
function isAlone(lower: DiffFront, other: DiffFront): boolean {
  return other.isDone || (lower.isRow && other.isRow)
}

function removed(left: DiffFront): Change {
  const { node, index } = left
  left.advance(index + 1)
  return { type: 'remove', key: node.key(index), from: node.value(index) }
}

function added(right: DiffFront): Change {
  const { node, index } = right
  right.advance(index + 1)
  return { type: 'add', key: node.key(index), to: node.value(index) }
}

function updated(left: DiffFront, right: DiffFront): Change {
  const from = left.node.value(left.index)
  const { node, index } = right
  left.advance(left.index + 1)
  right.advance(index + 1)
  return { type: 'update', key: node.key(index), from, to: node.value(index) }
}
