/**
 * The targets of one pull, one after the other (protocol.md, 10): the newest accepted root; a newer one, when somebody shows
 * it and the present one has had its time, or when nobody serves the present one any more; and where no peer has the newest
 * one's blocks, the older roots that it names. Whatever became of a target, what was verified of it is in the store.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import {
  type AcceptedRoot,
  comparePositions,
  type Floor,
  haltingEvidence,
  type OnFork,
  type SignedRoot,
} from '../../pointer/index.ts'
import {
  fetchTree,
  type PatchOptions,
  type PatchOutcome,
  type PatchPlan,
  planPatch,
  pullPatch,
  type PullReport,
  type Session,
} from '../../sync/index.ts'
import { announces } from '../roots/announced.ts'
import { invalidRootError, keepInvalidRoot, readInvalidRoot } from '../roots/invalid-root.ts'
import { readOnFork } from '../roots/on-fork.ts'
import { readAuthority, readFloor } from '../roots/standing.ts'
import type { DatabaseState } from '../state.ts'
import type { CarrierClaims } from './carrier-claims.ts'
import { joinReports, type UnfinishedFetch } from './joined-report.ts'
import { olderRoots, shownRoots } from './older-roots.ts'
import type { PeerSessions } from './peer-sessions.ts'
import { type OnProgress, ProgressTeller } from './progress.ts'
import { equivocation, type RootJudge } from './root-judge.ts'
import { TargetPatience } from './target-patience.ts'

export interface PullOptions {
  readonly signal?: AbortSignal | undefined
  /** Called as verified data comes in, and once a second where none does. Must not throw. */
  readonly onProgress?: OnProgress | undefined
  /** Called with each root that is to be fetched, before its tree is. */
  readonly onTarget?: ((target: SignedRoot) => void) | undefined
  /** What to do about a fork, from now on; it is kept with the replica. */
  readonly onFork?: OnFork | undefined
}

/** What is fetched now. */
interface Goal {
  readonly target: SignedRoot
  /** The target itself, or the root that names it. */
  readonly accepted: AcceptedRoot
  readonly isFallback: boolean
}

/** A target whose tree is wholly in the store. */
export interface Reached extends Goal {
  readonly targets: number
  readonly report: PullReport
}

/** What a pull would do. */
export interface Plan {
  readonly to: SignedRoot
  /** Undefined where nothing is here to begin with. */
  readonly patch: PatchPlan | undefined
}

/** A plan is to cost little: some 200 rows. */
const PLAN_SIZES = { probeBytesMax: 16 * 1024 }

/** Pulls shorter than this do not listen for newer roots. */
const LISTEN_AFTER_MS = 1_000
/** How long a peer holds back its answer until it has news. */
const NEWS_WAIT_MS = 25_000
/** Of targets that nobody serves, one in this time. */
const TARGET_MS_MIN = 1_000
/** Patience alone would make 44 in a century. An author who signs roots without blocks gets no more than these. */
const TARGETS_MAX = 64
/** Nor does one whose trees break rules: the pull ends then, and what is complete stays. */
const INVALID_TARGETS_MAX = 4

/** Why a target is left. */
class NewerRoot extends Error {
  override readonly name = 'NewerRoot'
}

export class Pursuit {
  readonly #state: DatabaseState
  readonly #peers: PeerSessions
  readonly #carriers: CarrierClaims
  readonly #judge: RootJudge
  readonly #options: PullOptions
  /** Complete before. */
  readonly #from: SignedRoot | undefined
  readonly #patience: TargetPatience
  readonly #teller: ProgressTeller
  /** The tree that is wholly here, null where nothing is; undefined where an earlier target left parts. */
  #base: Link | null | undefined
  readonly #unfinished: UnfinishedFetch[] = []
  /** Targets that were left for newer ones. */
  readonly #left: Uint8Array[] = []
  /** Of these targets the trees break rules. */
  #invalidTargets = 0
  /** Names of peers whose rows did not come to a target's tree, which was left before anybody could tell why. */
  #suspects = new Set<string>()

  constructor(
    state: DatabaseState,
    peers: PeerSessions,
    carriers: CarrierClaims,
    judge: RootJudge,
    options: PullOptions,
    from: SignedRoot | undefined,
  ) {
    this.#state = state
    this.#peers = peers
    this.#carriers = carriers
    this.#judge = judge
    this.#options = options
    this.#from = from
    this.#patience = new TargetPatience(state.clock.now())
    this.#teller = new ProgressTeller(state.clock, options.onProgress)
  }

  /** @throws {CoppiceError} `NO_PEER_LEFT`, `TREE_MALFORMED`, `EQUIVOCATION`, `STORE_*`; the signal's reason. */
  async run(): Promise<Reached> {
    this.#base = await this.#baseBefore()
    let goal = await this.firstGoal()
    /** What to fall back to, once the newest could not be had. */
    let older: SignedRoot[] | undefined
    let failure: unknown
    for (;;) {
      try {
        const report = joinReports(await this.#fetch(goal), this.#unfinished)
        return { ...goal, targets: this.#patience.targets, report }
      } catch (error) {
        this.#unfinished.push({ progress: this.#teller.last, error })
        const next = await this.#nextGoal(goal, error)
        if (next !== undefined) {
          goal = next
          older = undefined
          failure = undefined
          continue
        }
        if (!isCoppiceError(error, 'NO_PEER_LEFT') && !(goal.isFallback && isCoppiceError(error, 'TREE_MALFORMED'))) {
          throw error
        }
        failure ??= error
        older ??= await this.#older(goal.accepted)
        const target = this.#invalidTargets < INVALID_TARGETS_MAX ? older.shift() : undefined
        if (target === undefined) throw failure
        goal = { target, accepted: goal.accepted, isFallback: true }
      }
    }
  }

  /** Judges what peers and carriers show, and gives what is to be fetched first. @throws as {@link run}. */
  async firstGoal(): Promise<Goal> {
    const { signal } = this.#options
    let floor = await this.#judge.judge(this.#peers.all, signal)
    if (!this.#isAnswered(floor) && this.#peers.hasLate) {
      await this.#peers.connectLate(signal)
      floor = await this.#judge.judge(this.#peers.all, signal)
    }
    if (this.#carriers.isWaiting || this.#carriers.claims.length > 0) {
      await this.#carriers.settled(this.#isAnswered(floor), signal)
      floor = await this.#judge.judge(this.#peers.all, signal)
    }
    const { accepted } = floor
    if (accepted === null || !this.#isAnswered(floor)) throw this.#nothingFound()
    const { root } = accepted
    const evidence = haltingEvidence(floor, root.payload.epoch)
    if (evidence !== undefined && (await readOnFork(this.#state.store)) === 'stop') {
      throw equivocation(this.#state.name, evidence)
    }
    const known = await readInvalidRoot(this.#state, root)
    if (known !== undefined) throw invalidRootError(known)
    return newestGoal(accepted)
  }

  async #baseBefore(): Promise<Link | null | undefined> {
    const { accepted } = await readFloor(this.#state)
    if (this.#from === undefined) return accepted === null ? null : undefined
    return accepted !== null && equalBytes(accepted.root.link, this.#from.link) ? this.#from.payload.root : undefined
  }

  /** That nobody shows anything newer may only be said where somebody has answered. */
  #isAnswered({ accepted }: Floor): boolean {
    if (accepted === null) return false
    if (this.#judge.isCarrierBelieved) return true
    return this.#peers.open.some(({ announced, status }) => announced !== undefined || status === 'same')
  }

  /** @throws as {@link run}; {@link NewerRoot} where it is time for another target. */
  async #fetch(goal: Goal): Promise<PullReport> {
    const { target } = goal
    const { store, clock, random } = this.#state
    const { signal, onTarget } = this.#options
    this.#patience.begin(clock.now())
    this.#teller.begin(target)
    this.#state.fetching = target
    onTarget?.(target)
    this.#state.log('fetching @%d from %d peers', target.payload.sequence, this.#peers.open.length)
    const over = new AbortController()
    const leave = new AbortController()
    const beside = [this.#listen(goal, leave, over.signal), this.#teller.keepTelling(over.signal)]
    const suspects = new Set(this.#suspects)
    const { root, entries, bytes } = target.payload
    try {
      const patch = await this.#patch(target, leave.signal, suspects)
      return await fetchTree({ root, entries, bytes, signedRoot: target.bytes }, this.#peers.all, store, {
        patch,
        clock,
        random,
        signal,
        leaving: leave.signal,
        onProgress: this.#teller.tell,
        absent: this.#peers.failed,
        holds: (session) => this.#holds(session, target),
        isShared: this.#peers.isShared,
        base: this.#patience.targets > 1 ? undefined : this.#base,
        joining: (join) => this.#peers.onJoin(join),
      })
    } catch (error) {
      if (isCoppiceError(error, 'TREE_MALFORMED')) {
        this.#invalidTargets++
        // Noted durably: the root is never tried again. Rows did not come to it for that reason, whoever sent them.
        await keepInvalidRoot(this.#state, target, error)
      } else this.#suspects = suspects
      throw error
    } finally {
      over.abort(new Error('the fetch is over'))
      await Promise.all(beside)
    }
  }

  /** What rows make of the older tree that is here; undefined where none is. */
  async #patch(target: SignedRoot, leaving: AbortSignal, suspects: Set<string>): Promise<PatchOutcome | undefined> {
    if (this.#from === undefined) return undefined
    const options = { ...this.#patchOptions(target, leaving), onProgress: this.#teller.tell, suspects }
    return await pullPatch(this.#from.payload.root, target.payload, this.#peers.all, this.#state.store, options)
  }

  /** What a pull would fetch, and how. A root is learned and judged as with a pull, and a page of rows at most is asked for. */
  async plan(): Promise<Plan> {
    const { target } = await this.firstGoal()
    if (this.#from === undefined) return { to: target, patch: undefined }
    const options = { ...this.#patchOptions(target), sizes: PLAN_SIZES }
    const patch = await planPatch(this.#from.payload.root, target.payload, this.#peers.all, this.#state.store, options)
    return { to: target, patch }
  }

  #patchOptions(target: SignedRoot, leaving?: AbortSignal): PatchOptions {
    const { clock, random } = this.#state
    const { signal } = this.#options
    const both =
      leaving === undefined || signal === undefined ? (leaving ?? signal) : AbortSignal.any([signal, leaving])
    return { clock, random, signal: both, holds: (session) => this.#holds(session, target) }
  }

  /** Who shows the root as one of which it has parts promises nothing. */
  #holds(session: Session, target: SignedRoot): boolean {
    if (session.status === 'partial') return false
    if (announces(session, this.#peers.have, target)) return true
    return session.older?.some((bytes) => equalBytes(bytes, target.bytes)) === true
  }

  /** Judges what peers show meanwhile; ends the fetch when there is a newer root and the target has had its time. */
  async #listen(goal: Goal, leave: AbortController, over: AbortSignal): Promise<void> {
    const { clock } = this.#state
    try {
      await clock.sleep(LISTEN_AFTER_MS, over)
      let isNewer = false
      while (this.#peers.open.length > 0) {
        const waitMs = isNewer ? Math.max(0, this.#patience.mayLeaveAt - clock.now()) : NEWS_WAIT_MS
        await this.#newsWithin(waitMs, over)
        const { accepted } = await this.#judge.judge(this.#peers.open, over)
        over.throwIfAborted()
        isNewer = isAbove(accepted, goal.accepted) && this.#patience.targets < TARGETS_MAX
        if (isNewer && clock.now() >= this.#patience.mayLeaveAt)
          return leave.abort(new NewerRoot('there is a newer root'))
      }
    } catch (error) {
      if (!over.aborted) leave.abort(error)
    }
  }

  async #newsWithin(ms: number, over: AbortSignal): Promise<void> {
    const heard = new AbortController()
    const until = AbortSignal.any([heard.signal, over])
    const time = this.#state.clock.sleep(ms, until)
    try {
      await Promise.race([time, this.#peers.waitForNews(NEWS_WAIT_MS, until), this.#carriers.waitForNews()])
    } finally {
      heard.abort(new Error('heard'))
      await time.catch(() => {})
    }
  }

  /** The newest root anew, where a target that ended so is worth leaving for it. */
  async #nextGoal(goal: Goal, error: unknown): Promise<Goal | undefined> {
    const isUnserved = isCoppiceError(error, 'NO_PEER_LEFT')
    const isInvalid = isCoppiceError(error, 'TREE_MALFORMED')
    if (!isUnserved && !isInvalid && !(error instanceof NewerRoot)) return undefined
    if (isInvalid && this.#invalidTargets >= INVALID_TARGETS_MAX) return undefined
    const { signal } = this.#options
    // Peers that answer at once and are of no use must not keep those away that take longer to be reached.
    const isLate = isUnserved && this.#peers.hasLate
    if (isLate) await this.#peers.connectLate(signal)
    else if (isUnserved) await this.#peers.refresh(signal)
    const { accepted } = await this.#judge.judge(this.#peers.open, signal)
    if (accepted === null || (!isLate && !isAbove(accepted, goal.accepted))) return undefined
    if (isUnserved && !isLate) {
      if (this.#patience.targets >= TARGETS_MAX) return undefined
      await this.#state.clock.sleep(this.#patience.since + TARGET_MS_MIN - this.#state.clock.now(), signal)
    }
    if (isAbove(accepted, goal.accepted)) this.#left.push(goal.accepted.root.bytes)
    return newestGoal(accepted)
  }

  async #older({ root }: AcceptedRoot): Promise<SignedRoot[]> {
    if (root.payload.recent.length === 0) return []
    await this.#peers.reconnectIncomplete(this.#options.signal)
    const ofCarriers = this.#carriers.claims.flatMap(({ announced }) => announced ?? [])
    const shown = [...shownRoots(this.#peers.open), ...ofCarriers, ...this.#left]
    const older: SignedRoot[] = []
    for (const one of olderRoots(root, this.#from, shown, await readAuthority(this.#state))) {
      if ((await readInvalidRoot(this.#state, one)) === undefined) older.push(one)
    }
    return older
  }

  #nothingFound(): CoppiceError {
    const { name } = this.#state
    const { judgements } = this.#judge
    const peers = [
      ...this.#peers.failed,
      ...this.#peers.all.map((session) => ({
        peer: session.peer,
        name: session.name,
        outcome: session.end?.fault ?? session.status,
        reason: session.end?.error.message ?? judgements.find((judgement) => judgement.name === session.name)?.reason,
      })),
      ...this.#carriers.asked.map(({ name, outcome, reason }) => ({
        peer: undefined,
        name,
        outcome,
        reason: reason ?? judgements.find((judgement) => judgement.name === name)?.reason,
      })),
    ]
    const named = peers.map(
      (peer) => `${peer.name}: ${peer.outcome}${peer.reason === undefined ? '' : ` (${peer.reason})`}`,
    )
    const got = named.length === 0 ? 'no peer to ask; name one with the address: ?peer=' : named.join('; ')
    const message = `${name}: expected a signed root from some peer, got none: ${got}`
    return new CoppiceError('NO_PEER_LEFT', message, { details: { peers } })
  }
}

function newestGoal(accepted: AcceptedRoot): Goal {
  return { target: accepted.root, accepted, isFallback: false }
}

function isAbove(accepted: AcceptedRoot | null, before: AcceptedRoot): boolean {
  return accepted !== null && comparePositions(accepted.root.payload, before.root.payload) > 0
}
