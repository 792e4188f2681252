/**
 * The sessions of one replica with its peers, from the first hello to the last: connecting, with those that were late or
 * lacked something asked again, taking in those that are found meanwhile, and listening for newer roots.
 */
import { isCoppiceError } from '../../errors.ts'
import { decodeSignedRoot } from '../../pointer/index.ts'
import {
  type HelloOptions,
  openSessions,
  type PeerDialer,
  type PeerReport,
  type RootId,
  type Session,
} from '../../sync/index.ts'
import { PeerFinder } from '../finding/peer-finder.ts'
import { rootId } from '../roots/announced.ts'
import { encodeStatements, readKnown } from '../roots/statements.ts'
import type { DatabaseState } from '../state.ts'
import type { Dialing } from './dialing.ts'

/** A pull that has peers gives discovery so long to find others, which may know of something newer... */
const DISCOVERY_MS = 1_000
/** ...and one that has none, so long. */
const DISCOVERY_MS_MAX = 15_000

export class PeerSessions {
  readonly #state: DatabaseState
  readonly #dialers: readonly PeerDialer[]
  #sessions: readonly Session[] | undefined
  #failed: readonly PeerReport[] = []
  /** Peers that others were quicker than. */
  #late: readonly PeerDialer[] = []
  #have: RootId | null = null
  /** What hellos say of rotations and forks. */
  #statements: Uint8Array | undefined
  readonly #waiting = new Map<Session, Promise<unknown>>()
  readonly #network: Dialing | undefined
  #finder: PeerFinder | undefined
  readonly #finding: Promise<void>[] = []
  /** Peers may be found that nobody has waited for. */
  #mayBeFound: boolean
  readonly #over = new AbortController()
  readonly #joining = new Set<(session: Session) => void>()

  /** `network`: finds further peers; without, only `dialers` are asked. */
  constructor(state: DatabaseState, dialers: readonly PeerDialer[], network?: Dialing) {
    this.#state = state
    this.#dialers = dialers
    this.#network = network
    this.#mayBeFound = network?.finding?.isDiscovering === true
  }

  /** What hellos said we have: a peer that answers `same` has it too. */
  get have(): RootId | null {
    return this.#have
  }

  /** All that were opened, those that ended too. */
  get all(): readonly Session[] {
    return this.#sessions ?? []
  }

  get open(): readonly Session[] {
    return this.all.filter((session) => session.isOpen)
  }

  /** Whether others are told where to find what is here. */
  get isShared(): boolean {
    const { author, name } = this.#state
    return (this.#network?.finding?.servedAt({ author, name }).length ?? 0) > 0
  }

  /** Peers without a session since the last {@link begin}, for a report. */
  get failed(): readonly PeerReport[] {
    // Of those that were found, many serve something else.
    const found = this.#finder?.failed.filter(({ outcome }) => outcome !== 'unknown') ?? []
    return [...this.#failed, ...found]
  }

  /** Whether there may be peers that others were quicker than. */
  get hasLate(): boolean {
    return this.#late.length > 0 || this.#mayBeFound
  }

  /** Calls `listener` with each session that is taken in later, until the function returned is called. */
  onJoin(listener: (session: Session) => void): () => void {
    this.#joining.add(listener)
    return () => void this.#joining.delete(listener)
  }

  /** For one pull: connects at the first call, and later leaves out what has ended. */
  async begin(signal: AbortSignal | undefined): Promise<void> {
    if (this.#sessions !== undefined) {
      this.#sessions = this.open
      this.#failed = []
      return
    }
    const known = await readKnown(this.#state)
    this.#have = rootId(known.floor.accepted?.root)
    this.#statements = encodeStatements(known)
    this.#sessions = []
    const finder = this.#createFinder()
    this.#finder = finder
    const { signal: over } = this.#over
    if (finder !== undefined) this.#finding.push(finder.discover(this.#join, over))
    await Promise.all([this.#openFirst(signal), this.#found(DISCOVERY_MS, signal)])
    if (finder !== undefined) this.#finding.push(finder.exchange(() => this.open, this.#join, over))
  }

  /** What is open is known at once, so that whoever gives up meanwhile can close it. */
  async #openFirst(signal: AbortSignal | undefined): Promise<void> {
    const { sessions, failed, late } = await this.#open(this.#dialers, signal)
    this.#sessions = [...sessions, ...this.all]
    this.#failed = failed
    this.#late = late
  }

  readonly #join = (session: Session): void => {
    if (this.#over.signal.aborted) return void session.close()
    this.#sessions = [...this.all, session]
    for (const listener of this.#joining) listener(session)
  }

  #createFinder(): PeerFinder | undefined {
    const { clock, packings } = this.#state
    const { finding } = this.#network ?? {}
    if (this.#network === undefined || finding === undefined) return undefined
    const known = this.#dialers.map((dialer) => dialer.name)
    return new PeerFinder({ network: this.#network, finding }, this.#hello, known, { clock, packings })
  }

  /** Waits for the first peer that discovery finds. */
  async #found(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#mayBeFound) return
    const over = new AbortController()
    const joined = Promise.withResolvers<void>()
    const leave = this.onJoin(() => joined.resolve())
    const until = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
    const time = this.#state.clock.sleep(ms, until)
    try {
      await Promise.race([joined.promise, time])
    } finally {
      leave()
      over.abort(new Error('found'))
      await time.catch(() => {})
    }
  }

  /** Peers that answer at once and are of no use must not keep those away that take longer: each of these is waited for. */
  async connectLate(signal: AbortSignal | undefined): Promise<void> {
    const late = this.#late
    this.#late = []
    if (late.length > 0) await this.#add(late, signal)
    if (this.open.length === 0) await this.#found(DISCOVERY_MS_MAX, signal)
    this.#mayBeFound = false
  }

  /** Peers that were dropped because they lack what they announced may have what is older. */
  async reconnectIncomplete(signal: AbortSignal | undefined): Promise<void> {
    const incomplete = this.all.filter(({ end }) => end?.fault === 'incomplete')
    const names = new Set(incomplete.map(({ name }) => name))
    const dialers = this.#dialers.filter(({ name }) => names.has(name))
    if (dialers.length === 0) return
    await this.#add(dialers, signal, incomplete)
  }

  async #add(
    dialers: readonly PeerDialer[],
    signal: AbortSignal | undefined,
    instead: readonly Session[] = [],
  ): Promise<void> {
    const names = new Set(dialers.map((dialer) => dialer.name))
    const opened = await this.#open(dialers, signal, Infinity)
    this.#failed = [...this.#failed.filter((report) => !names.has(report.name)), ...opened.failed]
    this.#sessions = [...this.all.filter((session) => !instead.includes(session)), ...opened.sessions]
  }

  #open(
    dialers: readonly PeerDialer[],
    signal: AbortSignal | undefined,
    stragglerMs?: number,
  ): ReturnType<typeof openSessions> {
    const { clock, packings } = this.#state
    const options = { clock, signal, packings, ...(stragglerMs === undefined ? {} : { stragglerMs }) }
    return openSessions(dialers, this.#hello, options)
  }

  get #hello(): HelloOptions {
    const { author, name } = this.#state
    return { author, name, have: this.#have, statements: this.#statements }
  }

  /** Asks every peer what it shows now, newer or older than before. @throws the signal's reason. */
  async refresh(signal: AbortSignal | undefined): Promise<void> {
    // A session that ends has nothing to show.
    const asked = this.open.map((session) => session.getRoot(null, 0).catch(() => undefined))
    await orAborted(Promise.all(asked), signal)
  }

  /**
   * Resolves when a peer shows another root than it did, or is lost, or has shown nothing new for that long; at once where
   * none is left. @throws the signal's reason.
   */
  async waitForNews(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const asked = this.open.map((session) => this.#ask(session, waitMs))
    await orAborted(asked.length > 0 ? Promise.race(asked) : Promise.resolve(), signal)
  }

  /** Ends the sessions. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.#over.abort(new Error('the pull is over'))
    // Those first: a peer that is asked whom it knows, and does not answer, must not hold up the end.
    await Promise.all(this.all.map((session) => session.close()))
    await Promise.all(this.#finding)
    await this.#finder?.settled()
    await Promise.all(this.#waiting.values())
  }

  /** One question waits at a peer at a time. Never rejects: a session that ends has no news. */
  #ask(session: Session, waitMs: number): Promise<unknown> {
    const waiting = this.#waiting.get(session)
    if (waiting !== undefined) return waiting
    const asked = session
      .getRoot(this.#shownBy(session), waitMs)
      .catch(() => undefined)
      .finally(() => this.#waiting.delete(session))
    this.#waiting.set(session, asked)
    return asked
  }

  /**
   * What the peer itself showed last, so that it says also when it reaches a root that others have shown: from then on it
   * can be asked for its blocks.
   */
  #shownBy({ announced, status }: Session): RootId | null {
    if (announced === undefined) return status === 'same' ? this.#have : null
    try {
      const { link, payload } = decodeSignedRoot(announced)
      return { payload: link, epoch: payload.epoch, sequence: payload.sequence }
    } catch (error) {
      if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return null
      throw error
    }
  }
}

/** What `work` gives, unless the signal aborts first: then its reason. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
