/** A root that waits for its signature: what would change by it, as a value with stable keys and as lines. */
import { escapeText, quoteText } from '../escape.ts'
import { formatLink } from '../link.ts'
import { formatAddress, formatAuthor, payloadMerged, type SignedRoot, type UnsignedRoot } from '../pointer/index.ts'
import { renderBytes, renderCount, renderTable, renderTime } from './render.ts'
import { signedRootJson, type SignedRootJson } from './status.ts'

/** Keys are API. */
export type UnsignedRootJson = {
  readonly kind: 'unsigned-root'
  readonly address: string
  readonly epoch: number
  readonly sequence: number
  readonly root: string
  readonly entries: number
  readonly bytes: number
  /** Seconds since 1970. */
  readonly issued: number
  readonly expires: number | null
  readonly message: string | null
  /** The key that is to sign, as in an address. */
  readonly signer: string
  /** When its grant ends; null where it has none, or no end. */
  readonly grantExpires: number | null
  /** Roots of other databases whose states are in this one. */
  readonly merged: readonly string[]
  /** Tips of a fork that it ends. */
  readonly resolves: readonly string[]
  /** The author's last root. */
  readonly previous: SignedRootJson | null
}

export function unsignedRootJson({ next, key, grant, message, previous }: UnsignedRoot): UnsignedRootJson {
  const { author, name, epoch, sequence, root, entries, bytes, issued, expires, resolves } = next.payload
  return {
    kind: 'unsigned-root',
    address: formatAddress({ author, name, peers: [] }),
    epoch,
    sequence,
    root: formatLink(root),
    entries,
    bytes,
    issued,
    expires,
    message: message ?? null,
    signer: formatAuthor(key),
    grantExpires: grant?.expires ?? null,
    merged: payloadMerged(next.payload).map(formatLink),
    resolves: resolves.map(formatLink),
    previous: previous === null ? null : signedRootJson(previous.signed),
  }
}

/** For people; escaped. */
export function describeUnsigned(unsigned: UnsignedRoot): string[] {
  const review = unsignedRootJson(unsigned)
  const { previous, expires, message, grantExpires } = review
  const right =
    unsigned.grant === null
      ? 'the authority'
      : `granted${grantExpires === null ? '' : ` until ${renderTime(grantExpires)}`}`
  const newEpoch = previous !== null && previous.epoch !== review.epoch ? `, which begins (was ${previous.epoch})` : ''
  const promised = expires === null ? 'nothing' : `a newer root until ${renderTime(expires)}`
  const rows: [string, string][] = [
    ['database', review.address],
    ['sequence', `@${review.sequence}${previous === null ? ', the first root' : ` after @${previous.sequence}`}`],
    ['epoch', `${review.epoch}${newEpoch}`],
    ['signed by', `${review.signer}, ${right}`],
    ['root', review.root + (previous?.root === review.root ? ', as before' : '')],
    ['entries', describeNumber(review.entries, previous?.entries, renderCount)],
    ['bytes', describeNumber(review.bytes, previous?.bytes, renderBytes)],
    ['issued', renderTime(review.issued)],
    ['promises', promised],
    ['message', message === null ? 'none' : quoteText(message)],
  ]
  for (const root of review.merged) rows.push(['merged', root])
  for (const root of review.resolves) rows.push(['ends fork of', root])
  return renderTable(rows)
}

function describeNumber(now: number, before: number | undefined, render: (value: number) => string): string {
  if (before === undefined) return render(now)
  if (now === before) return `${render(now)}, as before`
  return `${render(now)}, was ${render(before)} (${now > before ? '+' : '-'}${render(Math.abs(now - before))})`
}

/** What the key's own record says. */
export function describeLastSigned(last: SignedRoot | undefined): string {
  if (last === undefined) return 'this key has no record of having signed a root of this database'
  const { payload, message } = last
  const said = message === undefined ? '' : ` ${escapeText(message)}`
  return `this key signed @${payload.sequence} of epoch ${payload.epoch} last, ${renderTime(payload.issued)}${said}`
}
