/**
 * When a peer is too slow (protocol.md, 11). Patience runs while the peer owes something, and comes back with what
 * arrives: a second per answer, and the time its bytes take at the minimum rate. So a peer at that rate is never dropped,
 * however small or large its answers are, and one below it is, however it spreads its bytes.
 */
import { ANSWER_ALLOWANCE_MS, PATIENCE_MS, RATE_BYTES_PER_SECOND_MIN, WATCH_INTERVAL_MS } from '../limits.ts'

/** What happened since the last look. */
export interface Observation {
  readonly elapsedMs: number
  /** The peer owes an answer that is due. */
  readonly owes: boolean
  readonly bytes: number
  /** Answers that were not cut short. */
  readonly answers: number
}

export class Patience {
  #leftMs = PATIENCE_MS
  #quietMs = 0
  /** How many the peer's line is shared by: each gets its part of the minimum rate. */
  sharers = 1

  /** In bytes per second. */
  get rateMin(): number {
    return RATE_BYTES_PER_SECOND_MIN / this.sharers
  }

  /** Undefined while the peer is good enough; else what it is to be dropped for. */
  judge({ elapsedMs, owes, bytes, answers }: Observation): 'silent' | 'slow' | undefined {
    if (!owes) {
      this.#leftMs = PATIENCE_MS
      this.#quietMs = 0
      return undefined
    }
    // A process that was suspended has not been watching.
    const elapsed = Math.min(Math.max(0, elapsedMs), 2 * WATCH_INTERVAL_MS)
    const earned = (bytes * 1000) / this.rateMin + answers * ANSWER_ALLOWANCE_MS
    this.#quietMs = bytes > 0 ? 0 : this.#quietMs + elapsed
    this.#leftMs = Math.min(PATIENCE_MS, this.#leftMs + earned - elapsed)
    if (this.#leftMs > 0) return undefined
    return this.#quietMs >= PATIENCE_MS / 2 ? 'silent' : 'slow'
  }
}
