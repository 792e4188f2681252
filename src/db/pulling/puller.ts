/**
 * One replica's conversation with its peers: learn signed roots, judge them by the floor, fetch the tree of the best, and
 * switch to it. The order of writes is the safety: the floor is on the disk before its root is used, blocks and their
 * records before the root is switched, and the switch with the log is one batch.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import type { DiffOptions } from '../../prolly/index.ts'
import {
  type Acceptance,
  type AcceptedRoot,
  encodeFloor,
  type Evidence,
  type Floor,
  type Freshness,
  getFreshness,
  haltingEvidence,
  judgeSignedRoot,
  type LinkState,
  type SignedRoot,
} from '../../pointer/index.ts'
import {
  fetchTree,
  openSessions,
  type PeerDialer,
  type PeerReport,
  type PullProgress,
  type PullReport,
  type RootId,
  type Session,
} from '../../sync/index.ts'
import { announces, rootId } from '../roots/announced.ts'
import { type Change, changesBetween } from '../changes.ts'
import { describeVerdict, type Judgement } from '../roots/judgement.ts'
import { invalidRootError, keepInvalidRoot, readInvalidRoot } from '../roots/invalid-root.ts'
import { FLOOR, PUBLISHED, ROOT } from '../meta.ts'
import { decodeOwn, logEntryMeta } from '../roots/signed-log.ts'
import { readAuthority, readFloor } from '../roots/standing.ts'
import type { DatabaseState } from '../state.ts'

export interface PullOptions {
  readonly signal?: AbortSignal | undefined
  /** Called as verified data comes in. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  /** Called once the root to fetch is known, before its tree is. */
  readonly onTarget?: ((target: SignedRoot) => void) | undefined
}

export interface PullResult {
  /** False where the newest root was complete here before. */
  readonly changed: boolean
  /** Complete before; undefined for a first pull. */
  readonly from: SignedRoot | undefined
  /** Complete now. */
  readonly to: SignedRoot
  /** How `to` is connected with the root accepted before it. */
  readonly link: LinkState
  readonly freshness: Freshness
  /** Of every signed root that was shown; {@link isRefused} tells newer ones that could not be taken. */
  readonly judgements: readonly Judgement[]
  readonly report: PullReport
  /** The exact changes from `from` to `to` in key order, read when asked for; none for a first pull. */
  changes(options?: DiffOptions): AsyncIterable<Change>
}

/** What the peers' signed roots come to. */
interface Verdict {
  readonly floor: Floor
  readonly judgements: readonly Judgement[]
}

export class Puller {
  readonly #state: DatabaseState
  readonly #dialers: readonly PeerDialer[]
  #sessions: readonly Session[] | undefined
  #failed: readonly PeerReport[] = []
  /** Peers that others were quicker than. */
  #late: readonly PeerDialer[] = []
  /** What hellos said we have: a peer that answers `same` has it too. */
  #have: RootId | null = null
  readonly #waiting = new Map<Session, Promise<unknown>>()

  constructor(state: DatabaseState, dialers: readonly PeerDialer[]) {
    this.#state = state
    this.#dialers = dialers
  }

  /** Whether some peer is still connected. */
  get isConnected(): boolean {
    return this.#sessions?.some((session) => session.isOpen) === true
  }

  /** See `Replica.pull`. Connects at the first call; later calls use the same sessions. */
  async pull(options: PullOptions): Promise<PullResult> {
    try {
      return await this.#pullFrom(await this.#connect(options.signal), options)
    } catch (error) {
      // Peers that answer at once and are of no use must not keep those away that take longer to be reached.
      if (!isCoppiceError(error, 'NO_PEER_LEFT') || this.#late.length === 0) throw error
      return await this.#pullFrom(await this.#connectLate(options.signal), options)
    }
  }

  async #pullFrom(sessions: readonly Session[], options: PullOptions): Promise<PullResult> {
    const { clock } = this.#state
    const { floor, judgements } = await this.#judge(sessions)
    const accepted = this.#requireAccepted(floor, judgements)
    const target = accepted.root
    const from = await this.#shown()
    const evidence = haltingEvidence(floor, target.payload.epoch)
    if (evidence !== undefined && (from === undefined || !equalBytes(from.link, target.link))) {
      throw equivocation(this.#state.name, evidence)
    }
    const known = await readInvalidRoot(this.#state, target)
    if (known !== undefined) throw invalidRootError(known)
    options.onTarget?.(target)
    this.#state.log('fetching @%d from %d peers', target.payload.sequence, sessions.length)
    const report = await this.#fetch(target, sessions, options)
    for (const { name, outcome, reason } of report.peers) this.#state.log('peer %s: %s %s', name, outcome, reason ?? '')
    this.#failed = []
    const changed = from === undefined || !equalBytes(from.link, target.link)
    if (changed) await this.#switch(target)
    this.#state.log('at @%d, %d bytes received', target.payload.sequence, report.bytesReceived)
    return {
      changed,
      from,
      to: target,
      link: accepted.link,
      freshness: getFreshness(target, Math.floor(clock.now() / 1000), floor.newestTime),
      judgements,
      report,
      changes: (range) => this.#changes(from, target, range),
    }
  }

  /** @throws {CoppiceError} `TREE_MALFORMED`, noted durably: the root is never tried again. Others as {@link fetchTree}. */
  async #fetch(target: SignedRoot, sessions: readonly Session[], options: PullOptions): Promise<PullReport> {
    const { root, entries, bytes } = target.payload
    const { store, clock, random } = this.#state
    try {
      return await fetchTree({ root, entries, bytes, signedRoot: target.bytes }, sessions, store, {
        clock,
        random,
        signal: options.signal,
        onProgress: options.onProgress,
        absent: this.#failed,
        holds: (session) => announces(session, this.#have, target),
      })
    } catch (error) {
      if (isCoppiceError(error, 'TREE_MALFORMED')) await keepInvalidRoot(this.#state, target, error)
      throw error
    }
  }

  /** Resolves when a peer shows another root than the newest accepted one, or when no peer is left. */
  async waitForNews(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const floor = await readFloor(this.#state)
    const have = rootId(floor.accepted?.root)
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(signal?.reason as Error)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      signal?.throwIfAborted()
      const asked = (this.#sessions ?? [])
        .filter((session) => session.isOpen)
        .map((session) => this.#ask(session, have, waitMs))
      if (asked.length > 0) await Promise.race([...asked, aborted.promise])
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Ends the sessions. Idempotent, never rejects. */
  async close(): Promise<void> {
    await Promise.all((this.#sessions ?? []).map((session) => session.close()))
    await Promise.all(this.#waiting.values())
  }

  /** One question waits at a peer at a time. Never rejects: a session that ends has no news. */
  #ask(session: Session, have: RootId | null, waitMs: number): Promise<unknown> {
    const waiting = this.#waiting.get(session)
    if (waiting !== undefined) return waiting
    const asked = session
      .getRoot(have, waitMs)
      .catch(() => undefined)
      .finally(() => this.#waiting.delete(session))
    this.#waiting.set(session, asked)
    return asked
  }

  async #connect(signal: AbortSignal | undefined): Promise<readonly Session[]> {
    if (this.#sessions !== undefined) return this.#sessions.filter((session) => session.isOpen)
    const { author, name, clock } = this.#state
    this.#have = rootId((await readFloor(this.#state)).accepted?.root)
    const hello = { author, name, have: this.#have }
    const { sessions, failed, late } = await openSessions(this.#dialers, hello, { clock, signal })
    this.#sessions = sessions
    this.#failed = failed
    this.#late = late
    return sessions
  }

  /** The sessions that are left, and those of the late peers, each waited for. */
  async #connectLate(signal: AbortSignal | undefined): Promise<readonly Session[]> {
    const { author, name, clock } = this.#state
    const late = this.#late
    this.#late = []
    const hello = { author, name, have: this.#have }
    const opened = await openSessions(late, hello, { clock, signal, stragglerMs: Infinity })
    const names = new Set(late.map((dialer) => dialer.name))
    this.#failed = [...this.#failed.filter((report) => !names.has(report.name)), ...opened.failed]
    this.#sessions = [...(this.#sessions ?? []), ...opened.sessions]
    return this.#sessions.filter((session) => session.isOpen)
  }

  /** Judges what each peer shows; the floor that comes of it is on the disk when this resolves. */
  async #judge(sessions: readonly Session[]): Promise<Verdict> {
    const before = await readFloor(this.#state)
    const authority = await readAuthority(this.#state)
    const now = Math.floor(this.#state.clock.now() / 1000)
    let floor = before
    let contradiction: Extract<Acceptance, { outcome: 'equivocation' | 'halted' }> | undefined
    const judgements: Judgement[] = []
    for (const session of sessions) {
      if (session.announced === undefined) continue
      const verdict = judgeSignedRoot(floor, session.announced, { authority, now })
      judgements.push({ peer: session.peer, name: session.name, ...describeVerdict(verdict) })
      this.#state.log('peer %s shows a root that is %s', session.name, verdict.outcome)
      if (verdict.outcome === 'accepted' || verdict.outcome === 'equivocation') floor = verdict.floor
      if (verdict.outcome === 'equivocation' || verdict.outcome === 'halted') contradiction = verdict
      if (verdict.outcome === 'accepted') contradiction = undefined
      if (verdict.outcome === 'invalid') {
        session.fail('liar', `showed a signed root that is not valid (${judgements.at(-1)?.reason})`)
      }
      if (verdict.outcome === 'stale' && floor.accepted !== null) session.tell(floor.accepted.root.bytes)
    }
    if (floor !== before) {
      await this.#state.store.write({ meta: new Map([[FLOOR, encodeFloor(floor)]]) }, { durable: true })
    }
    if (contradiction !== undefined) throw equivocation(this.#state.name, contradiction.evidence)
    return { floor, judgements }
  }

  /** That nobody shows anything newer may only be said where somebody has answered. */
  #requireAccepted({ accepted }: Floor, judgements: readonly Judgement[]): AcceptedRoot {
    const hasAnswer = this.#sessions?.some(({ isOpen, announced, status }) => {
      return isOpen && (announced !== undefined || status === 'same')
    })
    if (accepted === null || hasAnswer !== true) throw this.#nothingFound(judgements)
    return accepted
  }

  /** The signed root that is shown now. */
  async #shown(): Promise<SignedRoot | undefined> {
    const bytes = await this.#state.store.getMeta(PUBLISHED)
    return bytes === undefined ? undefined : decodeOwn(bytes)
  }

  /** Makes a fetched tree the shown one. */
  async #switch(target: SignedRoot): Promise<void> {
    const meta = new Map([
      [ROOT, target.payload.root],
      [PUBLISHED, target.bytes],
      ...(await logEntryMeta(this.#state, target.bytes)),
    ])
    await this.#state.store.write({ meta }, { durable: true })
    this.#state.notify()
  }

  async *#changes(
    from: SignedRoot | undefined,
    to: SignedRoot,
    options: DiffOptions | undefined,
  ): AsyncGenerator<Change, void, undefined> {
    if (from === undefined) return
    const before = await this.#state.at(from.payload.root)
    const after = await this.#state.at(to.payload.root)
    yield* changesBetween(before, after, options)
  }

  #nothingFound(judgements: readonly Judgement[]): CoppiceError {
    const peers = [
      ...this.#failed,
      ...(this.#sessions ?? []).map(({ peer, name, end, status }) => ({
        peer,
        name,
        outcome: end?.fault ?? status,
        reason: end?.error.message ?? judgements.find((judgement) => judgement.name === name)?.reason,
      })),
    ]
    const named = peers.map(
      ({ name, outcome, reason }) => `${name}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`,
    )
    const got = named.length === 0 ? 'no peer to ask; name one with the address: ?peer=' : named.join('; ')
    return new CoppiceError(
      'NO_PEER_LEFT',
      `${this.#state.name}: expected a signed root from some peer, got none: ${got}`,
      {
        details: { peers },
      },
    )
  }
}

function equivocation(name: string, evidence: Evidence): CoppiceError {
  return new CoppiceError(
    'EQUIVOCATION',
    `${name}: expected one chain of signed roots, got two that contradict each other in epoch ${evidence.epoch}; ` +
      'the replica stays at what it has until its author ends the fork with a higher epoch',
    { details: { evidence } },
  )
}
