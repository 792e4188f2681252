/**
 * What those who ask a served database say of rotations and forks (protocol.md, 8 and 9). A stranger may say anything, as often as he can
 * connect: what is not new costs nothing, and of what is, only so much is verified in a time, of one caller less, so that others are heard.
 * A handle that only reads keeps what it heard in memory: nothing is lost that the process which writes does not hear from its own peers,
 * and meanwhile it is handed on.
 */
import { equalBytes } from '../../bytes.ts'
import type { Evidence } from '../../pointer/index.ts'
import { FLOOR, ROTATIONS } from '../meta.ts'
import type { DatabaseState } from '../state.ts'
import { encodeStatements, hearStatements, joinKnown, keepKnown, type Known, readKnown } from './statements.ts'

/** Statements that are verified: so many at once, and one more in each interval. One costs four signatures, some 6 ms. */
const OF_ALL: Rate = { burst: 32, intervalMs: 250 }
/** A caller that has new ones has two, rotations and evidence. */
const OF_CALLER: Rate = { burst: 4, intervalMs: 10_000 }
/** Whoever was not heard for longest is forgotten first; what is forgotten early is bounded by what all may have. */
const CALLERS_MAX = 1024

interface Said {
  readonly floor: Uint8Array | undefined
  readonly rotations: Uint8Array | undefined
  readonly statements: Uint8Array | undefined
}

export class Hearing {
  readonly #state: DatabaseState
  readonly #onEvidence: (evidence: Evidence) => void
  readonly #ofAll: Allowance
  readonly #callers = new Map<string, Allowance>()
  #said: Said | undefined
  /** Of a handle that only reads. */
  #heard: Known | undefined

  /** `onEvidence`: called with evidence that is new, verified. Must not throw. */
  constructor(state: DatabaseState, onEvidence: (evidence: Evidence) => void = () => {}) {
    this.#state = state
    this.#onEvidence = onEvidence
    this.#ofAll = new Allowance(OF_ALL, state.clock.now())
  }

  /** What there is to say, made anew where what is kept has changed. */
  readonly statements = async (): Promise<Uint8Array | undefined> => {
    const { store } = this.#state
    const [floor, rotations] = [await store.getMeta(FLOOR), await store.getMeta(ROTATIONS)]
    if (this.#said !== undefined && isSame(floor, this.#said.floor) && isSame(rotations, this.#said.rotations)) {
      return this.#said.statements
    }
    const isNothing = floor === undefined && rotations === undefined && this.#heard === undefined
    const statements = isNothing ? undefined : encodeStatements(await this.#known())
    this.#said = { floor, rotations, statements }
    return statements
  }

  /** `caller`: a machine, or a peer where that is unknown. Never rejects: what cannot be kept is heard again. */
  async hear(bytes: Uint8Array, caller: string): Promise<void> {
    const state = this.#state
    try {
      const known = await this.#known()
      const { floor, authority, evidence, problem } = hearStatements(known, bytes, {
        mayVerify: () => this.#mayVerify(caller),
      })
      if (problem !== undefined) state.log('heard statements that are %s', problem)
      if (floor === known.floor && authority === known.authority) return
      if (state.isWriter) await keepKnown(state, { floor, authority })
      else this.#remember({ floor, authority })
      for (const each of evidence) this.#onEvidence(each)
    } catch (error) {
      state.log('statements were not kept: %s', error)
    }
  }

  #remember(known: Known): void {
    this.#heard = known
    this.#said = undefined
    this.#state.notify()
  }

  async #known(): Promise<Known> {
    const kept = await readKnown(this.#state)
    return this.#heard === undefined ? kept : joinKnown(kept, this.#heard)
  }

  #mayVerify(caller: string): boolean {
    const now = this.#state.clock.now()
    const ofCaller = this.#callers.get(caller) ?? new Allowance(OF_CALLER, now)
    this.#callers.delete(caller)
    this.#callers.set(caller, ofCaller)
    const [first] = this.#callers.keys()
    if (this.#callers.size > CALLERS_MAX && first !== undefined) this.#callers.delete(first)
    // What a caller has no right to is not taken from the others.
    return ofCaller.left(now) > 0 && this.#ofAll.take(now) && ofCaller.take(now)
  }
}

interface Rate {
  readonly burst: number
  readonly intervalMs: number
}

class Allowance {
  readonly #rate: Rate
  #left: number
  #countedAt: number

  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#left = rate.burst
    this.#countedAt = now
  }

  left(now: number): number {
    const { burst, intervalMs } = this.#rate
    const intervals = Math.max(0, Math.floor((now - this.#countedAt) / intervalMs))
    this.#left = Math.min(burst, this.#left + intervals)
    this.#countedAt += intervals * intervalMs
    return this.#left
  }

  take(now: number): boolean {
    if (this.left(now) === 0) return false
    this.#left--
    return true
  }
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
