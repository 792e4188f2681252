/**
 * Judges the signed roots that peers and carriers show by the floor of a replica (record.md, 5). The floor that comes of it is on
 * the disk before anybody uses what it admits. Each root that somebody shows is judged once in a pull, but for one that too few
 * sources show: that is looked at again.
 */
import { equalBytes } from '../../bytes.ts'
import { type Acceptance, type Evidence, type Floor, withEvidence } from '../../pointer/index.ts'
import { CoppiceError } from '../../errors.ts'
import type { Session } from '../../sync/index.ts'
import { describeVerdict, type Judgement } from '../roots/judgement.ts'
import { readOnFork } from '../roots/on-fork.ts'
import { encodeStatements, keepKnown, type Known, readKnown } from '../roots/statements.ts'
import type { DatabaseState } from '../state.ts'
import { AnnouncedStatements } from './announced-statements.ts'
import type { Claim } from './carrier-claims.ts'
import { RootLinks } from './root-links.ts'
import { readSupport } from './root-support.ts'

/** Whoever shows a signed root: the session of a peer, or what a carrier showed. */
export type Announcer = Pick<Session, 'peer' | 'name' | 'announced' | 'statements' | 'getAttachments' | 'fail' | 'tell'>

interface Judged {
  /** Undefined where it is to be judged again. */
  readonly announced: Uint8Array | undefined
  readonly judgement: Judgement
}

export class RootJudge {
  readonly #state: DatabaseState
  readonly #carriers: { readonly claims: readonly Claim[] }
  readonly #judged = new Map<Announcer, Judged>()
  readonly #statements: AnnouncedStatements

  /** `carriers`: what they show is judged beside what sessions show. */
  constructor(state: DatabaseState, carriers: { readonly claims: readonly Claim[] } = { claims: [] }) {
    this.#state = state
    this.#carriers = carriers
    this.#statements = new AnnouncedStatements(state)
  }

  /** Of what each of them showed last, in the order in which they showed something first. */
  get judgements(): readonly Judgement[] {
    return [...this.#judged.values()].map(({ judgement }) => judgement)
  }

  /** Whether anybody shows what its author signed. */
  get isReached(): boolean {
    return this.judgements.some(({ outcome }) => outcome !== 'invalid')
  }

  /** Whether some carrier shows what its author signed. */
  get isCarrierBelieved(): boolean {
    return this.#carriers.claims.some((claim) => {
      const outcome = this.#judged.get(claim)?.judgement.outcome
      return outcome !== undefined && outcome !== 'invalid'
    })
  }

  /** Another pull: whatever is shown is looked at again, since time may have made it acceptable. */
  begin(): void {
    this.#judged.clear()
  }

  /**
   * The floor after all that the sessions and the carriers say and show.
   * @throws {CoppiceError} `EQUIVOCATION` where the replica stops at a fork; the evidence is on the disk.
   */
  async judge(sessions: readonly Session[], signal?: AbortSignal): Promise<Floor> {
    const before = await readKnown(this.#state)
    const onFork = await readOnFork(this.#state.store)
    const now = Math.floor(this.#state.clock.now() / 1000)
    const judged = new Map<Announcer, Judged>()
    const { claims } = this.#carriers
    const support = await readSupport(this.#state.store, sessions, claims)
    const links = new RootLinks(this.#state, sessions, signal)
    const heard = await this.#statements.hear(before, [...sessions, ...claims], signal)
    const { authority } = heard
    let { floor } = heard
    let contradiction: Extract<Acceptance, { outcome: 'equivocation' | 'halted' }> | undefined
    for (const announcer of support.supportedFirst([...sessions, ...claims])) {
      const { announced, peer, name } = announcer
      const last = this.#judged.get(announcer)?.announced
      if (announced === undefined || (last !== undefined && equalBytes(last, announced))) continue
      const verdict = await links.judge(floor, announced, { authority, now, onFork })
      const missing = verdict.outcome === 'accepted' ? support.missing(announced) : undefined
      if (verdict.outcome === 'accepted' && missing !== undefined) {
        // Moves nothing; but where it contradicts what is here, that proves itself.
        if (verdict.evidence !== null) floor = withEvidence(floor, verdict.evidence)
        judged.set(announcer, {
          announced: undefined,
          judgement: { peer, name, outcome: 'unsupported', reason: missing },
        })
        continue
      }
      const judgement = { peer, name, ...describeVerdict(verdict) }
      judged.set(announcer, { announced, judgement })
      this.#state.log('%s shows a root that is %s', name, verdict.outcome)
      if (verdict.outcome === 'accepted' || verdict.outcome === 'equivocation') floor = verdict.floor
      if (verdict.outcome === 'equivocation' || verdict.outcome === 'halted') contradiction = verdict
      if (verdict.outcome === 'accepted') contradiction = undefined
      if (verdict.outcome === 'invalid') {
        announcer.fail('liar', `showed a signed root that is not valid (${judgement.reason})`)
      }
      if (verdict.outcome === 'stale' && floor.accepted !== null) announcer.tell(floor.accepted.root.bytes)
    }
    if (floor !== before.floor || authority !== before.authority) {
      const known = await keepKnown(this.#state, { floor, authority }, links.learned)
      passOn(before, known, sessions)
      floor = known.floor
    }
    // Not before: where proofs are waited for no longer, all of it is looked at again.
    for (const [announcer, seen] of judged) this.#judged.set(announcer, seen)
    if (contradiction !== undefined && onFork === 'stop') throw equivocation(this.#state.name, contradiction.evidence)
    return floor
  }
}

/** What is new is said to all that are connected: they may have been shown another chain than this replica. */
function passOn(before: Known, known: Known, sessions: readonly Session[]): void {
  const statements = encodeStatements(known)
  const said = encodeStatements(before)
  if (statements === undefined || (said !== undefined && equalBytes(statements, said))) return
  for (const session of sessions) {
    const isSaid = session.statements !== undefined && equalBytes(session.statements, statements)
    if (session.isOpen && !isSaid) session.tell(null, statements)
  }
}

export function equivocation(name: string, evidence: Evidence): CoppiceError {
  return new CoppiceError(
    'EQUIVOCATION',
    `${name}: expected one chain of signed roots, got two that contradict each other in epoch ${evidence.epoch}; ` +
      'the replica stays at what it has until its author ends the fork with a higher epoch, or it is told to go on with the highest root',
    { details: { evidence } },
  )
}
