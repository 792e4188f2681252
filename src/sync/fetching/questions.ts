/** The questions of one fetch that have no answer yet: who owes them, for how long, and whom else to ask. */
import { ANSWER_BYTES_MAX } from '../../limits.ts'
import { HEDGE_AFTER_MS } from '../limits.ts'
import type { Debt } from './peer-tally.ts'
import type { Session } from '../peers/session.ts'
import type { Want } from './wants.ts'

/** Blocks by their links, or whole subtrees. */
export type QuestionKind = 'blocks' | 'range'

/** Blocks asked of one peer together. */
export interface Question {
  readonly session: Session
  readonly kind: QuestionKind
  readonly wants: readonly Want[]
  /** The most that a range may bring. */
  readonly bytesMax: number
  readonly askedAt: number
  /** When the peer was last seen to send anything, and what it had sent by then. */
  heardAt: number
  heardBytes: number
  /** The question of another peer that this one repeats. */
  readonly debt: Question | undefined
  /** How often the same was asked of others before. */
  readonly depth: number
  /** It is being asked of another. */
  hedged: boolean
}

export class Questions {
  readonly #open = new Set<Question>()

  add(question: Question): void {
    this.#open.add(question)
  }

  /** It has been answered, or never will be: what another owes and this did not bring may be asked for once more. */
  delete(question: Question): void {
    if (this.#open.delete(question) && question.debt !== undefined) question.debt.hedged = false
  }

  /** Notes which debtors have sent anything since the last call. */
  listen(now: number): void {
    for (const question of this.#open) {
      const { bytesReceived } = question.session.traffic
      if (bytesReceived === question.heardBytes) continue
      question.heardBytes = bytesReceived
      question.heardAt = now
    }
  }

  /** The most that the peers which pass `test` have been asked for since then and not answered. */
  owedSince(since: number, test: (session: Session) => boolean): number {
    let bytes = 0
    for (const { session, askedAt, bytesMax } of this.#open) if (askedAt >= since && test(session)) bytes += bytesMax
    return bytes
  }

  /** A question that another peer has owed for long, for `session` to be asked. Whoever owes for long itself is no help. */
  getOverdue(session: Session, now: number, mayTake: (question: Question) => boolean): Question | undefined {
    if (this.debtOf(session, now) !== undefined) return undefined
    for (const question of this.#open) {
      if (question.hedged || question.session === session) continue
      if (now - question.askedAt < patienceWith(question)) continue
      if (question.wants.some((want) => !want.settled) && mayTake(question)) return question
    }
    return undefined
  }

  /** What a peer owed for long when others had done its work: it is named, and may pay later. */
  debtOf(session: Session, now: number): Debt | undefined {
    for (const question of this.#open) {
      const ms = now - question.askedAt
      if (question.session === session && ms >= HEDGE_AFTER_MS) return { ms, quietMs: now - question.heardAt }
    }
    return undefined
  }
}

/** Longer with each copy of a large question, so that a slow line is not filled with copies; small ones cost little. */
function patienceWith({ depth, bytesMax }: Question): number {
  return HEDGE_AFTER_MS * Math.max(1, (2 ** depth * bytesMax) / ANSWER_BYTES_MAX)
}
