/** What a pull did, as a value with stable keys and as lines. */
import { isRefused, type PullResult } from '../db/index.ts'
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import type { PeerReport, PullProgress } from '../sync/index.ts'
import { freshnessWarning } from './freshness.ts'
import { renderPeer } from './peers.ts'
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
export function pullJson({ changed, from, to, link, freshness, judgements, report }: PullResult): {
  [field: string]: FieldValue
} {
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
    judgements: judgements.map((judgement) => ({ ...judgement, reason: judgement.reason ?? null })),
    peers: peers.map(peerJson),
  }
}

export function peerJson(peer: PeerReport): { [field: string]: FieldValue } {
  return { ...peer, peer: peer.peer ?? null, reason: peer.reason ?? null }
}

/** For people; escaped. `verb`: "cloned", "pulled". */
export function describePulled(verb: string, result: PullResult): string[] {
  const { changed, from, to, link, freshness, report } = result
  const warning = freshnessWarning(to, freshness)
  const warnings = [...(warning === undefined ? [] : [warning]), ...describeRefused(result)]
  if (!changed) return [`up to date at ${renderSigned(to)}`, ...warnings, ...describePeers(result)]
  const was = from === undefined ? '' : ` (was @${from.payload.sequence})`
  const { entries, bytes } = to.payload
  const state = `${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)} of state`
  const moved = `${renderBytes(report.bytesReceived)} received in ${renderCounted(report.roundTrips, 'round trip')}`
  const notes = [
    ...(link === 'unlinked' ? ['unlinked: that it continues the root before it is not proven'] : []),
    ...warnings,
  ]
  return [`${verb} ${renderSigned(to)}${was}`, `${state}; ${moved}`, ...notes, ...describePeers(result)]
}

/** One line, for those who follow; escaped. */
export function describeFollowed(result: PullResult): string {
  const { changed, from, to, freshness, report } = result
  const warning = freshnessWarning(to, freshness)
  const notes = [...(warning === undefined ? [] : [warning]), ...describeRefused(result)]
    .map((note) => `, ${note}`)
    .join('')
  if (!changed) return `up to date at ${renderSigned(to)}${notes}`
  const was = from === undefined ? '' : ` (was @${from.payload.sequence})`
  return `pulled ${renderSigned(to)}${was}, ${renderBytes(report.bytesReceived)} received${notes}`
}

/** Newer roots that were not taken: without them "up to date" would be half of the truth. */
function describeRefused({ judgements }: PullResult): string[] {
  return judgements.filter(isRefused).map(({ name, reason }) => escapeText(`not taken from ${name}: ${reason}`))
}

function describePeers({ report }: PullResult): string[] {
  return report.peers.map((peer) => `  ${renderPeer(peer)}`)
}
