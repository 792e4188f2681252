/**
 * Puts a signed root on all carriers of a database and looks whether it is there (record.md, 5, "Publishing"). Its bytes are durable
 * before; whatever becomes of a carrier is a line of the report, never an error: the next announcement puts the same bytes.
 */
import type { Attachments } from '../../carriers/attachments.ts'
import type { Carrier, CarrierReceipt, PointerRecord } from '../../carriers/carrier.ts'
import { isCoppiceError } from '../../errors.ts'
import { readAttachments } from '../roots/attachments.ts'
import type { SigningReport } from '../roots/publisher.ts'
import type { DatabaseState } from '../state.ts'

/** Where a signed root stands. */
export interface AnnouncedCarrier {
  readonly name: string
  /**
   * `stands`: shown when asked again. `unseen`: taken, and shown by nobody. `newer`: it has a newer one. `refused`: nobody took it.
   * `failed`: it could not be reached. `unable`: it takes only what was signed for it, which nobody here can. `late`: not done in time.
   */
  readonly outcome: 'stands' | 'unseen' | 'newer' | 'refused' | 'failed' | 'unable' | 'late'
  /** Members that took it, and that showed these very bytes when asked again. */
  readonly stored: number
  readonly seen: number
  /** How often it was put. */
  readonly tries: number
  readonly ms: number
  /** Why it stands nowhere, for people. */
  readonly reason: string | undefined
}

export interface Announced {
  readonly carriers: readonly AnnouncedCarrier[]
  /** Envelopes by which others put it again. */
  readonly attachments: Attachments
}

/** For one carrier. */
export const ANNOUNCE_MS = 30_000
const TRIES_MAX = 3
/** For one that did not answer a moment ago, which gets one try: without a network nobody waits for all of that. */
const UNANSWERED_MS = 5_000
/** Before the second try; twice as long before each further one, and spread by half. */
const BACK_OFF_MS = 1_000

/** `asked`: what carriers showed before. Rejects for nothing but the store: when the signal aborts, what is not done is `late`. */
export async function announceRoot(
  state: DatabaseState,
  carriers: readonly Carrier[],
  { signedRoot, asked }: Pick<SigningReport, 'signedRoot' | 'asked'>,
  signal: AbortSignal,
): Promise<Announced> {
  const record = { signedRoot: signedRoot.bytes, attachments: await readAttachments(state, signedRoot) }
  const silent = new Map(
    asked.filter(({ shows }) => shows === 'failed' || shows === 'late').map(({ name, reason }) => [name, { reason }]),
  )
  const puts = carriers
    .filter((carrier) => carrier.put !== undefined)
    .map((carrier) => new Put(state, carrier, record, silent.get(carrier.name)))
  await Promise.all(puts.map((put) => put.run(signal)))
  const made = puts.flatMap((put) => [...put.attachments])
  return { carriers: puts.map((put) => put.report()), attachments: new Map(made) }
}

/** One record on one carrier: a few tries. */
class Put {
  attachments: Attachments = new Map()
  readonly #state: DatabaseState
  readonly #carrier: Carrier
  readonly #record: PointerRecord
  readonly #isSilent: boolean
  readonly #begin: number
  #end: number | undefined
  #tries = 0
  #last: Pick<AnnouncedCarrier, 'outcome' | 'stored' | 'seen' | 'reason'>

  /** `silent`: that it did not answer before, and why. */
  constructor(
    state: DatabaseState,
    carrier: Carrier,
    record: PointerRecord,
    silent: { readonly reason: string | undefined } | undefined,
  ) {
    this.#state = state
    this.#carrier = carrier
    this.#record = record
    this.#isSilent = silent !== undefined
    this.#last = { outcome: 'late', stored: 0, seen: 0, reason: silent?.reason }
    this.#begin = state.clock.now()
  }

  report(): AnnouncedCarrier {
    const ms = (this.#end ?? this.#state.clock.now()) - this.#begin
    return { name: this.#carrier.name, tries: this.#tries, ms, ...this.#last }
  }

  /** Never rejects. Nothing is waited for when the time is over, or the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const putting = AbortSignal.any([signal, over.signal])
    const { clock } = this.#state
    const timeUp = clock.sleep(this.#isSilent ? UNANSWERED_MS : ANNOUNCE_MS, putting).catch(() => undefined)
    await Promise.race([this.#tryAgain(putting), timeUp])
    over.abort(new Error('the time for announcing is over'))
    await timeUp
  }

  async #tryAgain(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#state
    const triesMax = this.#isSilent ? 1 : TRIES_MAX
    for (let backOffMs = BACK_OFF_MS; !signal.aborted; backOffMs *= 2) {
      await this.#try(signal)
      if (!['unseen', 'refused', 'failed'].includes(this.#last.outcome) || this.#tries >= triesMax) break
      await clock.sleep(backOffMs * (0.5 + random()), signal).catch(() => undefined)
    }
    this.#end = clock.now()
  }

  async #try(signal: AbortSignal): Promise<void> {
    const { author, name } = this.#state
    this.#tries++
    try {
      const receipt = await this.#carrier.put?.({ author, name }, this.#record, signal)
      if (signal.aborted || receipt === undefined) return
      if (receipt.attachments !== undefined) this.attachments = receipt.attachments
      this.#last = outcomeOf(receipt)
    } catch (error) {
      if (signal.aborted) return
      this.#last = failureOf(error)
    }
    this.#state.log('root put at %s: %s %s', this.#carrier.name, this.#last.outcome, this.#last.reason ?? '')
  }
}

function outcomeOf(receipt: CarrierReceipt): Pick<AnnouncedCarrier, 'outcome' | 'stored' | 'seen' | 'reason'> {
  const { stored, seen, newer, refusals } = receipt
  if (seen > 0) return { outcome: 'stands', stored, seen, reason: undefined }
  if (newer > 0) return { outcome: 'newer', stored, seen, reason: 'it has a newer root' }
  const said = refusals.join('; ')
  if (stored > 0) return { outcome: 'unseen', stored, seen, reason: said || 'it was taken, and nobody shows it' }
  return { outcome: 'refused', stored, seen, reason: said || 'nobody took it' }
}

function failureOf(error: unknown): Pick<AnnouncedCarrier, 'outcome' | 'stored' | 'seen' | 'reason'> {
  const reason = error instanceof Error ? error.message : String(error)
  return { outcome: isCoppiceError(error, 'USAGE') ? 'unable' : 'failed', stored: 0, seen: 0, reason }
}
