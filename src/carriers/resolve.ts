/**
 * Asks several carriers at once for the newest signed root of a database, and judges what they show by the floor (record.md, 5
 * and 7). Anything else than the floor is a claim: a carrier can withhold, show old or forged bytes, or be slow, and the only
 * thing that this costs is its own word. The floor that comes out has to be durable before anything is done with it.
 */
import { bytesToMapKey } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import { isCoppiceError } from '../errors.ts'
import {
  type Acceptance,
  acceptEvidence,
  addRotation,
  type Authority,
  comparePositions,
  decodeEvidence,
  decodeRotations,
  decodeSignedRoot,
  type Evidence,
  type Floor,
  judgeSignedRoot,
  withEvidence,
} from '../pointer/index.ts'
import { ATTACHMENT_IDS } from './attachments.ts'
import { type Carrier, type CarrierAnswer, type PointerName, type PointerRecord, SHOWN_MAX } from './carrier.ts'

export interface ResolveOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** How long slower carriers get once one has shown anything. RESOLVE_MS where absent: the limit for all of them. */
  readonly deadlineMs?: number | undefined
  /** Only what that many independent sources show moves the floor; 1 where absent. */
  readonly quorum?: number | undefined
}

export interface CarrierReport {
  readonly name: string
  /**
   * `newest`: what was resolved, or the same. `older`: an older one. `nothing`: it has none. `refused`: a root that cannot be
   * taken, for `reason`. `invalid`: nobody entitled signed it. `fork`: it contradicts another. `unsupported`: too few sources
   * show it. `failed`: it could not be asked. `late`: it had not answered by the deadline.
   */
  readonly outcome: 'newest' | 'older' | 'nothing' | 'refused' | 'invalid' | 'fork' | 'unsupported' | 'failed' | 'late'
  /** Of the highest root it showed. */
  readonly sequence: number | undefined
  readonly copies: number
  readonly ms: number
  readonly reason: string | undefined
}

export interface Resolved {
  /** To be made durable before it is used; the very same object where nothing has changed. */
  readonly floor: Floor
  /** As the floor: to be kept. */
  readonly authority: Authority
  /** The record whose root the floor has now; undefined where no carrier showed it. */
  readonly record: PointerRecord | undefined
  readonly carriers: readonly CarrierReport[]
  /** New evidence of a fork. */
  readonly evidence: Evidence | undefined
}

/** All carriers together: a walk through a DHT takes a few seconds where nodes are away. */
export const RESOLVE_MS = 15_000

interface Heard {
  readonly carrier: Carrier
  readonly ms: number
  readonly answer: CarrierAnswer | undefined
  readonly error: unknown
}

/** @throws {RangeError} for a quorum below 1; the signal's reason. Carriers that fail are reported, never thrown. */
export async function resolve(
  pointer: PointerName,
  carriers: readonly Carrier[],
  standing: { readonly floor: Floor; readonly authority: Authority },
  options: ResolveOptions,
): Promise<Resolved> {
  const quorum = options.quorum ?? 1
  if (!Number.isSafeInteger(quorum) || quorum < 1) throw new RangeError(`quorum: expected 1 or more, got ${quorum}`)
  const heard = await askAll(pointer, carriers, options)
  const judging = new Judging(standing, Math.floor(options.clock.now() / 1000), quorum)
  for (const each of heard) judging.hear(each)
  return judging.result(heard)
}

/** Each carrier's answer, or why there is none, when all have one or the time is up. */
async function askAll(
  pointer: PointerName,
  carriers: readonly Carrier[],
  { clock, signal, deadlineMs = RESOLVE_MS }: ResolveOptions,
): Promise<Heard[]> {
  signal?.throwIfAborted()
  const over = new AbortController()
  const asking = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  const begin = clock.now()
  const heard = new Map<Carrier, Heard>()
  const asked = carriers.map(async (carrier) => {
    const [answer, error] = await carrier.get(pointer, asking).then(
      (got) => [got, undefined] as const,
      (thrown: unknown) => [undefined, thrown] as const,
    )
    if (!asking.aborted) heard.set(carrier, { carrier, ms: clock.now() - begin, answer, error })
  })
  const timeUp = clock.sleep(deadlineMs, asking).catch(() => undefined)
  await Promise.race([Promise.all(asked), timeUp])
  over.abort(new Error('the time for answers is over'))
  await timeUp
  signal?.throwIfAborted()
  return carriers.map(
    (carrier) => heard.get(carrier) ?? { carrier, ms: clock.now() - begin, answer: undefined, error: undefined },
  )
}

/** A record that was shown, and by whom. */
interface Candidate {
  readonly record: PointerRecord
  readonly sources: Set<string>
  verdict: Acceptance | undefined
}

class Judging {
  readonly #now: number
  readonly #quorum: number
  #floor: Floor
  #authority: Authority
  readonly #candidates = new Map<string, Candidate>()
  /** The candidates of each carrier. */
  readonly #shown = new Map<Carrier, readonly Candidate[]>()
  #evidence: Evidence | undefined

  constructor(
    { floor, authority }: { readonly floor: Floor; readonly authority: Authority },
    now: number,
    quorum: number,
  ) {
    this.#floor = floor
    this.#authority = authority
    this.#now = now
    this.#quorum = quorum
  }

  hear({ carrier, answer }: Heard): void {
    const shown = answer?.shown.slice(0, SHOWN_MAX) ?? []
    this.#shown.set(
      carrier,
      shown.map(({ record }) => {
        const key = bytesToMapKey(record.signedRoot)
        const candidate = this.#candidates.get(key) ?? { record, sources: new Set(), verdict: undefined }
        this.#candidates.set(key, candidate)
        candidate.sources.add(carrier.source)
        this.#learn(record)
        return candidate
      }),
    )
  }

  /** Statements first: they say who may sign. */
  #learn({ attachments }: PointerRecord): void {
    const rotations = attachments.get(ATTACHMENT_IDS.rotations)
    if (rotations !== undefined) this.#learnRotations(rotations)
    const evidence = attachments.get(ATTACHMENT_IDS.evidence)
    if (evidence !== undefined) this.#learnEvidence(evidence)
  }

  #learnRotations(bytes: Uint8Array): void {
    try {
      for (const rotation of decodeRotations(this.#floor.author, bytes).rotations) {
        const verdict = addRotation(this.#authority, rotation)
        if (verdict.outcome === 'added') this.#authority = verdict.authority
      }
    } catch (error) {
      if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
    }
  }

  #learnEvidence(bytes: Uint8Array): void {
    try {
      const evidence = decodeEvidence(bytes)
      const { outcome, floor } = acceptEvidence(this.#floor, evidence, this.#authority)
      if (outcome !== 'accepted') return
      this.#floor = floor
      this.#evidence = evidence
    } catch (error) {
      if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
    }
  }

  result(heard: readonly Heard[]): Resolved {
    this.#judge()
    const floor = this.#floor
    return {
      floor,
      authority: this.#authority,
      record: [...this.#candidates.values()].find((candidate) => this.#isNewest(candidate))?.record,
      carriers: heard.map((each) => this.#report(each)),
      evidence: this.#evidence,
    }
  }

  /**
   * In the order of their places, so that the highest wins whatever the order of answers; each is judged against the floor that the
   * ones before have left. What too few sources show moves nothing, but evidence against it counts: it proves itself.
   */
  #judge(): void {
    const candidates = [...this.#candidates.values()]
    const inOrder = candidates.map((candidate) => ({ candidate, at: positionOf(candidate.record) }))
    inOrder.sort((a, b) => (a.at === undefined || b.at === undefined ? 0 : comparePositions(a.at, b.at)))
    for (const { candidate } of inOrder) {
      const verdict = judgeSignedRoot(this.#floor, candidate.record.signedRoot, {
        authority: this.#authority,
        now: this.#now,
      })
      candidate.verdict = verdict
      if (verdict.outcome === 'equivocation') {
        this.#evidence = verdict.evidence
        this.#floor = verdict.floor
      }
      if (verdict.outcome !== 'accepted') continue
      if (verdict.evidence !== null) this.#evidence = verdict.evidence
      if (candidate.sources.size >= this.#quorum) this.#floor = verdict.floor
      else if (verdict.evidence !== null) this.#floor = withEvidence(this.#floor, verdict.evidence)
    }
  }

  #isNewest({ record }: Candidate): boolean {
    const { accepted } = this.#floor
    if (accepted === null) return false
    return bytesToMapKey(record.signedRoot) === bytesToMapKey(accepted.root.bytes)
  }

  #report({ carrier, ms, answer, error }: Heard): CarrierReport {
    const base = { name: carrier.name, ms, sequence: undefined, copies: 0, reason: undefined }
    if (error !== undefined) return { ...base, outcome: 'failed', reason: messageOf(error) }
    if (answer === undefined) return { ...base, outcome: 'late' }
    const best = this.#bestOf(carrier)
    if (best === undefined) return { ...base, outcome: 'nothing' }
    const copies = answer.shown.find(({ record }) => record.signedRoot === best.record.signedRoot)?.copies ?? 1
    return { ...base, ...this.#outcomeOf(best), sequence: positionOf(best.record)?.sequence, copies }
  }

  /** The highest that a carrier showed. */
  #bestOf(carrier: Carrier): Candidate | undefined {
    const shown = this.#shown.get(carrier) ?? []
    return shown.toSorted((a, b) => {
      const [one, other] = [positionOf(a.record), positionOf(b.record)]
      if (one === undefined || other === undefined) return one === other ? 0 : one === undefined ? 1 : -1
      return comparePositions(other, one)
    })[0]
  }

  #outcomeOf(candidate: Candidate): Pick<CarrierReport, 'outcome' | 'reason'> {
    if (this.#isNewest(candidate)) return { outcome: 'newest', reason: undefined }
    const { verdict } = candidate
    switch (verdict?.outcome) {
      case 'accepted':
        return candidate.sources.size < this.#quorum
          ? { outcome: 'unsupported', reason: `${candidate.sources.size} of ${this.#quorum} sources show it` }
          : { outcome: 'older', reason: undefined }
      case 'same':
        return { outcome: 'newest', reason: undefined }
      case 'equivocation':
      case 'halted':
        return {
          outcome: 'fork',
          reason: `its author signed two roots that contradict each other in epoch ${verdict.evidence.epoch}`,
        }
      case 'invalid':
        return { outcome: 'invalid', reason: verdict.error?.message ?? verdict.reason }
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
}

function positionOf({ signedRoot }: PointerRecord): { readonly epoch: number; readonly sequence: number } | undefined {
  try {
    return decodeSignedRoot(signedRoot).payload
  } catch {
    return undefined
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
