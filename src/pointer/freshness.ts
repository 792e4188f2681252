/**
 * How much a signed root still promises (record.md, 5). Without it a peer that serves an old root for ever would go
 * unnoticed. Never silent: each answer is shown. One reading of the clock per operation, handed in.
 */
import type { SignedRoot } from './signed-root.ts'

/** A root issued further ahead of the clock than this moves nothing. */
export const FUTURE_SECONDS_MAX = 600

/** `unbounded`: its author promised nothing. `future`: issued too far ahead of the clock to say. */
export type Freshness = 'fresh' | 'expired' | 'unbounded' | 'future'

/** Seconds: the earlier end of the root's own promise and of its signer's grant; null where neither has one. */
export function expiryOf(root: SignedRoot): number | null {
  const ends = [root.payload.expires, root.grant?.expires ?? null].filter((end) => end !== null)
  return ends.length === 0 ? null : Math.min(...ends)
}

/** Whether `root` is issued further ahead of `now` (seconds, the clock as it is) than clocks differ. */
export function isFuture(root: SignedRoot, now: number): boolean {
  return root.payload.issued > now + FUTURE_SECONDS_MAX
}

/**
 * `now` is the clock, `newestTime` the floor's: the newest authenticated time of this database beats a clock behind it.
 * A root is fresh before the second it expires.
 */
export function getFreshness(root: SignedRoot, now: number, newestTime = 0): Freshness {
  const time = Math.max(now, newestTime)
  if (isFuture(root, time)) return 'future'
  const expiry = expiryOf(root)
  if (expiry === null) return 'unbounded'
  return time < expiry ? 'fresh' : 'expired'
}
