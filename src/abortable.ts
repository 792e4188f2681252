/** Inputs that stop waiting when told to. Readers look at their signal between chunks, and a pipe may never bring one. */

type Chunk = IteratorResult<Uint8Array, unknown>

/** The chunks of `source`. @throws the signal's reason as soon as it aborts, also while a chunk is waited for. */
export async function* abortable(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let isDone = false
  try {
    for (;;) {
      signal.throwIfAborted()
      const chunk: Promise<Chunk> | Chunk = iterator.next()
      const result = chunk instanceof Promise ? await unlessAborted(chunk, signal) : chunk
      if (result.done === true) {
        isDone = true
        return
      }
      yield result.value
    }
  } finally {
    // Not awaited after an abort: a source that does not answer does not answer this either.
    const freed = isDone ? undefined : iterator.return?.()
    if (signal.aborted) Promise.resolve(freed).catch(() => {})
    else await freed
  }
}

/** What `work` comes to. @throws the signal's reason as soon as it aborts; `work` goes on, and whatever it comes to is dropped. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
