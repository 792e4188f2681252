/** Time as the engine sees it, handed in so that tests and simulations can turn it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Resolves after `ms`; rejects with the reason of the signal as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
