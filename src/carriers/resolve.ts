/**
 * Asks several carriers at once for the newest signed root of a database, and judges what they show by the floor (record.md, 5
 * and 7). Anything else than the floor is a claim: a carrier can withhold, show old or forged bytes, or be slow, and the only
 * thing that this costs is its own word. The floor that comes out has to be durable before anything is done with it.
 */
import { bytesToMapKey, equalBytes } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import { isCoppiceError } from '../errors.ts'
import {
  type Acceptance,
  type AnySignedRoot,
  acceptEvidence,
  type Authority,
  decodeEvidence,
  encodeEvidence,
  encodeRotations,
  type Evidence,
  findRotationConflict,
  type Floor,
  haltingEvidence,
  joinRotations,
  judgeDecodedRoot,
  judgeSignedRoot,
  type OnFork,
  signedRootProblem,
  verifySignedRoot,
  withEvidence,
  withoutRevoked,
} from '../pointer/index.ts'
import { askCarriers, type Heard } from './ask.ts'
import { ATTACHMENT_IDS } from './attachments.ts'
import { type Candidate, Candidates } from './candidates.ts'
import type { Carrier, PointerName, PointerRecord } from './carrier.ts'

export interface ResolveOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** For all carriers together; RESOLVE_MS where absent. */
  readonly deadlineMs?: number | undefined
  /** Only what that many independent sources show moves the floor; 1 where absent. */
  readonly quorum?: number | undefined
  /** `stop` where absent. */
  readonly onFork?: OnFork | undefined
}

/**
 * `newest`: what was resolved. `older`: an older one. `nothing`: it has none. `refused`: a root that cannot be taken, for
 * `reason`. `invalid`: nobody entitled signed it. `fork`: it contradicts another. `unsupported`: too few sources show it.
 * `failed`: it could not be asked. `late`: it had not answered by the deadline.
 */
export type CarrierOutcome =
  'newest' | 'older' | 'nothing' | 'refused' | 'invalid' | 'fork' | 'unsupported' | 'failed' | 'late'

export interface CarrierReport {
  readonly name: string
  readonly outcome: CarrierOutcome
  /** Of the highest root it showed. */
  readonly epoch: number | undefined
  readonly sequence: number | undefined
  /** Members that showed that root. */
  readonly copies: number
  readonly ms: number
  /** For people, where the outcome alone does not say it. */
  readonly reason: string | undefined
}

export interface Resolved {
  /** To be made durable before it is used; the very same object where nothing has changed. */
  readonly floor: Floor
  /** As the floor: to be kept. */
  readonly authority: Authority
  /** The record whose root the floor has now; undefined where no carrier showed it. */
  readonly record: PointerRecord | undefined
  /** Independent sources that showed it. */
  readonly sources: number
  readonly carriers: readonly CarrierReport[]
  /** New evidence of forks. */
  readonly evidence: readonly Evidence[]
  /** When it was judged, by one reading of the clock: seconds since 1970. */
  readonly now: number
}

/** All carriers together: a walk through a DHT takes a few seconds where nodes are away. */
export const RESOLVE_MS = 15_000

/** What a reader knows already. */
export interface Known {
  readonly floor: Floor
  readonly authority: Authority
}

/** @throws {RangeError} for a quorum below 1; the signal's reason. Carriers that fail are reported, never thrown. */
export async function resolve(
  pointer: PointerName,
  carriers: readonly Carrier[],
  known: Known,
  { clock, signal, deadlineMs = RESOLVE_MS, quorum = 1, onFork = 'stop' }: ResolveOptions,
): Promise<Resolved> {
  if (!Number.isSafeInteger(quorum) || quorum < 1) throw new RangeError(`quorum: expected 1 or more, got ${quorum}`)
  const heard = await askCarriers(pointer, carriers, { clock, signal, deadlineMs })
  return new Judging(heard, known, { now: Math.floor(clock.now() / 1000), quorum, onFork }).result()
}

interface Rules {
  /** Seconds. */
  readonly now: number
  readonly quorum: number
  readonly onFork: OnFork
}

class Judging {
  readonly #heard: readonly Heard[]
  readonly #rules: Rules
  readonly #candidates: Candidates
  readonly #verdicts = new Map<Candidate, Acceptance>()
  readonly #evidence: Evidence[] = []
  #floor: Floor
  #authority: Authority

  constructor(heard: readonly Heard[], { floor, authority }: Known, rules: Rules) {
    this.#heard = heard
    this.#candidates = new Candidates(heard)
    this.#floor = floor
    this.#authority = authority
    this.#rules = rules
  }

  result(): Resolved {
    this.#learnStatements()
    this.#judge()
    const bytes = this.#floor.accepted?.root.bytes
    return {
      floor: this.#floor,
      authority: this.#authority,
      record: bytes === undefined ? undefined : this.#recordOf(bytes),
      sources: this.#sourcesOf(bytes),
      carriers: this.#heard.map((each) => this.#report(each)),
      evidence: this.#evidence,
      now: this.#rules.now,
    }
  }

  /** With what is verified of rotations and evidence: whoever was first may have shown others. */
  #recordOf(bytes: Uint8Array): PointerRecord | undefined {
    const shown = this.#candidates.recordOf(bytes)
    if (shown === undefined) return undefined
    const attachments = new Map(shown.attachments)
    attachments.delete(ATTACHMENT_IDS.rotations)
    attachments.delete(ATTACHMENT_IDS.evidence)
    const [evidence] = this.#floor.evidence
    if (this.#authority.rotations.length > 0) {
      attachments.set(ATTACHMENT_IDS.rotations, encodeRotations(this.#authority))
    }
    if (evidence !== undefined) attachments.set(ATTACHMENT_IDS.evidence, encodeEvidence(evidence))
    return { signedRoot: shown.signedRoot, attachments }
  }

  #sourcesOf(signedRoot: Uint8Array | undefined): number {
    if (signedRoot === undefined) return 0
    return this.#candidates.ascending.find((each) => equalBytes(each.signedRoot, signedRoot))?.sources.size ?? 0
  }

  /** All rotations first: they say whose evidence counts, and both say which roots do. */
  #learnStatements(): void {
    const attachments = this.#candidates.attachments
    for (const bytes of different(attachments.map((each) => each.get(ATTACHMENT_IDS.rotations)))) {
      ifValid(() => this.#learnRotations(bytes))
    }
    for (const bytes of different(attachments.map((each) => each.get(ATTACHMENT_IDS.evidence)))) {
      ifValid(() => this.#learnEvidence(decodeEvidence(bytes)))
    }
  }

  #learnRotations(bytes: Uint8Array): void {
    const { authority, conflict } = joinRotations(this.#authority, bytes)
    if (authority !== this.#authority) this.#floor = withoutRevoked(this.#floor, authority)
    this.#authority = authority
    const evidence = conflict === undefined ? undefined : findRotationConflict(conflict.held, conflict.other)
    if (evidence !== undefined) this.#learnEvidence(evidence)
  }

  #learnEvidence(evidence: Evidence): void {
    const { outcome, floor } = acceptEvidence(this.#floor, evidence, this.#authority)
    if (outcome === 'accepted') this.#keep(evidence, floor)
  }

  #keep(evidence: Evidence, floor: Floor): void {
    this.#floor = floor
    this.#evidence.push(evidence)
  }

  /**
   * In ascending order, each judged by the floor that those before have left, so that the highest wins whoever answered first. What
   * too few sources show comes last and moves nothing; but where it contradicts the rest, that proves itself.
   */
  #judge(): void {
    const { ascending } = this.#candidates
    for (const candidate of ascending.filter((each) => this.#isSupported(each))) {
      const verdict = this.#verdictOn(candidate)
      if (verdict.outcome === 'accepted') this.#floor = verdict.floor
    }
    for (const candidate of ascending.filter((each) => !this.#isSupported(each))) this.#verdictOn(candidate)
  }

  #verdictOn(candidate: Candidate): Acceptance {
    const { now, onFork } = this.#rules
    const context = { authority: this.#authority, now, onFork }
    const { root, signedRoot } = candidate
    const judged =
      root === undefined
        ? judgeSignedRoot(this.#floor, signedRoot, context)
        : judgeDecodedRoot(this.#floor, root, context)
    const verdict = judged.outcome === 'same' && root !== undefined ? this.#verified(root, judged) : judged
    this.#verdicts.set(candidate, verdict)
    const evidence = 'evidence' in verdict ? verdict.evidence : null
    if (evidence !== null && haltingEvidence(this.#floor, evidence.epoch) === undefined) {
      this.#keep(evidence, withEvidence(this.#floor, evidence))
    }
    return verdict
  }

  /** The payload of the floor may come with another signature, which is worth nothing unless it is one. */
  #verified(root: AnySignedRoot, same: Acceptance): Acceptance {
    if (equalBytes(root.bytes, this.#floor.accepted?.root.bytes ?? root.bytes)) return same
    const reason = verifySignedRoot(root, this.#authority)
    if (reason === undefined) return same
    return { outcome: 'invalid', reason, error: signedRootProblem(root, reason, this.#authority) }
  }

  #isSupported({ sources }: Candidate): boolean {
    return sources.size >= this.#rules.quorum
  }

  #isNewest({ root }: Candidate): boolean {
    const { accepted } = this.#floor
    return accepted !== null && root !== undefined && equalBytes(root.link, accepted.root.link)
  }

  #report({ carrier, ms, answer, error }: Heard): CarrierReport {
    const none = { name: carrier.name, epoch: undefined, sequence: undefined, copies: 0, ms, reason: undefined }
    if (error !== undefined) return { ...none, outcome: 'failed', reason: messageOf(error) }
    if (answer === undefined) return { ...none, outcome: 'late' }
    const best = this.#candidates.highestOf(carrier)
    if (best === undefined) return { ...none, outcome: 'nothing' }
    const { epoch, sequence } = best.candidate.root?.payload ?? {}
    return { ...none, ...this.#outcomeOf(best.candidate), epoch, sequence, copies: best.copies }
  }

  #outcomeOf(candidate: Candidate): Pick<CarrierReport, 'outcome' | 'reason'> {
    const { quorum, onFork } = this.#rules
    const verdict = this.#verdicts.get(candidate)
    if (verdict?.outcome === 'invalid') return describe(verdict, candidate.sources.size, quorum)
    const halting = haltingEvidence(this.#floor, this.#floor.accepted?.root.payload.epoch ?? -1)
    if (this.#isNewest(candidate) && halting !== undefined && onFork === 'stop') return forkIn(halting)
    if (this.#isNewest(candidate) && this.#isSupported(candidate)) return { outcome: 'newest', reason: undefined }
    return describe(verdict, candidate.sources.size, quorum)
  }
}

/** What a verdict on a root that is not the newest says of whoever shows it. */
function describe(
  verdict: Acceptance | undefined,
  sources: number,
  quorum: number,
): Pick<CarrierReport, 'outcome' | 'reason'> {
  switch (verdict?.outcome) {
    case 'accepted':
    case 'same':
      if (sources < quorum) return { outcome: 'unsupported', reason: `${sources} of ${quorum} sources show it` }
      return { outcome: 'older', reason: undefined }
    case 'equivocation':
    case 'halted':
      return forkIn(verdict.evidence)
    case 'invalid':
      return { outcome: 'invalid', reason: verdict.error?.message ?? `signed root: expected another ${verdict.reason}` }
    case 'future':
      return { outcome: 'refused', reason: `issued ${verdict.aheadSeconds} s ahead of this clock` }
    case 'newer-format':
      return { outcome: 'refused', reason: `format ${verdict.format} is newer than this version knows` }
    case 'needs-newer':
      return { outcome: 'refused', reason: `needs extensions ${verdict.extensions.join(', ')}` }
    default:
      return { outcome: 'older', reason: undefined }
  }
}

function forkIn({ epoch }: Evidence): Pick<CarrierReport, 'outcome' | 'reason'> {
  return { outcome: 'fork', reason: `its author signed two roots that contradict each other in epoch ${epoch}` }
}

/** Each once: verifying costs more than looking. */
function different(pieces: readonly (Uint8Array | undefined)[]): Uint8Array[] {
  const found = pieces.filter((bytes) => bytes !== undefined)
  return [...new Map(found.map((bytes) => [bytesToMapKey(bytes), bytes])).values()]
}

/** What a carrier adds that is not what it should be is passed over. */
function ifValid(learn: () => void): void {
  try {
    learn()
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
