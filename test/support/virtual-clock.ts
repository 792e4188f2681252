/**
 * A clock that stands still until everything waits for it, and then jumps to the next timer: hours of patience take
 * milliseconds, and a run in one process (memory channels, memory stores) is the same every time.
 */
import type { Clock } from '../../src/clock.ts'

interface Timer {
  readonly at: number
  readonly fire: () => void
}

/** Turns of the event loop without anything to do after which nothing but timers can be waited for. */
const IDLE_TURNS = 3

export class VirtualClock implements Clock {
  #now: number
  readonly #timers = new Set<Timer>()
  readonly #idleTurns: number

  constructor(now = 1_800_000_000_000, idleTurns: number = IDLE_TURNS) {
    this.#now = now
    this.#idleTurns = idleTurns
  }

  now(): number {
    return this.#now
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error)
      const onAbort = (): void => {
        this.#timers.delete(timer)
        reject(signal?.reason as Error)
      }
      const fire = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const timer: Timer = { at: this.#now + Math.max(0, ms), fire }
      this.#timers.add(timer)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** What `promise` settles with, time passing as fast as it can. Fails where it waits for something that no timer brings. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => void (isSettled = true)
    promise.then(settle, settle)
    for (let idle = 0; !isSettled;) {
      await new Promise((resolve) => setImmediate(resolve))
      if (++idle < this.#idleTurns) continue
      idle = 0
      if (!isSettled && !this.#fireNext()) throw new Error('virtual clock: everything waits, and no timer is set')
    }
    return promise
  }

  /** Fires the earliest timer, of several the oldest. */
  #fireNext(): boolean {
    let next: Timer | undefined
    for (const timer of this.#timers) if (next === undefined || timer.at < next.at) next = timer
    if (next === undefined) return false
    this.#timers.delete(next)
    this.#now = next.at
    next.fire()
    return true
  }
}
