/** What one handle does one piece after the other: batches and publishes of a database, pulls of a replica. */
export class Turns {
  /** Settles, never rejects, when all work so far is over. */
  #last: Promise<void> = Promise.resolve()
  #isClosed = false

  /**
   * Runs `work` when all work before it is over, however that ended.
   * @throws the signal's reason, at once while it waits; `work` itself looks at the signal from then on.
   * @throws {TypeError} after {@link close}.
   */
  run<R>(work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    if (this.#isClosed) return Promise.reject(new TypeError('database: used after close()'))
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    const onAbort = (): void => reject(signal?.reason)
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    const turn = async (): Promise<void> => {
      signal?.removeEventListener('abort', onAbort)
      if (signal?.aborted === true) return
      // Awaited here and not by the caller alone: the next turn begins when this work is over.
      await work().then(resolve, reject)
    }
    this.#last = this.#last.then(turn)
    return promise
  }

  /** Refuses further work, and waits for all that was begun or waits. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
  }
}
