/**
 * Ranges as they are proven (proof.md, 3): every leaf that can hold a key of the range is read, so nothing can be left
 * out; at the limit the walk ends as soon as a last key in a parent, or a row, says whether more follow.
 */
import type { Entry } from '../prolly/node.ts'
import type { Answer, ScanQuestion } from './question.ts'
import { hasKeysBetween, lowerBoundOf, type Place, type Reading, type Replay } from './replay.ts'

export function* scan(replay: Replay, root: Place, question: ScanQuestion): Reading<Answer<ScanQuestion>> {
  const walk = new Walk(replay, question)
  yield* question.reverse === true ? walk.backward(root) : walk.forward(root)
  return { rows: walk.rows, more: walk.more }
}

class Walk {
  readonly rows: Entry[] = []
  more = false
  readonly #replay: Replay
  readonly #start: Uint8Array | undefined
  readonly #end: Uint8Array | undefined
  readonly #limit: number

  constructor(replay: Replay, { start, end, limit = Number.POSITIVE_INFINITY }: ScanQuestion) {
    this.#replay = replay
    this.#start = start
    this.#end = end
    this.#limit = limit
  }

  /** Gives whether all is known. */
  *forward(place: Place): Reading<boolean> {
    const { node } = place
    const from = this.#start === undefined ? 0 : node.lowerBound(this.#start)
    for (let i = from; i < node.length; i++) {
      const isBelowEnd = this.#end === undefined || node.compareKey(i, this.#end) < 0
      if (node.level === 0 ? !isBelowEnd : !hasKeysBetween(lowerBoundOf(place, i), this.#end)) return true
      if (isBelowEnd && this.#isFull()) return true
      if (node.level === 0) yield* this.#take(place, i)
      else if (yield* this.forward(yield* this.#replay.child(place, i))) return true
    }
    return false
  }

  *backward(place: Place): Reading<boolean> {
    const { node } = place
    const above = this.#end === undefined ? node.length : node.lowerBound(this.#end)
    // In an internal node the child whose last key is at or above the end may hold keys below it.
    const from = node.level === 0 ? above - 1 : Math.min(above, node.length - 1)
    for (let i = from; i >= 0; i--) {
      if (this.#start !== undefined && node.compareKey(i, this.#start) < 0) return true
      // Rows are taken from the right, so the last key of what comes next lies below the end.
      if (this.#isFull()) return true
      if (node.level === 0) yield* this.#take(place, i)
      else if (!hasKeysBetween(lowerBoundOf(place, i), this.#end)) continue
      else if (yield* this.backward(yield* this.#replay.child(place, i))) return true
    }
    return false
  }

  /** Whether what follows is beyond the limit. The caller knows that a row does. */
  #isFull(): boolean {
    if (this.rows.length < this.#limit) return false
    this.more = true
    return true
  }

  *#take({ node }: Place, i: number): Reading<void> {
    this.rows.push({ key: node.key(i), value: yield* this.#replay.value(node.value(i)) })
  }
}
