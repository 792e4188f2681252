/** How much a signed root still promises, in words. */
import { expiryOf, type Freshness, type SignedRoot } from '../pointer/index.ts'
import { renderTime } from './render.ts'

/** `expires` in seconds since 1970. */
export function describeFreshness(freshness: Freshness, expires: number | null): string {
  switch (freshness) {
    case 'fresh':
      return `fresh until ${renderTime(expires ?? 0)}`
    case 'expired':
      return `expired at ${renderTime(expires ?? 0)}: there should be a newer root by now`
    case 'unbounded':
      return 'unbounded: its author promised no newer root'
    case 'future':
      return 'future: it is issued ahead of the clock of this machine'
  }
}

/** For those who pull: only what they should know of. Undefined for a promise that holds, and where there is none. */
export function freshnessWarning(root: SignedRoot, freshness: Freshness): string | undefined {
  return freshness === 'fresh' || freshness === 'unbounded' ? undefined : describeFreshness(freshness, expiryOf(root))
}
