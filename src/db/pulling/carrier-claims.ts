/**
 * What the carriers of a replica show while it pulls (record.md, 7). They are asked at once with its peers, and what they show is
 * judged as what peers show is; one that is slow or away holds nothing up, and what it shows late counts for as long as the pull runs.
 */
import { ATTACHMENT_IDS, type Attachments, encodeAttachments } from '../../carriers/attachments.ts'
import { type Carrier, type CarrierAnswer, SHOWN_MAX } from '../../carriers/carrier.ts'
import type { Carriers } from '../carriers.ts'
import type { DatabaseState } from '../state.ts'
import type { Announcer } from './root-judge.ts'

/** A signed root that a carrier shows, as a peer's session shows one. */
export interface Claim extends Announcer {
  readonly source: string
  readonly attachments: Attachments
}

/** What became of asking a carrier, in the words for peers: `empty`, it shows nothing; `silent`, it has not answered yet. */
export interface AskedClaims {
  readonly name: string
  readonly outcome: 'empty' | 'unused' | 'unreachable' | 'silent'
  readonly reason: string | undefined
}

/** A pull that has heard from a peer gives carriers so long to show something newer... */
const CARRIERS_MS = 5_000
/** ...and one that has not, so long. */
const CARRIERS_MS_MAX = 15_000

const STATEMENTS: readonly number[] = [ATTACHMENT_IDS.rotations, ATTACHMENT_IDS.evidence]

export class CarrierClaims {
  readonly #state: DatabaseState
  readonly #carriers: Carriers | undefined
  readonly #over = new AbortController()
  #claims: readonly Claim[] = []
  readonly #asked = new Map<string, AskedClaims>()
  #asking: Promise<void> | undefined
  #isSettled = false
  #heard = Promise.withResolvers<void>()

  constructor(state: DatabaseState, carriers: Carriers | undefined) {
    this.#state = state
    this.#carriers = carriers
    this.#isSettled = carriers === undefined
  }

  /** All that was shown so far. */
  get claims(): readonly Claim[] {
    return this.#claims
  }

  get asked(): readonly AskedClaims[] {
    return [...this.#asked.values()]
  }

  /** Whether some carrier may still answer. */
  get isWaiting(): boolean {
    return !this.#isSettled
  }

  /** Asks all of them, at the first call. */
  begin(): void {
    if (this.#carriers === undefined) return
    this.#asking ??= this.#askAll(this.#carriers).finally(() => {
      this.#isSettled = true
      this.#ring()
    })
    // Told by `settled`.
    this.#asking.catch(() => {})
  }

  /** Waits for the answers, for a while. @throws what configuration and store throw; the signal's reason. */
  async settled(isHeardFrom: boolean, signal: AbortSignal | undefined): Promise<void> {
    if (this.#asking === undefined) return
    const over = new AbortController()
    const until = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
    const time = this.#state.clock.sleep(isHeardFrom ? CARRIERS_MS : CARRIERS_MS_MAX, until)
    try {
      await Promise.race([this.#asking, time])
    } finally {
      over.abort(new Error('settled'))
      await time.catch(() => {})
    }
  }

  /** Resolves when something else is shown than now; never where nothing more will be. */
  async waitForNews(): Promise<void> {
    if (this.isWaiting) await this.#heard.promise
    else await new Promise<never>(() => {})
  }

  /** Idempotent, never rejects. */
  close(): void {
    this.#over.abort(new Error('the pull is over'))
  }

  async #askAll(carriers: Carriers): Promise<void> {
    await Promise.all((await carriers.list({ besidePeers: true })).map((carrier) => this.#ask(carrier)))
  }

  async #ask(carrier: Carrier): Promise<void> {
    const { author, name } = this.#state
    this.#note(carrier, 'silent')
    try {
      const answer = await carrier.get({ author, name }, this.#over.signal)
      this.#note(carrier, answer.shown.length === 0 ? 'empty' : 'unused')
      this.#claims = [...this.#claims, ...claimsOf(carrier, answer)]
      if (answer.shown.length > 0) this.#ring()
    } catch (error) {
      this.#note(carrier, 'unreachable', error instanceof Error ? error.message : String(error))
    }
  }

  #note({ name }: Carrier, outcome: AskedClaims['outcome'], reason?: string): void {
    this.#asked.set(name, { name, outcome, reason })
    this.#state.log('carrier %s: %s %s', name, outcome, reason ?? '')
  }

  #ring(): void {
    this.#heard.resolve()
    this.#heard = Promise.withResolvers()
  }
}

function claimsOf({ name, source }: Carrier, { shown }: CarrierAnswer): Claim[] {
  return shown.slice(0, SHOWN_MAX).map(({ record: { signedRoot, attachments } }) => {
    const statements = new Map([...attachments].filter(([id]) => STATEMENTS.includes(id)))
    return {
      peer: name,
      name,
      source,
      announced: signedRoot,
      statements: statements.size === 0 ? undefined : encodeAttachments(statements),
      attachments,
      // A carrier is not dropped for what its members show: its next member may be honest.
      fail: () => {},
      tell: () => {},
    }
  })
}
