/**
 * What to ask a peer next, and how (protocol.md, 10). Subtrees are asked for as ranges where the author's counts say that they fit an answer,
 * what is larger by its link, so that its parts can be shared out. Each peer gets neighbours, in questions that take it about as
 * long as the others take for theirs. With nothing left to ask for, it is given what another has owed for long.
 *
 * In a swarm, where peers have parts of the tree, each of these is asked for what it has. Whoever has all of it is spared: it is asked for
 * what nobody else is known to have, in small parts, one at a time.
 */
import { ANSWER_BYTES_MAX, REQUEST_LINKS_MAX } from '../../limits.ts'
import {
  BLOCK_REQUESTS_PER_PEER,
  INTERNAL_NODES_MAX,
  QUESTION_BYTES_MIN,
  SPARED_DEBT_MS,
  SPARED_MS,
  SWARM_OWED_BYTES_MAX,
  SWARM_PATIENCE_MS,
  SWARM_PARTS,
} from '../limits.ts'
import type { Session } from '../peers/session.ts'
import type { Frontier } from './frontier.ts'
import type { Holdings } from './holdings.ts'
import type { Paces } from './pace.ts'
import type { PeerTally } from './peer-tally.ts'
import type { Question, QuestionKind, Questions } from './questions.ts'
import type { Offer, Taken, Want } from './wants.ts'

/** No question about single blocks has fewer for the sake of sharing work. */
const SHARE_LINKS_MIN = 8
/** A holder is left in peace while others are so many times as quick, and left out of what they offer unless it is so many times as quick. */
const SPARED_RATIO = 2
export interface PlannerParts {
  readonly frontier: Frontier
  readonly holdings: Holdings
  readonly paces: Paces
  readonly questions: Questions
  readonly tally: PeerTally
  /** Whether ranges are asked for at all. */
  readonly ranges: boolean
  /** Of what the author counts, how much is expected to be sent: all, or little where a base is here. */
  readonly density: number
  readonly bytesTotal: number
  /** 0 <= n < 1. */
  readonly random: () => number
}

export class Planner {
  readonly #parts: PlannerParts
  #density: number
  #hasDensity = false
  /** Since when nothing has come, and until when a holder is left in peace for that. */
  #sparedSince = -Infinity
  #sparedUntil = -Infinity

  constructor(parts: PlannerParts) {
    this.#parts = parts
    this.#density = parts.density
  }

  /** A range brought `bytes` of what the author counts as `passedBytes`. */
  noteDensity(bytes: number, passedBytes: number): void {
    if (this.#parts.density === 1 || passedBytes <= 0) return
    const density = Math.min(1, bytes / passedBytes)
    this.#density = this.#hasDensity ? (this.#density + density) / 2 : density
    this.#hasDensity = true
  }

  /** Undefined where there is nothing to ask `session` now. */
  next(session: Session, now: number): Question | undefined {
    const { holdings, tally, frontier } = this.#parts
    const askable = holdings.askable.filter((each) => holdings.mayHaveAny(each))
    if (!askable.includes(session)) return undefined
    const isSwarm = holdings.isSwarm(now)
    const isSpared = holdings.isCrowd(now) && holdings.holds(session)
    // A session may still owe answers to an earlier pull. Whoever has not sent anything yet can hold up one question only.
    const atOnce = tally.isProven(session) && !isSpared ? BLOCK_REQUESTS_PER_PEER : 1
    if (session.openQuestions >= atOnce) return undefined
    const asking = { session, now, isSwarm, isSpared, budget: this.#budgetOf(session, askable, isSpared) }
    if (isSpared ? this.#isServedByOthers(asking) : isSwarm && this.#isSwarmBusy(now)) return undefined
    const share = Math.floor(asking.budget / this.#linksFor(askable))
    const offer = (want: Want): Offer<QuestionKind> | undefined => this.#offer(asking, want, share)
    const taken =
      (isSpared ? this.#takeUpper(asking, offer) : undefined) ?? frontier.take(REQUEST_LINKS_MAX, asking.budget, offer)
    if (taken === undefined) return this.#overdue(asking)
    return this.#question(asking, taken)
  }

  /** Nodes above the parts that are shared out: only what is known to be missing can be had from others. */
  #takeUpper(
    { budget }: Asking,
    offer: (want: Want) => Offer<QuestionKind> | undefined,
  ): Taken<QuestionKind> | undefined {
    return this.#parts.frontier.take(REQUEST_LINKS_MAX, budget, (want) => {
      const found = want.weight > 0 ? offer(want) : undefined
      return found?.kind === 'blocks' ? found : undefined
    })
  }

  #budgetOf(session: Session, askable: readonly Session[], isSpared: boolean): number {
    const { holdings, paces, frontier, bytesTotal } = this.#parts
    const budget = paces.budgetOf(session, askable, (bytesTotal - frontier.counts.bytes) * this.#density)
    if (!isSpared) return budget
    return Math.min(
      budget,
      Math.max(QUESTION_BYTES_MIN, Math.floor(bytesTotal / (SWARM_PARTS * holdings.askable.length))),
    )
  }

  /** How many single blocks to ask for, so that there is something for every lane. */
  #linksFor(askable: readonly Session[]): number {
    const share = Math.ceil(this.#parts.frontier.readyCount / (askable.length * BLOCK_REQUESTS_PER_PEER))
    return Math.min(REQUEST_LINKS_MAX, Math.max(SHARE_LINKS_MIN, share))
  }

  /** How the want would be asked for, if it would be. A single block counts for `share` bytes at least. */
  #offer(asking: Asking, want: Want, share: number): Offer<QuestionKind> | undefined {
    const { frontier } = this.#parts
    if (!this.#mayAsk(asking, want)) return undefined
    if (asking.isSpared && this.#isLeftToOthers(asking, want)) return undefined
    const range = this.#rangeBytes(asking, want)
    if (range !== undefined) return { kind: 'range', bytes: range }
    if (want.weight > 0 && frontier.internalAsked >= INTERNAL_NODES_MAX) return undefined
    return { kind: 'blocks', bytes: Math.max(want.bytesLikely, share) }
  }

  /** What a peer has left to others it is not asked for while these bring anything. */
  #mayAsk({ session, now }: Asking, want: Want): boolean {
    const { holdings } = this.#parts
    if (!holdings.mayHave(session, want)) return false
    const until = holdings.elsewhereUntil(session, want)
    return until === undefined || (now >= until && this.#owedBySwarm(now) === 0)
  }

  /** What its range would bring; undefined where it is asked for by its link. */
  #rangeBytes({ session, isSpared, budget }: Asking, want: Want): number | undefined {
    const { subtreeBytes, bytesLikely, level } = want
    if (!this.#parts.ranges || want.byLink || subtreeBytes === undefined || session.getRange === undefined)
      return undefined
    const bytes = Math.max(bytesLikely, Math.floor(subtreeBytes * this.#density))
    // Nothing else can be asked for before the root: what fits comes with it.
    if (level === undefined && !this.#parts.holdings.mayBecomeSwarm) return bytes
    if (isSpared && level !== 0 && level !== 1 && bytes > budget) return undefined
    return bytes <= ANSWER_BYTES_MAX ? bytes : undefined
  }

  /** Whether peers that have parts of the tree are so much quicker than this one that they come first, and may yet bring something. */
  #isServedByOthers({ session, now }: Asking): boolean {
    const { holdings, paces, random } = this.#parts
    const others = holdings.askable.filter((other) => !holdings.holds(other))
    if (this.#paceOf(others, now) <= SPARED_RATIO * (paces.of(session) ?? 0)) return false
    const answeredAt = Math.max(...[session, ...others].map((peer) => paces.answeredAt(peer)))
    if (answeredAt !== this.#sparedSince) {
      this.#sparedSince = answeredAt
      // Of many who wait for the same, the first that asks brings it to the others.
      this.#sparedUntil = answeredAt + random() * SPARED_MS
    }
    return now < this.#sparedUntil
  }

  /** Whether those who have parts of the tree have been asked for enough. */
  #isSwarmBusy(now: number): boolean {
    return this.#owedBySwarm(now) >= SWARM_OWED_BYTES_MAX
  }

  /** What peers that have parts of the tree owe, but for what they have owed for too long. */
  #owedBySwarm(now: number): number {
    const { holdings, questions } = this.#parts
    return questions.owedSince(now - SWARM_PATIENCE_MS, (session) => !holdings.holds(session))
  }

  /** Whether peers that have it are quick enough to leave it to them. */
  #isLeftToOthers({ session, now }: Asking, want: Want): boolean {
    const { holdings, paces } = this.#parts
    const others = holdings.offering(want)
    return others.length > 0 && this.#paceOf(others, now) * SPARED_RATIO >= (paces.of(session) ?? 0)
  }

  /** Of all together; of those that keep us waiting nothing. */
  #paceOf(sessions: readonly Session[], now: number): number {
    const { paces, questions } = this.#parts
    let sum = 0
    for (const session of sessions) if (questions.debtOf(session, now) === undefined) sum += paces.of(session) ?? 0
    return sum
  }

  /** What another peer has owed for long. */
  #overdue(asking: Asking): Question | undefined {
    const { session, now, isSwarm } = asking
    const { questions, frontier } = this.#parts
    const isOwed = (want: Want): boolean => !want.settled && this.#mayAsk(asking, want)
    const debt = questions.getOverdue(session, now, (question) => {
      if (isSwarm && now - question.askedAt < SPARED_DEBT_MS) return false
      return question.wants.some(isOwed) && !this.#hasBetter(asking, question)
    })
    if (debt === undefined) return undefined
    const wants = debt.wants.filter(isOwed)
    frontier.askAgain(wants)
    debt.hedged = true
    const mayRange = session.getRange !== undefined && !wants.some((want) => want.byLink)
    return this.#question(asking, { kind: mayRange ? debt.kind : 'blocks', wants, bytes: debt.bytesMax }, debt)
  }

  /** Whether a peer that has proven itself is free to help out with the question, and `session` has not. */
  #hasBetter({ session, now }: Asking, { session: debtor, wants }: Question): boolean {
    const { holdings, questions, tally } = this.#parts
    if (tally.isProven(session)) return false
    return holdings.askable.some((other) => {
      if (other === debtor || !tally.isProven(other) || questions.debtOf(other, now) !== undefined) return false
      return other.openQuestions < BLOCK_REQUESTS_PER_PEER && wants.every((want) => holdings.mayHave(other, want))
    })
  }

  #question(asking: Asking, taken: Taken<QuestionKind>, debt?: Question): Question {
    const { session, now: askedAt, isSwarm, budget } = asking
    const { kind, wants, bytes } = taken
    // A part that others are to be told of has to come as a whole. What a range will bring is known where no base is left out.
    const isWhole = isSwarm || this.#parts.holdings.isShared
    const bytesMax = isWhole ? Math.max(bytes, budget) : this.#parts.density === 1 ? Math.min(bytes, budget) : budget
    return {
      session,
      kind,
      wants,
      bytesMax: Math.min(ANSWER_BYTES_MAX, Math.max(1, bytesMax)),
      askedAt,
      heardAt: askedAt,
      heardBytes: session.traffic.bytesReceived,
      debt,
      depth: debt === undefined ? 0 : debt.depth + 1,
      hedged: false,
    }
  }
}

/** The peer to be asked, and what goes for all its questions now. */
interface Asking {
  readonly session: Session
  readonly now: number
  readonly isSwarm: boolean
  readonly isSpared: boolean
  readonly budget: number
}
