/** Carriers for databases in one process: those of a list, which a test may change, and ones that misbehave. */
import type { Carrier, CarrierAnswer, CarrierReceipt } from '../../src/carriers/carrier.ts'
import type { Carriers } from '../../src/db/index.ts'
import { VirtualClock } from './virtual-clock.ts'

/** Whoever is given it uses what the list has at the moment. */
export function carriersOf(...list: Carrier[]): Carriers & { readonly list: () => Promise<Carrier[]> } {
  return { list: () => Promise.resolve(list), close: () => Promise.resolve() }
}

/** A clock under which carriers in memory, which take some turns of the event loop, take no time. */
export function carrierClock(): VirtualClock {
  return new VirtualClock(undefined, 12)
}

interface Behaviour {
  readonly name?: string
  readonly keepsMs?: number | null
  readonly get?: (signal: AbortSignal) => Promise<CarrierAnswer>
  readonly put?: ((signal: AbortSignal) => Promise<CarrierReceipt>) | undefined
}

export const NOTHING_SHOWN: CarrierAnswer = { shown: [], asked: 1, answered: 1 }

/** `carrier`, but for what is given. */
export function behaving(
  carrier: Carrier,
  { name = carrier.name, keepsMs = carrier.keepsMs, get, put }: Behaviour,
): Carrier {
  return {
    name,
    source: name,
    keepsMs,
    get: (pointer, signal) => get?.(signal) ?? carrier.get(pointer, signal),
    put: async (pointer, record, signal) =>
      (await put?.(signal)) ?? (await carrier.put?.(pointer, record, signal)) ?? NOT_PUT,
    close: () => carrier.close(),
  }
}

const NOT_PUT: CarrierReceipt = { stored: 0, newer: 0, seen: 0, refusals: [] }

/** Settles when the signal aborts, as whoever waits for a peer that never answers. */
export function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
