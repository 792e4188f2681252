/**
 * The rows of leaves one at a time, as an async generator gives them. A generator takes three turns of the microtask queue
 * per row, this takes one: a row of the leaf at hand is a settled promise, and only the next leaf is waited for.
 */
import type { MaybePromise } from '../maybe-promise.ts'
import type { Node } from './node.ts'

/** Rows of a leaf from `from` towards `to`, which is not included; `to < from` in reverse. */
export interface LeafRows {
  readonly leaf: Node
  readonly from: number
  readonly to: number
}

const DONE = { done: true, value: undefined } as const

export class RowIterator<T> implements AsyncGenerator<T, void, undefined> {
  readonly #leaves: AsyncGenerator<LeafRows, void, undefined>
  readonly #read: (leaf: Node, row: number) => MaybePromise<T>
  /** Rows still to be given, at most. */
  #left: number
  #leaf: Node | undefined
  #row = 0
  #end = 0
  /** Settles, never rejects, when all calls that had to wait so far are answered: later ones wait for it. */
  #waiting: Promise<void> | undefined

  /** At most `limit` rows, each as `read` makes it of its place. */
  constructor(
    leaves: AsyncGenerator<LeafRows, void, undefined>,
    limit: number,
    read: (leaf: Node, row: number) => MaybePromise<T>,
  ) {
    this.#leaves = leaves
    this.#left = limit
    this.#read = read
  }

  next(): Promise<IteratorResult<T, void>> {
    if (this.#waiting !== undefined || !this.#hasRow()) return this.#inTurn(() => this.#takeLate())
    try {
      const value = this.#take()
      return value instanceof Promise
        ? this.#inTurn(() => value.then(toResult))
        : Promise.resolve({ done: false, value })
    } catch (error) {
      return this.#inTurn(() => Promise.reject(error))
    }
  }

  return(): Promise<IteratorResult<T, void>> {
    return this.#inTurn(() => {
      this.#left = 0
      return this.#takeLate()
    })
  }

  throw(error: unknown): Promise<IteratorResult<T, void>> {
    return this.return().then(() => {
      throw error
    })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #hasRow(): boolean {
    return this.#row !== this.#end && this.#left > 0
  }

  /** The next row of the leaf at hand. */
  #take(): MaybePromise<T> {
    const row = this.#row
    this.#row = row < this.#end ? row + 1 : row - 1
    this.#left--
    return this.#read(this.#leaf as Node, row)
  }

  async #takeLate(): Promise<IteratorResult<T, void>> {
    while (!this.#hasRow()) {
      const next = this.#left > 0 ? await this.#leaves.next() : await this.#leaves.return()
      if (next.done === true) return DONE
      this.#leaf = next.value.leaf
      this.#row = next.value.from
      this.#end = next.value.to
    }
    return { done: false, value: await this.#take() }
  }

  #inTurn(answer: () => Promise<IteratorResult<T, void>>): Promise<IteratorResult<T, void>> {
    const result = this.#waiting === undefined ? answer() : this.#waiting.then(answer)
    const settled: Promise<void> = result.then(
      () => this.#answered(settled),
      () => {
        // As a generator, which gives nothing more once it failed.
        this.#left = 0
        this.#answered(settled)
      },
    )
    this.#waiting = settled
    return result
  }

  #answered(last: Promise<void>): void {
    if (this.#waiting === last) this.#waiting = undefined
  }
}

function toResult<T>(value: T): IteratorYieldResult<T> {
  return { done: false, value }
}
