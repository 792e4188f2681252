/**
 * Changes as they are proven (proof.md, 3): both trees are walked from the left at once; where the fronts are the same
 * subtree (equal links are equal content) both sides skip it unread. The walk ends with the last change asked for, so
 * what a page shows is what changed up to there.
 */
import { compareBytes, equalBytes } from '../bytes.ts'
import type { Link } from '../link.ts'
import type { Change } from '../prolly/diff.ts'
import { equalValues, type Value } from '../prolly/node.ts'
import type { KeyRange } from '../prolly/range.ts'
import type { Answer, DiffQuestion } from './question.ts'
import { hasKeysBetween, lowerBoundOf, type Place, type Reading, type Replay } from './replay.ts'

/** `from` and `to` are roots. */
export function* diff(replay: Replay, from: Place, to: Place, question: DiffQuestion): Reading<Answer<DiffQuestion>> {
  const changes: Change[] = []
  if (equalBytes(from.claim.link, to.claim.link)) return { changes, through: undefined }
  const left = new Front(replay, from, question)
  const right = new Front(replay, to, question)
  while (changes.length < question.limit) {
    left.settle()
    right.settle()
    if (left.isDone && right.isDone) return { changes, through: undefined }
    const change = yield* step(replay, left, right)
    if (change !== undefined) changes.push(change)
  }
  return { changes, through: changes.at(-1)?.key }
}

/** Moves the front that stands lower, or both; a change where that passes one. */
function* step(replay: Replay, left: Front, right: Front): Reading<Change | undefined> {
  if (right.isDone || isBefore(left, right)) {
    if (!left.isRow) return yield* left.enter()
    return { type: 'remove', key: left.key, from: yield* replay.value(left.take()) }
  }
  if (left.isDone || isBefore(right, left)) {
    if (!right.isRow) return yield* right.enter()
    return { type: 'add', key: right.key, to: yield* replay.value(right.take()) }
  }
  if (left.isRow && right.isRow) {
    const { key } = right
    const [before, after] = [left.take(), right.take()]
    if (equalValues(before, after)) return undefined
    return { type: 'update', key, from: yield* replay.value(before), to: yield* replay.value(after) }
  }
  if (!left.isRow && !right.isRow && equalBytes(left.link, right.link)) {
    left.advance()
    right.advance()
    return undefined
  }
  // The higher front may hold the lower one's equal further down. One at a time: the other may turn out not to be needed.
  return yield* left.level >= right.level ? left.enter() : right.enter()
}

/** Whether all that stands at the front of `a` lies before that of `b`: it has no counterpart there, whatever it holds. */
function isBefore(a: Front, b: Front): boolean {
  if (a.isDone || b.isDone) return false
  if (a.isRow && b.isRow) return compareBytes(a.key, b.key) < 0
  return b.lower !== undefined && compareBytes(a.key, b.lower) <= 0
}

/** Level of a row as a front: below every node. */
const ROW_LEVEL = -1

interface Step {
  readonly place: Place
  index: number
}

/** One side of the walk: what stands at its left edge, a subtree not yet read or a row. */
class Front {
  readonly #replay: Replay
  readonly #range: KeyRange
  readonly #path: Step[]
  /** The last key passed: all that is left lies above it. */
  #lower: Uint8Array | undefined

  constructor(replay: Replay, root: Place, range: KeyRange) {
    this.#replay = replay
    this.#range = range
    this.#path = [{ place: root, index: 0 }]
  }

  get isDone(): boolean {
    return this.#path.length === 0
  }

  get #step(): Step {
    return this.#path.at(-1) as Step
  }

  get isRow(): boolean {
    return this.level === ROW_LEVEL
  }

  get level(): number {
    return this.#step.place.node.level - 1
  }

  get link(): Link {
    return this.#step.place.node.link(this.#step.index)
  }

  /** The row's key, or the last key of the subtree. */
  get key(): Uint8Array {
    return this.#step.place.node.key(this.#step.index)
  }

  get lower(): Uint8Array | undefined {
    return this.#lower
  }

  /** Leaves finished nodes behind, and what lies outside the range. */
  settle(): void {
    const { start, end } = this.#range
    while (this.#path.length > 0) {
      const { place, index } = this.#step
      if (index === place.node.length) {
        this.#path.pop()
        if (this.#path.length > 0) this.#step.index++
      } else if (start !== undefined && place.node.compareKey(index, start) < 0) {
        this.advance()
      } else {
        if (this.#isBeyond(end)) this.#path.length = 0
        return
      }
    }
  }

  #isBeyond(end: Uint8Array | undefined): boolean {
    const { place, index } = this.#step
    if (this.isRow) return end !== undefined && place.node.compareKey(index, end) >= 0
    return !hasKeysBetween(lowerBoundOf(place, index), end)
  }

  /** Passes what stands at the front. */
  advance(): void {
    this.#lower = this.key
    this.#step.index++
  }

  /** Reads the subtree at the front; its first child or row is the front then. */
  *enter(): Reading<undefined> {
    const { place, index } = this.#step
    this.#path.push({ place: yield* this.#replay.child(place, index), index: 0 })
    return undefined
  }

  /** The row's value; passes the row. */
  take(): Value {
    const { place, index } = this.#step
    this.advance()
    return place.node.value(index)
  }
}
