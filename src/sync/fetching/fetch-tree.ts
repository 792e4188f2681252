/**
 * Fetches one pinned tree from several peers at once (protocol.md, 10). Every peer has a few lanes, each with one
 * question under way: peers take work at their own pace, so a fast one does more and a slow one holds up little. What a
 * dropped peer owed goes back to the others; the last answers owed are asked for twice.
 *
 * The root is not switched here: when this returns, the tree is wholly in the store and recorded, and the caller makes
 * it current. When it throws, what was verified so far is in the store too, and the next pull goes on from there.
 */
import type { Clock } from '../../clock.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { ANSWER_BYTES_MAX, REQUEST_LINKS_MAX } from '../../limits.ts'
import { formatLink, type Link } from '../../link.ts'
import type { Format, TreeRef } from '../../prolly/index.ts'
import { Bell } from './bell.ts'
import { Frontier, type Want } from './frontier.ts'
import { BLOCK_REQUESTS_PER_PEER, BUSY_WAIT_MS, BYTES_PER_TURN, HEDGE_AFTER_MS } from '../limits.ts'
import { describePeers, PeerTally } from './peer-tally.ts'
import { type Question, Questions } from './questions.ts'
import type { PeerReport, PullProgress, PullReport } from '../report.ts'
import type { Blocks, Session } from '../peers/session.ts'
import { type PullStore, VerifiedWriter } from './verified-writer.ts'

/** The tree to fetch, as an accepted signed root names it. */
export interface FetchTarget extends Pick<TreeRef, 'root' | 'entries' | 'bytes'> {
  /** Kept as evidence when the tree turns out to be malformed. */
  readonly signedRoot: Uint8Array
}

export interface FetchOptions {
  readonly clock: Clock
  /** 0 <= n < 1. */
  readonly random: () => number
  readonly signal?: AbortSignal | undefined
  /**
   * Whether the peer of `session` announced this very root (not only the same tree). If so it has to have every block, and others
   * are asked only when no such peer is left. Asked once per session, at the start.
   */
  readonly holds: (session: Session) => boolean
  /** Called after each answer, at most. Must not throw. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  /**
   * Called with blocks that no peer that is left has, which are passed over then: what else there is gets fetched, and what
   * stands above them is not recorded. Every peer is asked, and none is dropped for lacking a block of a root it announced:
   * its store may be damaged, too. Without it such a block ends the fetch, with `NO_PEER_LEFT`. Must not throw.
   */
  readonly onLost?: ((links: readonly Link[]) => void) | undefined
  /** Peers without a session, for the report. */
  readonly absent?: readonly PeerReport[]
  /** Tests only: smaller chunks, smaller batches. */
  readonly format?: Format
  readonly writeBytesMax?: number
}

/**
 * @throws {CoppiceError} `TREE_MALFORMED`: the author's tree breaks a rule; `details` has rule, cid, path and signedRoot, and no peer is to blame.
 *   `NO_PEER_LEFT` with `details.peers`. Errors of the store, and the
 *   signal's reason, as they are.
 */
export async function fetchTree(
  target: FetchTarget,
  sessions: readonly Session[],
  store: PullStore,
  options: FetchOptions,
): Promise<PullReport> {
  options.signal?.throwIfAborted()
  return new TreeFetch(target, sessions, store, options).run()
}

/** No question is smaller than this for the sake of sharing work. */
const SHARE_LINKS_MIN = 8

class TreeFetch {
  readonly #target: FetchTarget
  readonly #sessions: readonly Session[]
  readonly #options: FetchOptions
  readonly #writer: VerifiedWriter
  readonly #frontier: Frontier
  readonly #tally: PeerTally
  readonly #bell = new Bell()
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #over = new AbortController()
  /** Questions without an answer. */
  readonly #questions = new Questions()
  /** Peers that said of a want that they do not have it, and had not promised to. */
  readonly #lacking = new WeakMap<Want, Set<Session>>()
  /** Questions asked and answers being worked on, busy peers included. */
  #handling = 0
  #looking = false
  #lookAgain = false
  #blocksReceived = 0
  #blocksRepeated = 0
  #bytesThisTurn = 0

  constructor(target: FetchTarget, sessions: readonly Session[], store: PullStore, options: FetchOptions) {
    this.#target = target
    this.#sessions = sessions
    this.#options = options
    this.#writer = new VerifiedWriter(store, options.writeBytesMax)
    this.#frontier = new Frontier(target, this.#writer, options.format)
    this.#tally = new PeerTally(sessions, options.holds, options.absent ?? [])
  }

  async run(): Promise<PullReport> {
    const { signal } = this.#options
    const onAbort = (): void => this.#finished.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      void this.#look()
      for (const session of this.#sessions) {
        for (let i = 0; i < BLOCK_REQUESTS_PER_PEER; i++) void this.#runLane(session)
      }
      void this.#tick()
      await this.#finished.promise
    } catch (error) {
      this.#stop()
      // What is verified is worth keeping; the first error is the one to tell.
      await this.#writer.flush().catch(() => {})
      throw error
    } finally {
      this.#stop()
      signal?.removeEventListener('abort', onAbort)
    }
    await this.#writer.flush()
    return this.#report()
  }

  #stop(): void {
    this.#over.abort(new Error('the fetch is over'))
    this.#bell.ring()
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** What can be had is fetched, and not the tree or nothing. */
  get #isSalvage(): boolean {
    return this.#options.onLost !== undefined
  }

  /** Lets other tasks have a turn. */
  readonly #breathe = (): Promise<void> => this.#options.clock.sleep(0, this.#over.signal)

  /** Runs the frontier's look-ahead; calls that come meanwhile make it look again. */
  async #look(): Promise<void> {
    this.#lookAgain = true
    if (this.#looking) return
    this.#looking = true
    try {
      while (this.#lookAgain && !this.#isOver) {
        this.#lookAgain = false
        await this.#frontier.lookAhead(this.#breathe)
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#looking = false
    }
    if (this.#frontier.isDone) this.#finished.resolve()
    this.#bell.ring()
    this.#checkPeersLeft()
  }

  async #runLane(session: Session): Promise<void> {
    try {
      while (!this.#isOver && session.isOpen) {
        const question = this.#nextQuestion(session)
        if (question === undefined) await this.#bell.wait()
        else await this.#ask(question)
      }
      this.#bell.ring()
      this.#checkPeersLeft()
    } catch (error) {
      this.#fail(error)
    }
  }

  #nextQuestion(session: Session): Question | undefined {
    // A session may still owe answers to an earlier pull. Whoever has not sent anything yet can hold up one question only.
    const atOnce = this.#tally.isProven(session) ? BLOCK_REQUESTS_PER_PEER : 1
    if (!this.#mayAsk(session) || session.openQuestions >= atOnce) return undefined
    const lacks = (want: Want): boolean => this.#lacks(session, want)
    const wants = this.#frontier.take(this.#share(), ANSWER_BYTES_MAX, lacks)
    if (wants.length > 0) return this.#question(session, wants, 0)
    const now = this.#options.clock.now()
    const debt = this.#questions.takeOverdue(session, now, (question) => !this.#hasBetter(session, question))
    const overdue = debt?.wants.filter((want) => !want.settled && !lacks(want)) ?? []
    if (debt === undefined || overdue.length === 0) return undefined
    this.#frontier.askAgain(overdue)
    return this.#question(session, overdue, debt.depth + 1)
  }

  #question(session: Session, wants: readonly Want[], depth: number): Question {
    const askedAt = this.#options.clock.now()
    return {
      session,
      wants,
      askedAt,
      heardAt: askedAt,
      heardBytes: session.traffic.bytesReceived,
      depth,
      hedged: false,
    }
  }

  /** Peers that announced the root come first: of others a "not here" is to be expected. */
  #mayAsk(session: Session): boolean {
    return (
      session.isOpen &&
      (this.#isSalvage ||
        this.#tally.holds(session) ||
        !this.#sessions.some((other) => other.isOpen && this.#tally.holds(other)))
    )
  }

  /** How many links to ask for, so that there is something for every lane. */
  #share(): number {
    const lanes = this.#sessions.filter((session) => this.#mayAsk(session)).length * BLOCK_REQUESTS_PER_PEER
    const share = Math.ceil(this.#frontier.readyCount / Math.max(1, lanes))
    return Math.min(REQUEST_LINKS_MAX, Math.max(SHARE_LINKS_MIN, share))
  }

  /** Whether a peer that has proven itself is free to help out with the question, and `session` has not. */
  #hasBetter(session: Session, { session: debtor, wants }: Question): boolean {
    if (this.#tally.isProven(session)) return false
    return this.#sessions.some((other) => {
      if (other === debtor || !this.#mayAsk(other) || !this.#tally.isProven(other)) return false
      return other.openQuestions < BLOCK_REQUESTS_PER_PEER && !wants.some((want) => this.#lacks(other, want))
    })
  }

  #lacks(session: Session, want: Want): boolean {
    return this.#lacking.get(want)?.has(session) === true
  }

  async #ask(question: Question): Promise<void> {
    this.#handling++
    try {
      const blocks = await this.#answerTo(question)
      if (this.#isOver) return
      if (blocks === undefined) {
        this.#frontier.giveBack(question.wants)
        this.#bell.ring()
        if (question.session.isOpen) await this.#rest()
        return
      }
      this.#accept(question, blocks)
      const full = this.#writer.writeIfFull()
      if (full instanceof Promise) await full
      await this.#takeTurns()
      void this.#look()
      this.#options.onProgress?.(this.#progress())
    } finally {
      this.#handling--
    }
  }

  /** Undefined where the peer is busy or was dropped. */
  async #answerTo(question: Question): Promise<Blocks | undefined> {
    const { session, wants } = question
    this.#questions.add(question)
    try {
      const blocks = await session.getBlocks(
        this.#target.root,
        wants.map((want) => want.link),
      )
      return typeof blocks === 'string' ? undefined : blocks
    } catch (error) {
      if (session.isOpen) throw error
      return undefined
    } finally {
      this.#questions.delete(question)
    }
  }

  async #takeTurns(): Promise<void> {
    if (this.#bytesThisTurn < BYTES_PER_TURN || this.#isOver) return
    this.#bytesThisTurn = 0
    await this.#breathe().catch(() => {})
  }

  /** A busy peer is left alone for a moment; the moment differs, so that many pullers do not come back together. */
  async #rest(): Promise<void> {
    try {
      await this.#options.clock.sleep(BUSY_WAIT_MS * (1 + this.#options.random()), this.#over.signal)
    } catch {
      // The fetch is over.
    }
  }

  #accept({ session, wants }: Question, blocks: Blocks): void {
    const left = new Set(wants)
    const absent: Want[] = []
    try {
      for (const [i, want] of wants.entries()) {
        const bytes = blocks[i]
        if (bytes === undefined) break
        if (bytes === null) {
          absent.push(want)
          continue
        }
        this.#bytesThisTurn += bytes.length
        const isNew = this.#frontier.accept(want, bytes)
        left.delete(want)
        if (isNew) this.#blocksReceived++
        else this.#blocksRepeated++
        if (isNew) this.#tally.noteBlock(session)
      }
      this.#noteAbsent(session, absent)
    } catch (error) {
      if (!isCoppiceError(error, 'BLOCK_MISMATCH')) throw error
      session.fail('liar', `sent wrong bytes: ${error.message}`, error)
    } finally {
      this.#frontier.giveBack([...left])
    }
  }

  #noteAbsent(session: Session, absent: readonly Want[]): void {
    const first = absent.find((want) => !want.settled)
    if (first === undefined) return
    if (this.#tally.holds(session) && !this.#isSalvage) {
      const what = `${absent.length} of its blocks, such as ${formatLink(first.link)}`
      return session.fail('incomplete', `announced the root and lacks ${what}`)
    }
    for (const want of absent) {
      const lacking = this.#lacking.get(want)
      if (lacking === undefined) this.#lacking.set(want, new Set([session]))
      else lacking.add(session)
    }
  }

  /** Nothing is under way and nobody can be asked: the pull has to end. */
  #checkPeersLeft(): void {
    if (this.#isOver || this.#looking || this.#frontier.isDone) return
    if (this.#handling > 0) return
    const possible = this.#sessions.some(
      (session) => this.#mayAsk(session) && this.#frontier.someReady((want) => !this.#lacks(session, want)),
    )
    if (possible) return
    const { onLost } = this.#options
    if (onLost !== undefined) {
      const asked = this.#sessions.filter((session) => this.#mayAsk(session))
      onLost(this.#frontier.giveUp((want) => asked.every((session) => this.#lacks(session, want))))
      void this.#look()
      return
    }
    const peers = this.#tally.report(() => undefined)
    const cid = formatLink(this.#target.root)
    const message = `no peer left to fetch ${cid} from: ${describePeers(peers)}; what was verified is kept, try again or add peers`
    this.#fail(new CoppiceError('NO_PEER_LEFT', message, { details: { root: cid, peers } }))
  }

  /** Notes who sends, and wakes idle lanes so that they see what others owe. */
  async #tick(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#options.clock.sleep(HEDGE_AFTER_MS / 4, this.#over.signal)
      } catch {
        return
      }
      this.#questions.listen(this.#options.clock.now())
      this.#bell.ring()
    }
  }

  #fail(error: unknown): void {
    if (!isCoppiceError(error, 'TREE_MALFORMED')) return this.#finished.reject(error)
    const details = { ...error.details, signedRoot: this.#target.signedRoot }
    this.#finished.reject(new CoppiceError(error.code, error.message, { cause: error.cause, details }))
  }

  #progress(): PullProgress {
    const { entries, bytes, subtreesSkipped } = this.#frontier.counts
    return {
      entries,
      bytes,
      entriesTotal: this.#target.entries,
      bytesTotal: this.#target.bytes,
      blocksReceived: this.#blocksReceived,
      subtreesSkipped,
    }
  }

  #report(): PullReport {
    const { blocksHeld, blocksDamaged, entriesSkipped, roundTrips } = this.#frontier.counts
    const peers = this.#tally.report((session) => this.#questions.debtOf(session, this.#options.clock.now()))
    const progress = this.#progress()
    this.#options.onProgress?.(progress)
    return {
      ...progress,
      ...this.#tally.traffic,
      blocksHeld,
      blocksDamaged,
      blocksRepeated: this.#blocksRepeated,
      entriesSkipped,
      roundTrips: Math.max(1, roundTrips),
      peers,
    }
  }
}
