/**
 * Rows that are at hand and written at once give the event loop no turn, and with it neither Ctrl-C nor the progress line.
 * A pacer gives it one every few milliseconds.
 */
import { setImmediate } from 'node:timers/promises'

const TURN_MS = 20

export class Pacer {
  readonly #signal: AbortSignal
  #turnAt: number = performance.now()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  get isDue(): boolean {
    return performance.now() - this.#turnAt > TURN_MS
  }

  /** To be awaited where {@link isDue}. @throws the signal's reason. */
  async turn(): Promise<void> {
    await setImmediate()
    this.#turnAt = performance.now()
    this.#signal.throwIfAborted()
  }

  /** `source`, with a turn of the event loop after each item that is due. */
  async *over<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    for await (const item of source) {
      yield item
      if (this.isDue) await this.turn()
    }
  }
}
