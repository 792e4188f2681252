/** What a replica thinks of the signed roots that peers and carriers show it, in words. */
import type { Acceptance } from '../../pointer/index.ts'

export interface Judgement {
  readonly peer: string
  /** As it was dialled. */
  readonly name: string
  /** `unsupported`: it could be taken, but fewer sources show it than the replica asks for. */
  readonly outcome: Acceptance['outcome'] | 'unsupported'
  /** For people, where the outcome alone does not say it. */
  readonly reason: string | undefined
}

/** Whether it is newer than what the replica has, validly signed, and yet cannot be taken: silence would look like "up to date". */
export function isRefused({ outcome }: Judgement): boolean {
  return REFUSED.has(outcome)
}

const REFUSED: ReadonlySet<Judgement['outcome']> = new Set(['future', 'newer-format', 'needs-newer', 'unsupported'])

export function describeVerdict(verdict: Acceptance): Pick<Judgement, 'outcome' | 'reason'> {
  const { outcome } = verdict
  switch (outcome) {
    case 'future': {
      const what = `its root @${verdict.root.payload.sequence} was issued ${verdict.aheadSeconds} s ahead of this clock`
      return { outcome, reason: `${what}: one of the two clocks is wrong` }
    }
    case 'newer-format':
      return {
        outcome,
        reason: `its root has format ${verdict.format}, which this version cannot read: update coppice`,
      }
    case 'needs-newer': {
      const what = `its root @${verdict.root.payload.sequence} needs extensions ${verdict.extensions.join(', ')}`
      return { outcome, reason: `${what}, which this version does not know: update coppice` }
    }
    case 'invalid':
      return { outcome, reason: verdict.error?.message ?? verdict.reason }
    case 'accepted':
    case 'same':
    case 'stale':
    case 'equivocation':
    case 'halted':
      return { outcome, reason: undefined }
  }
}
