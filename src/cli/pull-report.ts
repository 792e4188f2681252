/** What a pull did, as a value with stable keys and as lines. */
import type { PullResult } from '../db/index.ts'
import type { FieldValue } from '../document-model.ts'
import type { PullProgress } from '../sync/index.ts'
import { renderPeer } from './errors.ts'
import { renderBytes, renderCount, renderCounted, renderRate, renderShare } from './render.ts'
import { renderSigned } from './roots.ts'
import { signedRootJson } from './status.ts'

/** For the progress line: of the state, how much is here. */
export function describePull(progress: PullProgress, seconds: number): string {
  const { entries, entriesTotal, bytes, bytesTotal, blocksReceived } = progress
  const share = `${renderShare(bytes, bytesTotal)} of ${renderBytes(bytesTotal)}`
  return `pulling: ${renderCount(entries)} of ${renderCounted(entriesTotal, 'entry', 'entries')}, ${share}, ${renderRate(blocksReceived, seconds)} blocks`
}

/** Keys are API. Bytes are those on the wire, with frame headers. */
export function pullJson({ changed, from, to, link, freshness, report }: PullResult): { [field: string]: FieldValue } {
  const { bytesReceived, bytesSent, roundTrips, requests, blocksReceived, entriesSkipped, peers } = report
  return {
    changed,
    from: from === undefined ? null : signedRootJson(from),
    to: signedRootJson(to),
    link: link ?? null,
    freshness,
    bytesReceived,
    bytesSent,
    roundTrips,
    requests,
    blocksReceived,
    entriesSkipped,
    peers: peers.map((peer) => ({ ...peer, peer: peer.peer ?? null, reason: peer.reason ?? null })),
  }
}

/** For people; escaped. `verb`: "cloned", "pulled". */
export function describePulled(verb: string, result: PullResult): string[] {
  const { changed, from, to, link, freshness, report } = result
  if (!changed) return [`up to date at ${renderSigned(to)}`, ...describePeers(result)]
  const was = from === undefined ? '' : ` (was @${from.payload.sequence})`
  const { entries, bytes } = to.payload
  const state = `${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)} of state`
  const moved = `${renderBytes(report.bytesReceived)} received in ${renderCounted(report.roundTrips, 'round trip')}`
  const notes = [
    ...(link === 'unlinked' ? ['unlinked: that it continues the root before it is not proven'] : []),
    ...(freshness === 'expired' ? ['expired: its author promised a newer root by now'] : []),
  ]
  return [`${verb} ${renderSigned(to)}${was}`, `${state}; ${moved}`, ...notes, ...describePeers(result)]
}

/** One line, for those who follow; escaped. */
export function describeFollowed({ changed, from, to, report }: PullResult): string {
  if (!changed) return `up to date at ${renderSigned(to)}`
  const was = from === undefined ? '' : ` (was @${from.payload.sequence})`
  return `pulled ${renderSigned(to)}${was}, ${renderBytes(report.bytesReceived)} received`
}

function describePeers({ report }: PullResult): string[] {
  return report.peers.map((peer) => `  ${renderPeer(peer)}`)
}
