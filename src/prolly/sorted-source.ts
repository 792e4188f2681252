/**
 * A sorted stream of keyed items, pulled one ahead. Synchronous sources are read without a promise per item. Every
 * builder and editor reads its input through it, so the order is checked in one place.
 */
import { compareBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import type { MaybePromise } from '../maybe-promise.ts'

export interface Keyed {
  readonly key: Uint8Array
}

export type Source<T> = Iterable<T> | AsyncIterable<T>

export class SortedSource<T extends Keyed> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>
  #head: T | undefined
  #position = -1
  #done = false

  constructor(source: Source<T>) {
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /**
   * Drops the item at hand and gives the next one, undefined after the last.
   * @throws {CoppiceError} `INPUT_UNSORTED`, `INPUT_DUPLICATE_KEY` with `details.position`, counted from 0.
   */
  next(): MaybePromise<T | undefined> {
    if (this.#done) return undefined
    const result = this.#iterator.next()
    return result instanceof Promise ? result.then((late) => this.#accept(late)) : this.#accept(result)
  }

  #accept(result: IteratorResult<T>): T | undefined {
    if (result.done === true) {
      this.#done = true
      this.#head = undefined
      return undefined
    }
    const item = result.value
    this.#position++
    if (this.#head !== undefined) this.#assertAscending(this.#head, item)
    this.#head = item
    return item
  }

  #assertAscending(before: T, item: T): void {
    const order = compareBytes(before.key, item.key)
    if (order < 0) return
    const details = { position: this.#position }
    if (order === 0) {
      throw new CoppiceError('INPUT_DUPLICATE_KEY', `item ${this.#position}: expected each key once, got one twice`, {
        details,
      })
    }
    throw new CoppiceError(
      'INPUT_UNSORTED',
      `item ${this.#position}: expected keys ascending, got one below the one before it`,
      {
        details,
      },
    )
  }

  /** Lets the source free what it holds; called when it is not read to its end. */
  async close(): Promise<void> {
    if (this.#done) return
    this.#done = true
    await this.#iterator.return?.()
  }
}
