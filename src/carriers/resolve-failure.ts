/** Why carriers led to no signed root, as one coded error that names each of them (record.md, 7). */
import { CoppiceError, type ErrorCode } from '../errors.ts'
import { type Evidence, haltingEvidence, type OnFork } from '../pointer/index.ts'
import type { CarrierOutcome, CarrierReport, Resolved } from './resolve.ts'

/** No answer. */
const AWAY: ReadonlySet<CarrierOutcome> = new Set(['failed', 'late'])
/** A root that its author signed, and that cannot be taken. */
const ENTITLED: ReadonlySet<CarrierOutcome> = new Set(['unsupported', 'refused'])

/** Whether some carrier answered. */
export function isReached(carriers: readonly CarrierReport[]): boolean {
  return carriers.some(({ outcome }) => !AWAY.has(outcome))
}

/**
 * Undefined where the floor's root stands. Otherwise `EQUIVOCATION`, `PEER_UNREACHABLE` where no carrier answered, `QUORUM_MISSED`, or
 * `ROOT_NOT_FOUND` where those that did have no root that can be taken. `details.carriers` are the reports.
 */
export function resolveFailure(
  name: string,
  resolved: Resolved,
  quorum = 1,
  onFork: OnFork = 'stop',
): CoppiceError | undefined {
  const { floor, carriers, sources } = resolved
  const { accepted } = floor
  const fail = (code: ErrorCode, expected: string, details: Readonly<Record<string, unknown>> = {}): CoppiceError =>
    new CoppiceError(code, `${name}: expected ${expected}: ${describe(carriers)}`, {
      details: { carriers, ...details },
    })
  // Without a floor it is whatever fork is known, unless somebody shows that a higher epoch has ended it.
  const isEnded = ({ epoch }: Evidence): boolean =>
    carriers.some((each) => ENTITLED.has(each.outcome) && (each.epoch ?? -1) > epoch)
  const evidence =
    haltingEvidence(floor, accepted?.root.payload.epoch ?? -1) ??
    (accepted === null ? floor.evidence.find((each) => !isEnded(each)) : undefined)
  if (evidence !== undefined && onFork === 'stop') {
    return fail('EQUIVOCATION', `one chain of signed roots, got two in epoch ${evidence.epoch}`, { evidence })
  }
  if (!isReached(carriers)) return fail('PEER_UNREACHABLE', 'an answer from some carrier, got none')
  if (accepted !== null && (quorum === 1 || sources >= quorum)) return undefined
  const isShown = accepted !== null || carriers.some(({ outcome }) => outcome === 'unsupported')
  if (isShown) return fail('QUORUM_MISSED', `a signed root that ${quorum} independent sources show, got fewer for each`)
  return fail('ROOT_NOT_FOUND', 'a signed root from some carrier, got none')
}

function describe(carriers: readonly CarrierReport[]): string {
  if (carriers.length === 0) return 'no carrier is known; name a peer or a mirror, or configure one'
  return carriers.map(({ name, outcome }) => `${name}: ${outcome}`).join('; ')
}
