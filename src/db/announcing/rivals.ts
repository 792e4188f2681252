/**
 * What an author asks its carriers before it signs (record.md, 5, "Publishing"): whether one shows a newer root of its own, as after a
 * restored backup, or one that contradicts its last, as with one key on two machines. A carrier that lies cannot forbid anything:
 * only what the author's own keys have signed counts. One that is silent forbids nothing either, and is told.
 */
import { equalBytes } from '../../bytes.ts'
import { askCarriers, type Heard } from '../../carriers/ask.ts'
import { encodeAttachments } from '../../carriers/attachments.ts'
import { type Carrier, type CarrierAnswer, type Shown, SHOWN_MAX } from '../../carriers/carrier.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import {
  type AnySignedRoot,
  type Authority,
  comparePositions,
  decodeSignedRoot,
  type Evidence,
  findRival,
  historyLeaf,
  type Rival,
  type SignedRoot,
  verifyEvidence,
  verifySignedRoot,
} from '../../pointer/index.ts'
import { readLinkProof } from '../roots/history.ts'
import { hearStatements, type Known, readKnown } from '../roots/statements.ts'
import type { DatabaseState } from '../state.ts'

/** A walk through a DHT takes seconds where nodes are away; whoever is on a train waits no longer than this to publish. */
export const ASK_MS = 10_000

/** What one carrier showed. */
export interface AskedCarrier {
  readonly name: string
  /**
   * `rival`: a root of the author's own that forbids to go on from the last one. `same`: the last one. `older`. `nothing`. `invalid`:
   * nothing that the author signed. `failed`, `late`: it could not be asked, or had not answered in time.
   */
  readonly shows: 'rival' | 'same' | 'older' | 'nothing' | 'invalid' | 'failed' | 'late'
  /** Of what it showed. */
  readonly sequence: number | undefined
  readonly copies: number
  readonly ms: number
  /** Why it could not be asked. */
  readonly reason: string | undefined
}

/** A root of the author's own that the last one does not lead to. */
export interface RivalRoot {
  /** The carrier or peer that shows it. */
  readonly from: string
  readonly rival: Rival
  readonly root: AnySignedRoot
}

/** What speaks against going on from the last root. */
export interface Found {
  readonly rivals: readonly RivalRoot[]
  /** That the author contradicted itself, as somebody can prove. */
  readonly evidence: readonly FoundEvidence[]
}

export interface FoundEvidence {
  readonly from: string
  readonly epoch: number
}

/**
 * Refuses to sign a root of `epoch` over what was found. What stands in epochs below is superseded by it, as whoever revokes a
 * signer means it.
 * @throws {CoppiceError} `PUBLISH_REFUSED` with `details.reason`: `newer`, `different` or `evidence`.
 */
export function requireNoRival(own: SignedRoot | null, { rivals, evidence }: Found, epoch: number): void {
  const found = rivals.find(({ root }) => root.payload.epoch >= epoch)
  if (found !== undefined) throw rivalError(own, found)
  const proof = evidence.find((each) => each.epoch >= epoch)
  if (proof === undefined) return
  throw new CoppiceError(
    'PUBLISH_REFUSED',
    `publish: expected one chain of signed roots, got proof at ${proof.from} of two that contradict each other in epoch ` +
      `${proof.epoch}, where readers stop; coppice recover --end-fork ends the fork`,
    { details: { reason: 'evidence', carrier: proof.from, epoch: proof.epoch } },
  )
}

export function rivalError(own: SignedRoot | null, { from, rival, root }: RivalRoot, isFork?: boolean): CoppiceError {
  const { epoch, sequence } = root.payload
  const last = own === null ? 'none of this database' : `@${own.payload.sequence} as the newest`
  // Who has begun a later epoch has superseded the one before.
  const forks = isFork ?? (rival === 'different' && epoch === own?.payload.epoch)
  const advice = forks ? 'coppice recover --end-fork joins the two' : 'coppice recover goes on from it'
  const got = `${rival === 'different' ? 'another ' : ''}@${sequence}${epoch === 0 ? '' : ` of epoch ${epoch}`}`
  return new CoppiceError(
    'PUBLISH_REFUSED',
    `signed root: expected ${last} that this key has signed, got ${got} (at ${from}); ${advice}`,
    { details: { reason: forks ? 'different' : 'newer', carrier: from, epoch, sequence } },
  )
}

/** Collects what carriers and peers show of the author's own. */
export class RivalFinder implements Found {
  readonly #rivals: RivalRoot[] = []
  readonly #evidence: { readonly from: string; readonly evidence: Evidence }[] = []
  readonly #state: DatabaseState
  readonly #own: SignedRoot | null
  #known: Known

  private constructor(state: DatabaseState, own: SignedRoot | null, known: Known) {
    this.#state = state
    this.#own = own
    this.#known = known
  }

  /** Begins with what this database keeps against its own author: replicas that stopped have told its server. */
  static async begin(state: DatabaseState, own: SignedRoot | null): Promise<RivalFinder> {
    const known = await readKnown(state)
    const finder = new RivalFinder(state, own, known)
    await finder.#note('this database', known.floor.evidence)
    return finder
  }

  /** The highest first. */
  get rivals(): readonly RivalRoot[] {
    const valid = this.#rivals.filter(({ root }) => verifySignedRoot(root, this.authority) === undefined)
    return valid.toSorted((a, b) => comparePositions(b.root.payload, a.root.payload))
  }

  /** What a rotation that was shown later took the signature from is none. */
  get evidence(): readonly FoundEvidence[] {
    const valid = this.#evidence.filter(({ evidence }) => verifyEvidence(evidence, this.authority))
    return valid.map(({ from, evidence: { epoch } }) => ({ from, epoch }))
  }

  /** With the rotations that were shown and are new here. */
  get authority(): Authority {
    return this.#known.authority
  }

  /** Rotations and evidence that somebody sent, whatever the bytes are. */
  async hear(from: string, statements: Uint8Array): Promise<void> {
    const heard = hearStatements(this.#known, statements)
    this.#known = heard
    await this.#note(from, heard.evidence)
  }

  /** What each carrier shows. @throws the signal's reason. Carriers that fail are reported, never thrown. */
  async ask(carriers: readonly Carrier[], signal: AbortSignal | undefined): Promise<AskedCarrier[]> {
    const { author, name, clock } = this.#state
    const heard = await askCarriers({ author, name }, carriers, { clock, signal, deadlineMs: ASK_MS })
    // Statements first: they say who may sign.
    for (const { carrier, answer } of heard) {
      for (const { record } of shownOf(answer)) await this.hear(carrier.name, encodeAttachments(record.attachments))
    }
    const reports: AskedCarrier[] = []
    for (const each of heard) reports.push(await this.#hearCarrier(each))
    return reports
  }

  /** One root, whatever its bytes are. */
  async look(from: string, bytes: Uint8Array): Promise<'rival' | 'same' | 'older' | 'invalid'> {
    const root = valid(() => decodeSignedRoot(bytes))
    return root === undefined ? 'invalid' : await this.#judge(from, root)
  }

  async #hearCarrier({ carrier: { name }, ms, answer, error }: Heard): Promise<AskedCarrier> {
    const base = { name, ms, sequence: undefined, copies: 0, reason: undefined }
    if (error !== undefined) {
      return { ...base, shows: 'failed', reason: error instanceof Error ? error.message : 'it failed' }
    }
    if (answer === undefined) return { ...base, shows: 'late' }
    const seen: AskedCarrier[] = []
    for (const { record, copies } of shownOf(answer)) {
      const root = valid(() => decodeSignedRoot(record.signedRoot))
      const shows = root === undefined ? 'invalid' : await this.#judge(name, root)
      seen.push({ ...base, shows, sequence: root?.payload.sequence, copies })
    }
    const telling = TELLING.flatMap((shows) => seen.filter((each) => each.shows === shows))
    return telling[0] ?? { ...base, shows: 'nothing' }
  }

  async #judge(from: string, root: AnySignedRoot): Promise<'rival' | 'same' | 'older' | 'invalid'> {
    const { payload } = root
    if (!equalBytes(payload.author, this.#state.author) || payload.name !== this.#state.name) return 'invalid'
    if (this.#own !== null && equalBytes(this.#own.link, root.link)) return 'same'
    const rival = findRival(this.#state.name, this.#own, root, this.#known.authority) ?? (await this.#findOld(root))
    if (rival !== undefined) {
      this.#rivals.push({ from, rival, root })
      return 'rival'
    }
    return this.#own !== null && comparePositions(payload, this.#own.payload) < 0 ? 'older' : 'invalid'
  }

  /** Whether a root below the last one is another than the one that the history has at its place. */
  async #findOld(root: AnySignedRoot): Promise<Rival | undefined> {
    const { epoch, sequence } = root.payload
    const own = this.#own?.payload
    if (own === undefined || epoch !== own.epoch || sequence >= own.sequence) return undefined
    const { store } = this.#state
    const known = await readLinkProof((name) => store.getMeta(name), sequence, own)
    if (known === undefined || equalBytes(known.leaf, historyLeaf(root.payloadBytes))) return undefined
    return verifySignedRoot(root, this.#known.authority) === undefined ? 'different' : undefined
  }

  /** The roots that evidence is made of are shown by it, too. */
  async #note(from: string, found: readonly Evidence[]): Promise<void> {
    for (const evidence of found) {
      this.#evidence.push({ from, evidence })
      if (evidence.kind !== 'roots') continue
      for (const root of [evidence.lower, evidence.upper]) await this.#judge(from, root)
    }
  }
}

/** What says most of a carrier that shows several. */
const TELLING = ['rival', 'same', 'older', 'invalid'] as const

function shownOf(answer: CarrierAnswer | undefined): readonly Shown[] {
  return (answer?.shown ?? []).slice(0, SHOWN_MAX)
}

/** Undefined for bytes that are not what they should be. */
function valid<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
