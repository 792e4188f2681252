/**
 * Verifies the log of signed roots that is kept here, by the rules by which a replica accepts them one after the other (record.md,
 * 5): signatures, what each says of the ones before, and that its `history` continues theirs. Where the log skips sequences, that
 * takes hashes which a replica has only if peers gave it a link proof.
 */
import {
  type Acceptance,
  appendHistory,
  type Authority,
  createFloor,
  EMPTY_FRONTIER,
  type Floor,
  type Frontier,
  isFrontierOf,
  judgeDecodedRoot,
  type LinkProof,
  type LinkState,
  type SignedRoot,
} from '../../pointer/index.ts'
import type { DatabaseState } from '../state.ts'
import { readHistory, readLinkProof } from './history.ts'
import { describeVerdict } from './judgement.ts'
import { type LogOptions, readEntry } from './signed-log.ts'
import { readAuthority } from './standing.ts'

export interface VerifiedEntry {
  /** In the log, from 0. */
  readonly position: number
  /** Undefined where it is damaged. */
  readonly signedRoot: SignedRoot | undefined
  /** How it is connected with the entry before; undefined where it breaks a rule. */
  readonly link: LinkState | undefined
  /** Whether its `history` is that of the entry before, continued. Of the first one that can be said at sequence 1 only. */
  readonly history: 'consistent' | 'unknown'
  /** What is wrong with it, for people. */
  readonly problem: string | undefined
}

/** The entries of the log, oldest first; with a limit the newest, the first of them as it follows from the one before. */
export async function* verifyLog(
  state: DatabaseState,
  options: LogOptions = {},
): AsyncGenerator<VerifiedEntry, void, undefined> {
  const length = await state.logLength()
  const first = Math.max(0, length - (options.limit ?? length))
  const verifier = new Verifier(state, await readAuthority(state))
  for (let position = Math.max(0, first - 1); position < length; position++) {
    options.signal?.throwIfAborted()
    const entry = await verifier.next(position)
    if (position >= first) yield entry
  }
}

class Verifier {
  readonly #state: DatabaseState
  readonly #authority: Authority
  #floor: Floor
  /** Over the payloads below the floor's root, where they are known. */
  #history: Frontier | undefined

  constructor(state: DatabaseState, authority: Authority) {
    this.#state = state
    this.#authority = authority
    this.#floor = createFloor(state.author, state.name)
  }

  async next(position: number): Promise<VerifiedEntry> {
    const signedRoot = await readEntry(this.#state, position)
    if (signedRoot === undefined) {
      await this.#begin(undefined)
      return {
        position,
        signedRoot,
        link: undefined,
        history: 'unknown',
        problem: 'expected a signed root, got damage',
      }
    }
    const held = this.#floor.accepted?.root
    const verdict = judgeDecodedRoot(this.#floor, signedRoot, {
      authority: this.#authority,
      now: signedRoot.payload.issued,
      proof: await this.#proof(held, signedRoot),
    })
    if (verdict.outcome !== 'accepted') {
      await this.#begin(isOfAnother(verdict) ? undefined : signedRoot)
      return { position, signedRoot, link: undefined, history: 'unknown', problem: describe(verdict, held) }
    }
    const { link } = verdict
    const continued = isContinued(link) ? continuedHistory(this.#history, held, signedRoot) : undefined
    this.#floor = verdict.floor
    const isWrong = continued !== undefined && !isHistoryOf(continued, signedRoot)
    this.#history = continued === undefined || isWrong ? await this.#known(signedRoot) : continued
    const problem = isWrong ? `expected the history of @${held?.payload.sequence} continued, got another` : undefined
    const isConsistent = !isWrong && (continued !== undefined || (link === 'linked' && isSkip(held, signedRoot)))
    return { position, signedRoot, link, history: isConsistent ? 'consistent' : 'unknown', problem }
  }

  readonly #getMeta = (name: string): ReturnType<DatabaseState['store']['getMeta']> => this.#state.store.getMeta(name)

  async #proof(held: SignedRoot | undefined, root: SignedRoot): Promise<LinkProof | null> {
    if (held === undefined || !isSkip(held, root)) return null
    return (await readLinkProof(this.#getMeta, held.payload.sequence, root.payload)) ?? null
  }

  async #known({ payload }: SignedRoot): Promise<Frontier | undefined> {
    return await readHistory(this.#getMeta, payload)
  }

  /** What comes next is judged by this entry, whatever is wrong with it, if it is of this database: each problem is told once. */
  async #begin(root: SignedRoot | undefined): Promise<void> {
    const floor = createFloor(this.#state.author, this.#state.name)
    this.#floor = root === undefined ? floor : { ...floor, accepted: { root, link: 'unlinked' } }
    this.#history = root === undefined ? undefined : await this.#known(root)
  }
}

function isOfAnother(verdict: Acceptance): boolean {
  return verdict.outcome === 'invalid' && (verdict.reason === 'author' || verdict.reason === 'name')
}

/** Others leave a chain. */
function isContinued(link: LinkState): boolean {
  return link === 'first' || link === 'linked' || link === 'unlinked'
}

/** The history that `root` should have; undefined where it cannot be known. */
function continuedHistory(
  before: Frontier | undefined,
  held: SignedRoot | undefined,
  { payload }: SignedRoot,
): Frontier | undefined {
  if (payload.sequence === 1) return EMPTY_FRONTIER
  if (before === undefined || held?.payload.sequence !== payload.sequence - 1) return undefined
  return appendHistory(before, held.payloadBytes).frontier
}

function isHistoryOf(frontier: Frontier, { payload }: SignedRoot): boolean {
  return isFrontierOf(frontier, payload.sequence - 1, payload.history)
}

function isSkip(held: SignedRoot | undefined, { payload }: SignedRoot): boolean {
  return held !== undefined && payload.sequence > held.payload.sequence + 1
}

function describe(verdict: Exclude<Acceptance, { outcome: 'accepted' }>, held: SignedRoot | undefined): string {
  const before = held === undefined ? 'nothing' : `@${held.payload.sequence}`
  switch (verdict.outcome) {
    case 'same':
    case 'stale':
      return `expected a root above ${before}, which stands before it`
    case 'equivocation':
    case 'halted': {
      const { evidence } = verdict
      return `expected one chain, got a root that contradicts ${before}: ${evidence.kind === 'roots' ? evidence.reason : evidence.kind}`
    }
    case 'invalid':
      return `expected a root that its author signed, got a wrong ${verdict.reason}`
    case 'future':
    case 'newer-format':
    case 'needs-newer':
      return describeVerdict(verdict).reason ?? verdict.outcome
  }
}
