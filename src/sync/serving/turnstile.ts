/** Lets a few tasks in at once and the rest in the order in which they came: with one task per channel, a round robin. */
export class Turnstile {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#waitingMax
  }

  /** Runs `task` when its turn comes. Undefined, at once, where too many wait already. */
  async run<T>(task: () => Promise<T>): Promise<T | undefined> {
    if (this.#inside >= this.#atOnce) {
      if (this.isFull) return undefined
      // Whoever leaves hands its place over, so nobody slips in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#inside++
    }
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#inside--
      else next()
    }
  }
}
