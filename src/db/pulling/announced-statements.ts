/**
 * What peers say of rotations and forks beside the roots that they show (record.md, 5; protocol.md, 8), heard before those are judged:
 * it says whose signature counts, and which epochs are over. Each of it is looked at once. A peer whose rotations begin beyond what
 * is known here is asked for all of them; where they contradict ours, their author has signed both, and the peer is not to blame.
 */
import { equalBytes } from '../../bytes.ts'
import type { Announcer } from './root-judge.ts'
import { type Heard, hearStatements, type Known } from '../roots/statements.ts'
import type { DatabaseState } from '../state.ts'

/** How long one judging of roots waits for the rotations of peers, in all. */
const WAIT_MS = 3_000

export class AnnouncedStatements {
  readonly #state: DatabaseState
  readonly #heard = new Map<Announcer, Uint8Array>()
  /** Who was asked for all it has. */
  readonly #asked = new WeakSet<Announcer>()

  constructor(state: DatabaseState) {
    this.#state = state
  }

  /** `known` and what they add. @throws the signal's reason. */
  async hear(known: Known, announcers: readonly Announcer[], signal: AbortSignal | undefined): Promise<Known> {
    let now = known
    let until: number | undefined
    for (const announcer of announcers) {
      const { statements } = announcer
      const last = this.#heard.get(announcer)
      if (statements === undefined || (last !== undefined && equalBytes(last, statements))) continue
      this.#heard.set(announcer, statements)
      // Whoever cannot be asked for more has said all.
      let heard = this.#take(now, announcer, statements, announcer.getAttachments === undefined)
      if (heard.problem === 'unconnected' && !this.#asked.has(announcer)) {
        this.#asked.add(announcer)
        until ??= this.#state.clock.now() + WAIT_MS
        const all = await this.#askForAll(announcer, until, signal)
        if (all !== undefined) heard = this.#take(heard, announcer, all, true)
      }
      now = { floor: heard.floor, authority: heard.authority }
    }
    return now
  }

  #take(known: Known, announcer: Announcer, bytes: Uint8Array, isWhole: boolean): Heard {
    const heard = hearStatements(known, bytes, { isWhole })
    for (const { epoch } of heard.evidence) {
      this.#state.log('peer %s has evidence of a fork in epoch %d', announcer.name, epoch)
    }
    if (heard.problem === 'malformed') announcer.fail('protocol', 'said what are no statements')
    if (heard.problem === 'unsigned') announcer.fail('liar', 'showed evidence of a fork that its author did not sign')
    return heard
  }

  /** Undefined where there is no answer in time. */
  async #askForAll(
    announcer: Announcer,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const over = new AbortController()
    const waiting = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
    const { clock } = this.#state
    const time = clock.sleep(Math.max(0, until - clock.now()), waiting).catch(() => undefined)
    // A session that ends says nothing.
    const asked = announcer.getAttachments?.().catch(() => undefined)
    const answer = await Promise.race([asked, time])
    over.abort(new Error('no more is waited for'))
    signal?.throwIfAborted()
    return answer instanceof Uint8Array ? answer : undefined
  }
}
