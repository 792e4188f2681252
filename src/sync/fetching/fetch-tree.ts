/**
 * Fetches one pinned tree from several peers at once (protocol.md, 10). Every peer has a few lanes, each with one
 * question under way: peers take work at their own pace, so a fast one does more and a slow one holds up little. What a
 * dropped peer owed goes back to the others; the last answers owed are asked for twice. What is asked of whom is the planner's
 * decision, what becomes of an answer the frontier's.
 *
 * The root is not switched here: when this returns, the tree is wholly in the store and recorded, and the caller makes
 * it current. When it throws, what was verified so far is in the store too, and the next pull goes on from there.
 */
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { formatLink } from '../../link.ts'
import { BLOCK_REQUESTS_PER_PEER, BUSY_WAIT_MS, BYTES_PER_TURN, HEDGE_AFTER_MS } from '../limits.ts'
import type { Blocks, DataRefused, Session } from '../peers/session.ts'
import type { PullProgress, PullReport } from '../report.ts'
import { Bell } from './bell.ts'
import type { FetchOptions, FetchTarget } from './fetch-options.ts'
import { Frontier } from './frontier.ts'
import { Holdings } from './holdings.ts'
import { Paces } from './pace.ts'
import { describePeers, PeerTally } from './peer-tally.ts'
import { Planner } from './planner.ts'
import { type Question, Questions } from './questions.ts'
import { type PullStore, VerifiedWriter } from './verified-writer.ts'
import type { Want } from './wants.ts'

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

class TreeFetch {
  readonly #target: FetchTarget
  readonly #sessions: readonly Session[]
  readonly #options: FetchOptions
  readonly #writer: VerifiedWriter
  readonly #frontier: Frontier
  readonly #holdings: Holdings
  readonly #paces = new Paces()
  /** Questions without an answer. */
  readonly #questions = new Questions()
  readonly #tally: PeerTally
  readonly #planner: Planner
  readonly #bell = new Bell()
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #over = new AbortController()
  /** Questions asked and answers being worked on, busy peers included. */
  #handling = 0
  #looking = false
  #lookAgain = false
  #bytesThisTurn = 0

  constructor(target: FetchTarget, sessions: readonly Session[], store: PullStore, options: FetchOptions) {
    const { base, format, random, holds: announced, isShared = false } = options
    this.#target = target
    this.#sessions = sessions
    this.#options = options
    this.#writer = new VerifiedWriter(store, options.writeBytesMax)
    const isSalvage = options.onLost !== undefined
    this.#holdings = new Holdings({ announced, isSalvage, isShared, random })
    for (const session of sessions) this.#holdings.add(session, options.clock.now())
    this.#frontier = new Frontier(target, this.#writer, {
      format,
      random: this.#holdings.mayBecomeSwarm ? random : undefined,
    })
    this.#tally = new PeerTally(sessions, this.#holdings, options.absent ?? [])
    for (const [session, use] of options.patch?.used ?? []) this.#tally.notePatch(session, use)
    this.#planner = new Planner({
      frontier: this.#frontier,
      holdings: this.#holdings,
      paces: this.#paces,
      questions: this.#questions,
      tally: this.#tally,
      ranges: base !== undefined && !isSalvage,
      density: base === null ? 1 : 0,
      bytesTotal: target.bytes,
      random,
    })
  }

  async run(): Promise<PullReport> {
    const { signal, leaving } = this.#options
    const onAbort = (): void => this.#finished.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    leaving?.addEventListener('abort', this.#checkLeaving, { once: true })
    const endJoining = this.#options.joining?.((session) => this.#join(session))
    try {
      void this.#look()
      for (const session of this.#sessions) this.#runLanes(session)
      void this.#tick()
      this.#checkLeaving()
      await this.#finished.promise
    } catch (error) {
      this.#stop()
      // What is verified is worth keeping; the first error is the one to tell.
      await this.#writer.flush().catch(() => {})
      throw error
    } finally {
      this.#stop()
      endJoining?.()
      signal?.removeEventListener('abort', onAbort)
      leaving?.removeEventListener('abort', this.#checkLeaving)
    }
    await this.#writer.flush()
    for (const [session, what] of (await this.#options.patch?.liars()) ?? []) session.fail('liar', what)
    return this.#report()
  }

  /** A peer that comes later than the others does its share of what is left. */
  #join(session: Session): void {
    this.#holdings.add(session, this.#now)
    this.#tally.add(session)
    this.#runLanes(session)
  }

  #runLanes(session: Session): void {
    for (let i = 0; i < BLOCK_REQUESTS_PER_PEER; i++) void this.#runLane(session)
  }

  #stop(): void {
    this.#over.abort(new Error('the fetch is over'))
    this.#bell.ring()
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted
  }

  get #isLeaving(): boolean {
    return this.#options.leaving?.aborted === true
  }

  readonly #checkLeaving = (): void => {
    if (!this.#isLeaving) return
    this.#bell.ring()
    if (this.#handling === 0) this.#finished.reject(this.#options.leaving?.reason)
  }

  get #now(): number {
    return this.#options.clock.now()
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
      while (!this.#isOver && !this.#isLeaving && session.isOpen) {
        const question = this.#planner.next(session, this.#now)
        if (question !== undefined) await this.#ask(question)
        else if (!(await this.#askWhatIsThere(session))) await this.#bell.wait()
      }
      this.#bell.ring()
      this.#checkPeersLeft()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #ask(question: Question): Promise<void> {
    this.#handling++
    this.#questions.add(question)
    try {
      const answer = await this.#answerTo(question)
      if (this.#isOver) return
      if (typeof answer === 'string') {
        this.#frontier.giveBack(question.wants)
        this.#questions.delete(question)
        this.#noteRefused(question, answer)
        this.#bell.ring()
        if (question.session.isOpen && !this.#holdings.isLeft(question.session, answer)) await this.#rest()
        return
      }
      this.#accept(question, answer)
      this.#questions.delete(question)
      const full = this.#writer.writeIfFull()
      if (full instanceof Promise) await full
      await this.#takeTurns()
      void this.#look()
      this.#options.onProgress?.(this.#progress())
    } finally {
      this.#questions.delete(question)
      this.#handling--
      this.#checkLeaving()
    }
  }

  #noteRefused({ session, wants }: Question, answer: DataRefused): void {
    const isTooLong = this.#holdings.noteRefused(session, wants, answer, this.#now)
    if (isTooLong) session.fail('busy', 'never gives what it says that it has')
    else if (answer === 'gone') this.#holdings.noteGone(session, this.#now)
  }

  /** `busy` also where the peer was dropped. */
  async #answerTo(question: Question): Promise<Blocks | DataRefused> {
    const { session, kind, bytesMax } = question
    const root = this.#options.named?.(session) ?? this.#target.root
    const links = question.wants.map((want) => want.link)
    try {
      if (kind === 'blocks' || session.getRange === undefined) return await session.getBlocks(root, links)
      return await session.getRange({ root, base: this.#options.base ?? null, links, bytesMax })
    } catch (error) {
      if (session.isOpen) throw error
      return 'busy'
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

  #accept(question: Question, blocks: Blocks): void {
    const { session, kind, wants, askedAt } = question
    let bytes = 0
    for (const block of blocks) bytes += block?.length ?? 0
    this.#bytesThisTurn += bytes
    this.#paces.note(session, bytes, askedAt, this.#now)
    this.#tally.noteAnswer(kind, blocks.length, bytes)
    if (bytes > 0) this.#holdings.noteGave(session)
    try {
      if (kind === 'range') this.#acceptRange(question, blocks as readonly Uint8Array[], bytes)
      else this.#acceptBlocks(question, blocks)
    } catch (error) {
      if (!isCoppiceError(error, 'BLOCK_MISMATCH')) throw error
      session.fail('liar', `sent wrong bytes: ${error.message}`, error)
    } finally {
      this.#frontier.giveBack(wants)
    }
  }

  #acceptBlocks({ session, wants }: Question, blocks: Blocks): void {
    const absent: Want[] = []
    for (const [i, want] of wants.entries()) {
      const bytes = blocks[i]
      if (bytes === undefined) break
      if (bytes === null) absent.push(want)
      else this.#tally.noteBlocks(session, this.#frontier.accept(want, bytes) ? 1 : 0, 1, bytes.length)
    }
    const broken = absent.filter((want) => this.#holdings.noteAbsent(session, want) && !want.settled)
    if (broken[0] === undefined) return
    const what = `${broken.length} of its blocks, such as ${formatLink(broken[0].link)}`
    session.fail('incomplete', `announced the root and lacks ${what}`)
  }

  #acceptRange({ session, wants }: Question, blocks: readonly Uint8Array[], bytes: number): void {
    const { accepted, fresh, passedBytes, foreign } = this.#frontier.acceptRange(wants, blocks)
    this.#tally.noteBlocks(session, fresh, accepted, bytes)
    if (foreign !== undefined) throw foreign
    this.#planner.noteDensity(bytes, passedBytes)
  }

  /** Asks a peer that may have parts of the tree which ones. False: not now. */
  async #askWhatIsThere(session: Session): Promise<boolean> {
    const { root } = this.#target
    const wants = this.#holdings.toAskAbout(session, this.#frontier, this.#now)
    if (wants === undefined) return false
    this.#handling++
    try {
      const has = await session.getHave?.(
        root,
        wants.map((want) => want.link),
      )
      this.#holdings.noteHave(session, wants, typeof has === 'string' ? undefined : has, this.#now)
      if (has === 'gone') this.#holdings.noteGone(session, this.#now)
    } catch (error) {
      if (session.isOpen) throw error
      this.#holdings.noteHave(session, wants, undefined, this.#now)
    } finally {
      this.#handling--
      this.#checkLeaving()
    }
    this.#bell.ring()
    return true
  }

  /** Nothing is under way and nobody can be asked: the pull has to end. */
  #checkPeersLeft(): void {
    if (this.#isOver || this.#looking || this.#frontier.isDone) return
    if (this.#handling > 0) return
    const askable = this.#holdings.askable
    const mayHave = (session: Session, want: Want): boolean => this.#holdings.mayHave(session, want)
    const isPossible = askable.some(
      (session) =>
        this.#holdings.mayGetMore(session, this.#now) || this.#frontier.someReady((want) => mayHave(session, want)),
    )
    if (isPossible) return
    const { onLost } = this.#options
    if (onLost !== undefined) {
      onLost(this.#frontier.giveUp((want) => !askable.some((session) => mayHave(session, want))))
      void this.#look()
      return
    }
    const peers = this.#tally.report(() => undefined)
    const cid = formatLink(this.#target.root)
    const message = `no peer left to fetch ${cid} from: ${describePeers(peers)}; what was verified is kept, try again or add peers`
    this.#fail(new CoppiceError('NO_PEER_LEFT', message, { details: { root: cid, peers } }))
  }

  /** Notes who sends, and wakes idle lanes so that they see what others owe, or may have by now. */
  async #tick(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#options.clock.sleep(HEDGE_AFTER_MS / 4, this.#over.signal)
      } catch {
        return
      }
      this.#questions.listen(this.#now)
      for (const session of this.#holdings.askable) session.shareWith?.(this.#holdings.sharers)
      this.#writer.writeSome()
      this.#bell.ring()
      this.#checkPeersLeft()
    }
  }

  #fail(error: unknown): void {
    if (!isCoppiceError(error, 'TREE_MALFORMED')) return this.#finished.reject(error)
    const details = { ...error.details, signedRoot: this.#target.signedRoot }
    this.#finished.reject(new CoppiceError(error.code, error.message, { cause: error.cause, details }))
  }

  #progress(): PullProgress {
    const { entries, bytes, bytesHere, subtreesSkipped, roundTrips } = this.#frontier.counts
    // What rows have proven is known before the frontier comes there, and the rows themselves were not here.
    const proven = this.#options.patch?.proven ?? { entries: 0, bytes: 0, bytesCame: 0 }
    const cameNow = bytes - bytesHere
    const known = Math.max(bytes, Math.min(this.#target.bytes, proven.bytes + cameNow))
    return {
      entries: Math.max(entries, proven.entries),
      bytes: known,
      bytesHere: Math.max(0, known - cameNow - proven.bytesCame),
      entriesTotal: this.#target.entries,
      bytesTotal: this.#target.bytes,
      blocksReceived: this.#tally.blocksReceived,
      subtreesSkipped,
      roundTrips: Math.max(1, roundTrips) + (this.#options.patch?.report.roundTrips ?? 0),
      peers: this.#tally.shares(),
    }
  }

  #report(): PullReport {
    const { blocksHeld, blocksDamaged, entriesSkipped } = this.#frontier.counts
    const peers = this.#tally.report((session) => this.#questions.debtOf(session, this.#now))
    const progress = this.#progress()
    this.#options.onProgress?.(progress)
    return {
      ...progress,
      ...this.#tally.traffic,
      blocksHeld,
      blocksDamaged,
      blocksRepeated: this.#tally.blocksRepeated,
      entriesSkipped,
      asked: this.#tally.asked,
      patch: this.#options.patch?.report,
      peers,
    }
  }
}
