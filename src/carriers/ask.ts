/** Asks several carriers at once, each within the same time: a carrier that is slow or away costs its own answer and nothing else. */
import type { Clock } from '../clock.ts'
import type { Carrier, CarrierAnswer, PointerName } from './carrier.ts'

export interface AskOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** For all of them together. */
  readonly deadlineMs: number
}

/** What one carrier answered; neither an answer nor an error where it had none by the deadline. */
export interface Heard {
  readonly carrier: Carrier
  readonly ms: number
  readonly answer: CarrierAnswer | undefined
  readonly error: unknown
}

/** Each carrier's answer, or why there is none, when all have one or the time is up. @throws the signal's reason, and nothing else. */
export async function askCarriers(
  pointer: PointerName,
  carriers: readonly Carrier[],
  { clock, signal, deadlineMs }: AskOptions,
): Promise<Heard[]> {
  signal?.throwIfAborted()
  const over = new AbortController()
  const asking = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  const begin = clock.now()
  const heard = new Map<Carrier, Heard>()
  const asked = carriers.map(async (carrier) => {
    const [answer, error] = await carrier.get(pointer, asking).then(
      (got) => [got, undefined] as const,
      (thrown: unknown) => [undefined, thrown] as const,
    )
    if (!asking.aborted) heard.set(carrier, { carrier, ms: clock.now() - begin, answer, error })
  })
  const timeUp = clock.sleep(deadlineMs, asking).catch(() => undefined)
  await Promise.race([Promise.all(asked), timeUp])
  over.abort(new Error('the time for answers is over'))
  await timeUp
  signal?.throwIfAborted()
  return carriers.map(
    (carrier) => heard.get(carrier) ?? { carrier, ms: clock.now() - begin, answer: undefined, error: undefined },
  )
}
