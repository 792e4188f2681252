/**
 * Judges the signed roots that peers show by the floor of a replica (record.md, 5). The floor that comes of it is on the
 * disk before anybody uses what it admits. Each root that a session shows is judged once in a pull.
 */
import { equalBytes } from '../../bytes.ts'
import { type Acceptance, encodeFloor, type Evidence, type Floor } from '../../pointer/index.ts'
import { CoppiceError } from '../../errors.ts'
import type { Session } from '../../sync/index.ts'
import { FLOOR } from '../meta.ts'
import { describeVerdict, type Judgement } from '../roots/judgement.ts'
import { readAuthority, readFloor } from '../roots/standing.ts'
import type { DatabaseState } from '../state.ts'
import { RootLinks } from './root-links.ts'

interface Judged {
  readonly announced: Uint8Array
  readonly judgement: Judgement
}

export class RootJudge {
  readonly #state: DatabaseState
  readonly #judged = new Map<Session, Judged>()

  constructor(state: DatabaseState) {
    this.#state = state
  }

  /** Of what each session showed last, in the order in which they showed something first. */
  get judgements(): readonly Judgement[] {
    return [...this.#judged.values()].map(({ judgement }) => judgement)
  }

  /** Another pull: whatever is shown is looked at again, since time may have made it acceptable. */
  begin(): void {
    this.#judged.clear()
  }

  /**
   * The floor after all that the sessions show.
   * @throws {CoppiceError} `EQUIVOCATION`; the evidence is on the disk.
   */
  async judge(sessions: readonly Session[], signal?: AbortSignal): Promise<Floor> {
    const before = await readFloor(this.#state)
    const authority = await readAuthority(this.#state)
    const now = Math.floor(this.#state.clock.now() / 1000)
    const judged = new Map<Session, Judged>()
    const links = new RootLinks(this.#state, sessions, signal)
    let floor = before
    let contradiction: Extract<Acceptance, { outcome: 'equivocation' | 'halted' }> | undefined
    for (const session of sessions) {
      const { announced } = session
      const last = this.#judged.get(session)?.announced
      if (announced === undefined || (last !== undefined && equalBytes(last, announced))) continue
      const verdict = await links.judge(floor, announced, { authority, now })
      const judgement = { peer: session.peer, name: session.name, ...describeVerdict(verdict) }
      judged.set(session, { announced, judgement })
      this.#state.log('peer %s shows a root that is %s', session.name, verdict.outcome)
      if (verdict.outcome === 'accepted' || verdict.outcome === 'equivocation') floor = verdict.floor
      if (verdict.outcome === 'equivocation' || verdict.outcome === 'halted') contradiction = verdict
      if (verdict.outcome === 'accepted') contradiction = undefined
      if (verdict.outcome === 'invalid') {
        session.fail('liar', `showed a signed root that is not valid (${judgement.reason})`)
      }
      if (verdict.outcome === 'stale' && floor.accepted !== null) session.tell(floor.accepted.root.bytes)
    }
    if (floor !== before) {
      const meta = new Map([[FLOOR, encodeFloor(floor)], ...links.learned])
      await this.#state.store.write({ meta }, { durable: true })
    }
    // Not before: where proofs are waited for no longer, all of it is looked at again.
    for (const [session, seen] of judged) this.#judged.set(session, seen)
    if (contradiction !== undefined) throw equivocation(this.#state.name, contradiction.evidence)
    return floor
  }
}

export function equivocation(name: string, evidence: Evidence): CoppiceError {
  return new CoppiceError(
    'EQUIVOCATION',
    `${name}: expected one chain of signed roots, got two that contradict each other in epoch ${evidence.epoch}; ` +
      'the replica stays at what it has until its author ends the fork with a higher epoch',
    { details: { evidence } },
  )
}
