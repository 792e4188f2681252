/**
 * Which of two envelopes of one root is kept, and put again for others (record.md, 7): the one that nodes take in place of the other. Whoever
 * shows an older one, valid as it is, must not make helpers put what nobody takes.
 */
import { bytesToMapKey, equalBytes } from '../bytes.ts'
import type { SignedRoot } from '../pointer/index.ts'
import { ATTACHMENT_IDS } from './attachments.ts'
import { decodeHops, encodeHops, itemsOfHops } from './bep44/hops.ts'
import { ifValid } from './hops.ts'
import { decodeIpnsHops, encodeIpnsHops, walkHops } from './ipns/hops.ts'
import { type IpnsRecord, openIpnsRecord } from './ipns/record.ts'
import { IPNS_RULES } from './ipns/rules.ts'

/** Of `kept` and `next`, under one id, for `root`; of two ways the hops of both that are newer. `now`: milliseconds since 1970. */
export function newerEnvelope(
  id: number,
  root: SignedRoot,
  kept: Uint8Array,
  next: Uint8Array,
  now: number,
): Uint8Array {
  if (id === ATTACHMENT_IDS.ipns) {
    const [held, other] = [openIpnsRecord(root.key, kept), openIpnsRecord(root.key, next)]
    if (held === undefined) return next
    return other !== undefined && replaces(held, other, now) ? next : kept
  }
  if (id === ATTACHMENT_IDS.ipnsHops) {
    const [held, other] = [readRecords(root, kept), readRecords(root, next)]
    if (held === undefined || other === undefined) return held === undefined ? next : kept
    const joined = joinWays(held, other, (a, b) => replaces(a.record, b.record, now)).map(({ hop }) => hop)
    const bytes = encodeIpnsHops(joined)
    return bytes !== undefined && readRecords(root, bytes) !== undefined ? bytes : kept
  }
  if (id === ATTACHMENT_IDS.bep44Hops) {
    const [held, other] = [readItems(root, kept), readItems(root, next)]
    if (held === undefined || other === undefined) return held === undefined ? next : kept
    const joined = joinWays(held, other, (a, b) => b.sequence > a.sequence).map(({ hop }) => hop)
    const bytes = encodeHops(joined)
    return readItems(root, bytes) === undefined ? kept : bytes
  }
  return next
}

/** As nodes have it, which take none that is over. */
function replaces(held: IpnsRecord, next: IpnsRecord, now: number): boolean {
  const [isOver, isNextOver] = [held.validUntil <= now, next.validUntil <= now]
  return isOver === isNextOver ? IPNS_RULES.replaces(held, next) : isOver
}

/** The way of `next`; of a key that is on both ways its newer hop, which leads on from there, or nowhere on this way. */
function joinWays<Step extends { readonly key: Uint8Array }>(
  held: readonly Step[],
  next: readonly Step[],
  isNewer: (held: Step, next: Step) => boolean,
): Step[] {
  const byKey = new Map(held.map((step) => [bytesToMapKey(step.key), step]))
  return next.map((step) => {
    const before = byKey.get(bytesToMapKey(step.key))
    return before === undefined || isNewer(before, step) ? step : before
  })
}

/** The records of a way to the key of `root`; undefined where it leads elsewhere. */
function readRecords({ key, payload }: SignedRoot, bytes: Uint8Array) {
  const hops = ifValid(() => decodeIpnsHops(bytes)) ?? []
  const places = walkHops(payload, hops)
  const end = places?.at(-1)
  if (places === undefined || end === undefined || !equalBytes(end.key, key)) return undefined
  return hops.flatMap((hop, i) => {
    const of = places[i]?.key
    const record = of && openIpnsRecord(of, hop)
    return of === undefined || record === undefined ? [] : [{ key: of, hop, record }]
  })
}

function readItems({ key, payload }: SignedRoot, bytes: Uint8Array) {
  const hops = ifValid(() => decodeHops(bytes)) ?? []
  const way = itemsOfHops(payload, hops)
  if (way === undefined || !equalBytes(way.end.key, key)) return undefined
  return way.items.flatMap(({ key: of, sequence }, i) => {
    const hop = hops[i]
    return hop === undefined ? [] : [{ key: of, hop, sequence }]
  })
}
