/** An input that stops waiting when told to. Readers look at their signal between chunks, and a pipe may never bring one. */
import type { ByteSource } from '../formats/index.ts'

type Chunk = IteratorResult<Uint8Array, unknown>

/** The chunks of `source`. @throws the signal's reason as soon as it aborts, also while a chunk is waited for. */
export async function* abortable(source: ByteSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let isDone = false
  try {
    for (;;) {
      signal.throwIfAborted()
      const chunk = iterator.next()
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

function unlessAborted(chunk: Promise<Chunk>, signal: AbortSignal): Promise<Chunk> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    chunk.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
