/** How fast peers are, by their answers, and how much to ask of each at once: questions of all peers should take about as long. */
import { ANSWER_BYTES_MAX } from '../../limits.ts'
import { FIRST_QUESTION_BYTES, QUESTION_BYTES_MIN, QUESTION_MS } from '../limits.ts'
import type { Session } from '../peers/session.ts'

interface Pace {
  bytesPerMs: number
  /** Of the quickest answer. */
  latencyMs: number
  answeredAt: number
}

export class Paces {
  readonly #paces = new Map<Session, Pace>()

  /** An answer of so many bytes came to a question asked at `askedAt`. */
  note(session: Session, bytes: number, askedAt: number, now: number): void {
    const before = this.#paces.get(session)
    const latencyMs = Math.max(1, now - askedAt)
    // A question waits for the one before it to be answered.
    const bytesPerMs = bytes / Math.max(1, now - Math.max(askedAt, before?.answeredAt ?? 0))
    if (before === undefined) {
      this.#paces.set(session, { bytesPerMs, latencyMs, answeredAt: now })
      return
    }
    before.bytesPerMs = (before.bytesPerMs + bytesPerMs) / 2
    before.latencyMs = Math.min(before.latencyMs, latencyMs)
    before.answeredAt = now
  }

  /** Bytes in a millisecond; undefined where nothing has come. */
  of(session: Session): number | undefined {
    return this.#paces.get(session)?.bytesPerMs
  }

  /** When its last answer came. */
  answeredAt(session: Session): number {
    return this.#paces.get(session)?.answeredAt ?? -Infinity
  }

  /** How many bytes to ask `session` for while `peers` have about `bytesLeft` to send: less towards the end, so that all end together. */
  budgetOf(session: Session, peers: readonly Session[], bytesLeft: number): number {
    const pace = this.#paces.get(session)
    if (pace === undefined) return FIRST_QUESTION_BYTES
    const msLeft = peers.length > 1 ? bytesLeft / this.#sumOf(peers) / 2 : Infinity
    // Twice the latency, so that a long line is not taken for a thin one.
    const ms = Math.min(Math.max(QUESTION_MS, 2 * pace.latencyMs), msLeft)
    return Math.floor(Math.min(ANSWER_BYTES_MAX, Math.max(QUESTION_BYTES_MIN, pace.bytesPerMs * ms)))
  }

  /** Of all together; those of which nothing is known count as the others do. */
  #sumOf(peers: readonly Session[]): number {
    let sum = 0
    let known = 0
    for (const peer of peers) {
      const pace = this.of(peer)
      if (pace === undefined) continue
      sum += pace
      known++
    }
    return (sum * peers.length) / Math.max(1, known)
  }
}
