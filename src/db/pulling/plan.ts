/** What a pull would do, found out for little: a signed root is learned as by a pull, and a small page of rows. */
import { equalBytes } from '../../bytes.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import type { PatchEstimate, PatchPlan, Traffic } from '../../sync/index.ts'

export interface PullPlan {
  /** Complete now; undefined before a first pull. */
  readonly from: SignedRoot | undefined
  /** What a pull would fetch first. */
  readonly to: SignedRoot
  /** `nothing`: it is here. `clone`: all of it is missing. `patch`: changed rows are asked for. `blocks`: changed blocks are. */
  readonly way: 'nothing' | 'clone' | 'patch' | 'blocks'
  /** For people. */
  readonly reason: string
  /** What differs; undefined where no peer says so, and before a first pull. */
  readonly estimate: PatchEstimate | undefined
  /** The rows of the estimate were counted, not guessed. */
  readonly isExact: boolean
  /** Likely to be received: rows or nodes, and values. At most the bytes that were signed. */
  readonly bytes: number
  /** What finding out has cost. */
  readonly cost: Traffic
}

export function pullPlan(
  from: SignedRoot | undefined,
  to: SignedRoot,
  patch: PatchPlan | undefined,
  cost: Traffic,
): PullPlan {
  const { payload } = to
  const none = { from, to, estimate: undefined, isExact: true, cost }
  if (from === undefined || patch === undefined) {
    return { ...none, way: 'clone', reason: 'nothing is here to begin with', bytes: payload.bytes }
  }
  if (equalBytes(from.payload.root, payload.root)) {
    return { ...none, way: 'nothing', reason: 'all rows are here', bytes: 0 }
  }
  const { way, reason, estimate, isExact } = patch
  if (estimate === undefined) return { ...none, way, reason, isExact: false, bytes: payload.bytes }
  const bytes = (way === 'patch' ? estimate.rowBytes : estimate.nodeBytes) + estimate.valueBytes
  return { from, to, way, reason, estimate, isExact, bytes: Math.min(bytes, payload.bytes), cost }
}
