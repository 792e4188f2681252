/**
 * How far what a replica has can be relied upon, in one word and with every reason (record.md, 5, "Freshness"). Decided by one reading
 * of the clock.
 */
import { expiryOf, type Freshness, type SignedRoot } from '../../pointer/index.ts'
import { renderTime } from '../../time-text.ts'
import type { Reach } from './reach.ts'

/**
 * That of the newest accepted root, or `unreachable` where it would be fresh or unbounded and nobody could be asked whether there is
 * a newer one. Undefined before there is a root.
 */
export type ReplicaState = Freshness | 'unreachable'

export interface JudgedState {
  readonly state: ReplicaState | undefined
  /** For people, the worst first; none for a root that is fresh and was asked for. */
  readonly reasons: readonly string[]
}

/**
 * @param now seconds, the clock
 * @param maxAge seconds: how long ago the last answer may have come. Without, only a try that reached nobody counts.
 */
export function judgeState(
  newest: { readonly root: SignedRoot; readonly freshness: Freshness } | undefined,
  reach: Reach,
  now: number,
  maxAge?: number,
): JudgedState {
  const unreached = whyUnreached(reach, now, maxAge)
  const reasons = [...(newest === undefined ? [] : freshnessReasons(newest)), ...(unreached ?? [])]
  if (newest === undefined) return { state: undefined, reasons: ['no signed root has been accepted yet', ...reasons] }
  const { freshness } = newest
  const isWorse = unreached !== undefined && (freshness === 'fresh' || freshness === 'unbounded')
  return { state: isWorse ? 'unreachable' : freshness, reasons: isWorse ? reasons.toReversed() : reasons }
}

function freshnessReasons({ root, freshness }: { readonly root: SignedRoot; readonly freshness: Freshness }): string[] {
  switch (freshness) {
    case 'fresh':
      return []
    case 'unbounded':
      return ['its author promised no newer root']
    case 'expired':
      return [`it expired at ${renderTime(expiryOf(root) ?? 0)}: there should be a newer root by now`]
    case 'future':
      return [`it was issued at ${renderTime(root.payload.issued)}, ahead of the clock of this machine`]
  }
}

/** One reason; undefined where what is known is young enough. */
function whyUnreached({ reachedAt, failure }: Reach, now: number, maxAge: number | undefined): [string] | undefined {
  const last = reachedAt === undefined ? 'nobody ever answered' : `the last answer came at ${renderTime(reachedAt)}`
  const failed =
    failure === undefined
      ? ''
      : `; ${failure.tries === 1 ? '1 try' : `${failure.tries} tries`} since, the last at ${renderTime(failure.at)}: ${failure.reason}`
  if (maxAge === undefined) return failure === undefined ? undefined : [`${last}${failed}`]
  const isYoung = reachedAt !== undefined && now - reachedAt <= maxAge
  return isYoung ? undefined : [`${last}${failed}`]
}
