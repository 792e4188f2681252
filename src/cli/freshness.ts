/** How much a signed root still promises, in words. */
import type { Freshness, SignedRoot } from '../pointer/index.ts'
import { renderTime } from './render.ts'

/** The ends of what a root promises, in seconds since 1970: its own, and that of its signer's grant. */
export interface Promised {
  readonly expires: number | null
  readonly grantExpires: number | null
}

export function describeFreshness(freshness: Freshness, promised: Promised | null): string {
  const { expires = null, grantExpires = null } = promised ?? {}
  const isGrant = grantExpires !== null && (expires === null || grantExpires < expires)
  const end = renderTime((isGrant ? grantExpires : expires) ?? 0)
  switch (freshness) {
    case 'fresh':
      return `fresh until ${end}${isGrant ? ', when the grant of its signer ends' : ''}`
    case 'expired':
      return isGrant
        ? `expired at ${end}, with the grant of its signer: there should be a newer root by now`
        : `expired at ${end}: there should be a newer root by now`
    case 'unbounded':
      return 'unbounded: its author promised no newer root'
    case 'future':
      return 'future: it is issued ahead of the clock of this machine'
  }
}

/** For those who pull: only what they should know of. Undefined for a promise that holds, and where there is none. */
export function freshnessWarning({ payload, grant }: SignedRoot, freshness: Freshness): string | undefined {
  if (freshness === 'fresh' || freshness === 'unbounded') return undefined
  return describeFreshness(freshness, { expires: payload.expires, grantExpires: grant?.expires ?? null })
}
