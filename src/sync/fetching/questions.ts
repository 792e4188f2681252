/** The questions of one fetch that have no answer yet: who owes them, for how long, and whom else to ask. */
import type { Want } from './frontier.ts'
import { HEDGE_AFTER_MS } from '../limits.ts'
import type { Debt } from './peer-tally.ts'
import type { Session } from '../peers/session.ts'

/** Blocks asked of one peer together. */
export interface Question {
  readonly session: Session
  readonly wants: readonly Want[]
  readonly askedAt: number
  /** When the peer was last seen to send anything, and what it had sent by then. */
  heardAt: number
  heardBytes: number
  /** How often the same was asked of others before. */
  readonly depth: number
  /** It was asked of another since. */
  hedged: boolean
}

export class Questions {
  readonly #open = new Set<Question>()

  add(question: Question): void {
    this.#open.add(question)
  }

  delete(question: Question): void {
    this.#open.delete(question)
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

  /**
   * A question that another peer has owed for long, for `session` to be asked; each time after twice the time, so that a
   * slow line is not filled with copies. Whoever owes for long itself is no help.
   */
  takeOverdue(session: Session, now: number, mayTake: (question: Question) => boolean): Question | undefined {
    for (const { session: debtor, askedAt } of this.#open) {
      if (debtor === session && now - askedAt >= HEDGE_AFTER_MS) return undefined
    }
    for (const question of this.#open) {
      if (question.hedged || question.session === session) continue
      if (now - question.askedAt < HEDGE_AFTER_MS * 2 ** question.depth || !mayTake(question)) continue
      question.hedged = true
      return question
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
