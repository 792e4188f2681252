/** Resolving from the question to the answer that a user gets: ask, judge, keep, tell those that were behind (record.md, 7). */
import { type Freshness, getFreshness, type LinkState, type SignedRoot } from '../pointer/index.ts'
import type { Carrier, PointerName } from './carrier.ts'
import { resolveFailure } from './resolve-failure.ts'
import { type CarrierReport, type Known, resolve, type Resolved, type ResolveOptions } from './resolve.ts'
import { type Told, tellOlder } from './tell.ts'

export interface Resolution {
  /** The newest that verifies. */
  readonly root: SignedRoot
  /** How it is connected with the one accepted before it. */
  readonly link: LinkState
  readonly freshness: Freshness
  /** Independent sources that showed it. */
  readonly sources: number
  /** What each carrier said. */
  readonly carriers: readonly CarrierReport[]
  /** Those that showed something older, or nothing, and were told. */
  readonly told: readonly Told[]
}

export interface ResolutionOptions extends ResolveOptions {
  /** Called before the answer is used, also where there is none: what was learned is durable when it resolves. */
  readonly keep: (resolved: Resolved) => Promise<void>
}

/**
 * @throws {CoppiceError} `PEER_UNREACHABLE`, `ROOT_NOT_FOUND`, `EQUIVOCATION`, `QUORUM_MISSED`, each with `details.carriers`, the
 *   reports; what `keep` throws; the signal's reason.
 */
export async function resolveAndTell(
  pointer: PointerName,
  carriers: readonly Carrier[],
  known: Known,
  options: ResolutionOptions,
): Promise<Resolution> {
  const { quorum = 1, onFork, clock, signal } = options
  const resolved = await resolve(pointer, carriers, known, options)
  await options.keep(resolved)
  const failure = resolveFailure(pointer.name, resolved, quorum, onFork)
  const { accepted, newestTime } = resolved.floor
  if (failure !== undefined || accepted === null) throw failure
  const { root, link } = accepted
  const { sources, carriers: reports, now } = resolved
  const told = await tellOlder(pointer, carriers, resolved, { clock, signal })
  return { root, link, freshness: getFreshness(root, now, newestTime), sources, carriers: reports, told }
}
