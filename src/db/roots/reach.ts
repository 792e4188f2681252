/**
 * Whether a replica's carriers and peers were reached, and when (record.md, 5, "Freshness"): what is known of a database is as old as the
 * last answer. Hints beside the floor, which decide nothing: a value that cannot be read is none.
 */
import type { Store } from '../../store/interface.ts'
import { decodeText, encodeText, REACH } from '../meta.ts'

export interface Reach {
  /** When a peer or carrier last answered with what verifies, in seconds since 1970; undefined where none ever did. */
  readonly reachedAt: number | undefined
  /** Of tries since then that reached nobody; undefined where the last one did reach somebody. */
  readonly failure: FailedReach | undefined
}

export interface FailedReach {
  readonly tries: number
  /** Of the last one, in seconds since 1970. */
  readonly at: number
  /** For people. */
  readonly reason: string
}

const REASON_CHARS_MAX = 1000
const TRIES_MAX = 999_999

/** `<reached at | -> [<tries> <at> <reason>]` */
const FORM = /^(-|\d{1,12})(?: (\d{1,6}) (\d{1,12}) ([^\n]*))?$/

export async function readReach(store: Pick<Store, 'getMeta'>): Promise<Reach> {
  const bytes = await store.getMeta(REACH)
  const [, reached, tries, at, reason] = FORM.exec(bytes === undefined ? '' : decodeText(bytes)) ?? []
  return {
    reachedAt: reached === undefined || reached === '-' ? undefined : Number(reached),
    failure: tries === undefined ? undefined : { tries: Number(tries), at: Number(at), reason: reason ?? '' },
  }
}

/** Somebody answered at `now`, seconds. */
export async function noteReach(store: Pick<Store, 'write'>, now: number): Promise<void> {
  await store.write({ meta: new Map([[REACH, encodeText(String(now))]]) })
}

/** Nobody answered at `now`, seconds. */
export async function noteFailedReach(
  store: Pick<Store, 'getMeta' | 'write'>,
  now: number,
  reason: string,
): Promise<void> {
  const { reachedAt, failure } = await readReach(store)
  const tries = Math.min(TRIES_MAX, (failure?.tries ?? 0) + 1)
  const text = `${reachedAt ?? '-'} ${tries} ${now} ${reason.replaceAll(/\s+/g, ' ').slice(0, REASON_CHARS_MAX)}`
  await store.write({ meta: new Map([[REACH, encodeText(text)]]) })
}
