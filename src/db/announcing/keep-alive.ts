/**
 * Puts the newest signed root again before its carriers forget it (record.md, 7, "Keeping alive"): an author's, or that of a replica
 * whose owner helps, while the author is away. It needs no key: what only the author's key can make travels with the root. It ends
 * at the signed expiry, since nobody stands by the root any more, and at once where a newer root is known.
 */
import type { Carrier, CarrierReceipt } from '../../carriers/carrier.ts'
import { unlessAborted } from '../../abortable.ts'
import { equalBytes } from '../../bytes.ts'
import { expiryOf, haltingEvidence, type SignedRoot } from '../../pointer/index.ts'
import type { Carriers } from '../carriers.ts'
import { PUBLISHED } from '../meta.ts'
import { readAttachments } from '../roots/attachments.ts'
import { decodeOwn } from '../roots/signed-log.ts'
import { readFloor } from '../roots/standing.ts'
import type { DatabaseState } from '../state.ts'

export interface KeepAliveOptions {
  /** Whether the root is that of a floor, and others may keep it alive as well. */
  readonly isReplica: boolean
  readonly signal: AbortSignal
  /** Called when puts at a carrier begin to fail, and when one is taken again. */
  readonly onPutChange?: ((change: PutChange) => void) | undefined
}

/** A carrier that cannot be put at any more, or that can again. */
export interface PutChange {
  readonly carrier: string
  /** Why the root was not taken, for people: text of others, cut short; undefined where it is taken again. */
  readonly failure: string | undefined
}

/** After this part of the time that a carrier keeps a record, and up to twice the spread more: one failure still leaves time for another try. */
const AGAIN_AT = 0.4
const SPREAD = 0.1
/** Replicas that learn of a root at the same moment do not all put it at once. */
const FIRST_WITHIN = 0.125
/** After a failure; twice as long after each further one, and spread by half. */
const BACK_OFF_MS = 30_000
/** For one put. */
const PUT_MS = 60_000
const FAILURE_CHARS_MAX = 300
/** How soon carriers that were configured meanwhile count. */
const LOOK_AGAIN_MS = 10 * 60_000

/** Carriers among `carriers` that forget what is not put again. */
export function forgetfulCarriers(carriers: readonly Carrier[]): Carrier[] {
  return carriers.filter((carrier) => carrier.put !== undefined && carrier.keepsMs !== null)
}

/** Until the signal aborts, or the handle is closed. Rejects for nothing but what the store throws. */
export async function keepAlive(state: DatabaseState, carriers: Carriers, options: KeepAliveOptions): Promise<void> {
  const signal = AbortSignal.any([options.signal, state.closing])
  const failing = new Set<string>()
  try {
    for (;;) {
      const root = await newestRoot(state, options)
      const over = new AbortController()
      const keeper = root === undefined ? undefined : new Keeper(state, carriers, root, options, failing)
      const keeping = keeper?.run(over.signal)
      try {
        await state.waitUntil(async () => !isSame(root, await newestRoot(state, options)), signal)
      } finally {
        over.abort(new Error('another root is kept alive, or none'))
        await keeping
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Of a replica the newest it has accepted, whether its tree is here or not; none while a fork halts it. */
async function newestRoot(state: DatabaseState, { isReplica }: KeepAliveOptions): Promise<SignedRoot | undefined> {
  if (!isReplica) {
    const bytes = await state.store.getMeta(PUBLISHED)
    return bytes === undefined ? undefined : decodeOwn(bytes)
  }
  const floor = await readFloor(state)
  const root = floor.accepted?.root
  return root === undefined || haltingEvidence(floor, root.payload.epoch) !== undefined ? undefined : root
}

function isSame(a: SignedRoot | undefined, b: SignedRoot | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a.link, b.link)
}

interface Due {
  readonly at: number
  readonly failures: number
}

/** Of one root. */
class Keeper {
  readonly #state: DatabaseState
  readonly #carriers: Carriers
  readonly #root: SignedRoot
  readonly #options: KeepAliveOptions
  /** Carriers of which it was told that they fail, whatever root it was. */
  readonly #failing: Set<string>
  /** By the carrier's name: carriers are made anew where others are configured. */
  readonly #due = new Map<string, Due>()

  constructor(
    state: DatabaseState,
    carriers: Carriers,
    root: SignedRoot,
    options: KeepAliveOptions,
    failing: Set<string>,
  ) {
    this.#state = state
    this.#carriers = carriers
    this.#root = root
    this.#options = options
    this.#failing = failing
  }

  /** Never rejects: what goes wrong is logged, and done again later. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#state
    const expiry = expiryOf(this.#root)
    const endsAt = expiry === null ? Number.POSITIVE_INFINITY : expiry * 1000
    while (!signal.aborted && clock.now() < endsAt) {
      await this.#round(signal).catch((error: unknown) => this.#log('not kept alive: %s', error))
      const next = Math.min(clock.now() + LOOK_AGAIN_MS, endsAt, ...[...this.#due.values()].map(({ at }) => at))
      await clock.sleep(Math.max(0, next - clock.now()), signal).catch(() => undefined)
    }
    if (!signal.aborted) this.#log('kept alive no longer: it has expired')
  }

  /** Puts it on the carriers whose time has come, on all at once. */
  async #round(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#state
    const carriers = forgetfulCarriers(await this.#carriers.list())
    const names = new Set(carriers.map(({ name }) => name))
    for (const name of this.#due.keys()) if (!names.has(name)) this.#due.delete(name)
    for (const name of this.#failing) if (!names.has(name)) this.#failing.delete(name)
    for (const { name, keepsMs } of carriers) {
      if (this.#due.has(name)) continue
      const spreadMs = this.#options.isReplica ? (keepsMs ?? 0) * FIRST_WITHIN * random() : 0
      this.#due.set(name, { at: clock.now() + spreadMs, failures: 0 })
    }
    const due = carriers.filter(({ name }) => (this.#due.get(name)?.at ?? Number.POSITIVE_INFINITY) <= clock.now())
    await Promise.all(due.map((carrier) => this.#put(carrier, signal)))
  }

  async #put(carrier: Carrier, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#state
    const { name, keepsMs } = carrier
    const failure = await this.#failureOf(carrier, signal)
    if (signal.aborted) return
    const isTaken = failure === undefined
    this.#tell(name, failure)
    const failures = isTaken ? 0 : (this.#due.get(name)?.failures ?? 0) + 1
    const againMs = (keepsMs ?? 0) * (AGAIN_AT + 2 * SPREAD * random())
    const waitMs = isTaken ? againMs : Math.min(againMs, BACK_OFF_MS * 2 ** (failures - 1) * (0.5 + random()))
    this.#due.set(name, { at: clock.now() + waitMs, failures })
  }

  /** Once for a row of failures, and once when they are over. */
  #tell(carrier: string, failure: string | undefined): void {
    if (this.#failing.has(carrier) === (failure !== undefined)) return
    if (failure === undefined) this.#failing.delete(carrier)
    else this.#failing.add(carrier)
    this.#options.onPutChange?.({ carrier, failure: failure?.slice(0, FAILURE_CHARS_MAX) })
  }

  /** Puts it. Why it was not taken; undefined where it was. */
  async #failureOf(carrier: Carrier, signal: AbortSignal): Promise<string | undefined> {
    const { author, name, clock } = this.#state
    const over = new AbortController()
    const until = AbortSignal.any([signal, over.signal])
    const timeUp = clock.sleep(PUT_MS, until).then(
      () => over.abort(new Error(`it took more than ${PUT_MS / 1000} s`)),
      () => undefined,
    )
    try {
      const attachments = await readAttachments(this.#state, this.#root)
      const putting = carrier.put?.({ author, name }, { signedRoot: this.#root.bytes, attachments }, until)
      return putting === undefined
        ? 'it can only be read'
        : this.#failureIn(carrier.name, await unlessAborted(putting, until))
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error)
      if (!signal.aborted) this.#log('not put at %s: %s', carrier.name, failure)
      return failure
    } finally {
      over.abort(new Error('it is over'))
      await timeUp
    }
  }

  #failureIn(carrier: string, { stored, seen, newer, refusals }: CarrierReceipt): string | undefined {
    this.#log('put at %s again: %d stored, %d seen, %d have a newer one', carrier, stored, seen, newer)
    return stored + seen + newer > 0 ? undefined : refusals.join('; ') || 'nobody took it'
  }

  #log(message: string, ...values: readonly unknown[]): void {
    this.#state.log(`@%d ${message}`, this.#root.payload.sequence, ...values)
  }
}
