/**
 * Lets a few tasks in at once and the rest in the order in which they came: with one task per channel, a round robin. Who is gone
 * leaves the line at once: questions of channels that were reset must not keep others waiting, nor turn them away.
 */
export class Turnstile {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** Runs `task` when its turn comes. Undefined, at once, where too many wait already. @throws the signal's reason. */
  async run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    signal.throwIfAborted()
    if (this.#inside >= this.#atOnce) {
      if (this.#waiting.length >= this.#waitingMax) return undefined
      // Whoever leaves hands its place over, so nobody slips in between.
      await this.#turn(signal)
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

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        reject(signal.reason)
      }
      this.#waiting.push(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
