/**
 * Tells carriers that showed something older, or nothing, of the newest root (record.md, 7): anybody may put a record again, since the
 * key is only needed to sign. Of a fork nothing is told.
 */
import type { Clock } from '../clock.ts'
import { haltingEvidence } from '../pointer/index.ts'
import type { Carrier, CarrierReceipt, PointerName } from './carrier.ts'
import type { CarrierOutcome, Resolved } from './resolve.ts'

export interface TellOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** For all of them together. */
  readonly deadlineMs?: number | undefined
}

export interface Told {
  readonly name: string
  /** Undefined where it did not take part: it cannot be put to, is away, or needs an envelope that nobody showed. */
  readonly receipt: CarrierReceipt | undefined
}

export const TELL_MS = 10_000

const BEHIND: ReadonlySet<CarrierOutcome> = new Set(['older', 'nothing', 'invalid'])

/** Those that were behind, and what became of it. Nothing is thrown but the signal's reason. `resolved` is of `carriers`, in this order. */
export async function tellOlder(
  pointer: PointerName,
  carriers: readonly Carrier[],
  { record, floor, carriers: reports }: Resolved,
  { clock, signal, deadlineMs = TELL_MS }: TellOptions,
): Promise<Told[]> {
  const epoch = floor.accepted?.root.payload.epoch
  if (record === undefined || epoch === undefined || haltingEvidence(floor, epoch) !== undefined) return []
  const behind = carriers.filter((_, at) => BEHIND.has(reports[at]?.outcome ?? 'late'))
  const over = new AbortController()
  const until = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  const told = new Map<Carrier, CarrierReceipt>()
  const telling = behind.map(async (carrier) => {
    const receipt = await carrier.put?.(pointer, record, until).catch(() => undefined)
    if (receipt !== undefined && !until.aborted) told.set(carrier, receipt)
  })
  const timeUp = clock.sleep(deadlineMs, until).catch(() => undefined)
  await Promise.race([Promise.all(telling), timeUp])
  over.abort(new Error('the time for telling is over'))
  await timeUp
  signal?.throwIfAborted()
  return behind.map((carrier) => ({ name: carrier.name, receipt: told.get(carrier) }))
}
