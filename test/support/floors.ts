/** A replica's side of the pointer in tests: a floor that takes what is offered, as an honest replica would. */
import {
  createFloor,
  decodeFloor,
  encodeFloor,
  judgeSignedRoot,
  type Acceptance,
  type AcceptanceContext,
  type Authority,
  type Floor,
  type SignedRoot,
} from '../../src/pointer/index.ts'
import { START } from './author-chain.ts'

/** After every root that tests issue, unless they say otherwise. */
export const NOW: number = START + 30 * 86_400

export class TestReplica {
  floor: Floor
  authority: Authority
  now: number = NOW

  constructor(authority: Authority, name = 'test') {
    this.authority = authority
    this.floor = createFloor(authority.author, name)
  }

  /** Judges, keeps the floor as a store would (through its bytes), and gives the outcome. */
  offer(root: SignedRoot | Uint8Array, context: Partial<AcceptanceContext> = {}): Acceptance {
    const bytes = root instanceof Uint8Array ? root : root.bytes
    const judged = judgeSignedRoot(this.floor, bytes, { authority: this.authority, now: this.now, ...context })
    if (judged.outcome === 'accepted' || judged.outcome === 'equivocation') {
      this.floor = decodeFloor(encodeFloor(judged.floor))
    }
    return judged
  }

  /** The outcome in one word: how an accepted root is linked, why an invalid one is refused. */
  take(root: SignedRoot | Uint8Array, context: Partial<AcceptanceContext> = {}): string {
    const judged = this.offer(root, context)
    if (judged.outcome === 'accepted') return judged.link
    return judged.outcome === 'invalid' ? `invalid: ${judged.reason}` : judged.outcome
  }

  get accepted(): SignedRoot | undefined {
    return this.floor.accepted?.root
  }
}
