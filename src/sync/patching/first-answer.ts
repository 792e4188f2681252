/** One question, put to one peer after the other until somebody has an answer; one that takes long is not waited for alone. */
import type { Clock } from '../../clock.ts'
import { HEDGE_AFTER_MS } from '../limits.ts'
import type { Session } from '../peers/session.ts'

/**
 * `next` gives whom to ask now, where so many owe an answer; undefined: nobody else. `ask` gives undefined where the peer has none.
 * Undefined where nobody has one. @throws as `ask` does; the signal's reason.
 */
export async function firstAnswer<T>(
  next: (owing: number) => Session | undefined,
  ask: (session: Session) => Promise<T | undefined>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<T | undefined> {
  signal.throwIfAborted()
  const found = Promise.withResolvers<T | undefined>()
  const done = new AbortController()
  const ends = AbortSignal.any([signal, done.signal])
  const answers: Promise<void>[] = []
  let owing = 0
  const askOne = async (session: Session): Promise<void> => {
    owing++
    try {
      const answer = await ask(session)
      if (answer !== undefined) found.resolve(answer)
    } finally {
      owing--
    }
  }
  const askAll = async (): Promise<void> => {
    for (let session = next(0); session !== undefined && !ends.aborted; session = next(owing)) {
      const answer = askOne(session)
      answers.push(answer)
      await Promise.race([answer, clock.sleep(HEDGE_AFTER_MS, ends).catch(() => {})])
    }
    await Promise.all(answers)
    found.resolve(undefined)
  }
  const onAbort = (): void => found.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    askAll().catch((error: unknown) => found.reject(error))
    return await found.promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    done.abort(new Error('there is an answer'))
  }
}
