/** What a pull would do, as a value with stable keys and as lines. */
import type { PullPlan } from '../db/index.ts'
import type { FieldValue } from '../document-model.ts'
import { renderBytes, renderCounted } from './render.ts'
import { renderSigned } from './roots.ts'
import { signedRootJson } from './status.ts'

/** Keys are API. */
export function planJson({ from, to, way, reason, estimate, isExact, bytes, cost }: PullPlan): {
  [field: string]: FieldValue
} {
  return {
    way,
    reason,
    from: from === undefined ? null : signedRootJson(from),
    to: signedRootJson(to),
    bytes,
    isExact,
    estimate: estimate === undefined ? null : { ...estimate },
    cost: { ...cost },
  }
}

/** For people. */
export function describePlan(plan: PullPlan): string[] {
  const { from, to, way, reason, estimate, isExact, bytes, cost } = plan
  const asked = `finding out took ${renderBytes(cost.bytesReceived)} in ${renderCounted(cost.requests, 'question')}`
  if (way === 'nothing') return [`nothing to fetch for ${renderSigned(to)}: ${reason}`, asked]
  const was = from === undefined ? '' : ` (now @${from.payload.sequence})`
  const likely = estimate === undefined ? 'at most ' : isExact && way === 'patch' ? '' : 'about '
  return [
    `would pull ${renderSigned(to)}${was}`,
    `${likely}${renderBytes(bytes)}, by ${WAYS[way]}: ${reason}`,
    ...(estimate === undefined ? [] : [describeEstimate(estimate, isExact)]),
    asked,
  ]
}

const WAYS = { clone: 'all its blocks', patch: 'the rows that changed', blocks: 'the blocks that changed' } as const

function describeEstimate(estimate: NonNullable<PullPlan['estimate']>, isExact: boolean): string {
  const { rows, rowBytes, nodeBytes, valueBytes } = estimate
  const values = valueBytes === 0 ? '' : `; values beside them ${renderBytes(valueBytes)}`
  const changed = `${isExact ? '' : 'about '}${renderCounted(rows, 'row')} changed, ${renderBytes(rowBytes)}`
  return `${changed}; as blocks about ${renderBytes(nodeBytes)}${values}`
}
