/** What a pull did, as a value with stable keys and as lines. */
import { isRefused, type Least, type PullResult, type ReplicaProgress } from '../db/index.ts'
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import type { PatchReport, PeerReport, PullProgress, PullReport } from '../sync/index.ts'
import { describeFork } from './evidence-text.ts'
import { freshnessWarning } from './freshness.ts'
import { renderPeer } from './peers.ts'
import { renderBytes, renderCount, renderCounted, renderDuration, renderRate, renderShare } from './render.ts'
import { renderSigned } from './roots.ts'
import { signedRootJson } from './status.ts'

/** For the progress line: of the state, how much is here; escaped. */
export function describePull(progress: PullProgress | ReplicaProgress, seconds: number): string {
  const { entries, entriesTotal, bytes, bytesTotal, blocksReceived } = progress
  const share = `${renderShare(bytes, bytesTotal)} of ${renderBytes(bytesTotal)}`
  const done = `${renderCount(entries)} of ${renderCounted(entriesTotal, 'entry', 'entries')}, ${share}`
  if (!('target' in progress)) return `pulling: ${done}, ${renderRate(blocksReceived, seconds)} blocks`
  const { target, bytesPerSecond, secondsLeft } = progress
  const rate = bytesPerSecond === undefined ? '' : `, ${renderBytes(Math.round(bytesPerSecond))}/s`
  const left = secondsLeft === undefined || secondsLeft === 0 ? '' : `, ${renderDuration(secondsLeft)} left`
  return `pulling @${target.payload.sequence}: ${done}${rate}${left}${describeShares(progress)}`
}

/** Whom it comes from, blocks and rows by their bytes, the busiest first. */
function describeShares({ peers }: PullProgress): string {
  const bytes = peers.reduce((sum, peer) => sum + peer.bytes, 0)
  const busy = peers.filter((peer) => peer.bytes > 0).toSorted((a, b) => b.bytes - a.bytes)
  if (busy.length < 2) return ''
  const shares = busy.map((peer) => `${renderShare(peer.bytes, bytes)} ${shortName(peer.name)}`)
  return `; ${renderCounted(busy.length, 'peer')}: ${escapeText(shares.join(', '))}`
}

/** The end of a multiaddr or URL tells peers apart. */
function shortName(name: string): string {
  const end = name.split('/').findLast((part) => part !== '') ?? name
  return end.length > 12 ? end.slice(-12) : end
}

/** For logs: one value, one line. Keys are API. `bytesHere`: of `bytes`, what had not to come. */
export function progressJson(progress: ReplicaProgress): { [field: string]: FieldValue } {
  const { target, targets, entries, entriesTotal, bytes, bytesHere, bytesTotal, blocksReceived } = progress
  const { bytesPerSecond, secondsLeft, peers } = progress
  return {
    event: 'progress',
    sequence: target.payload.sequence,
    targets,
    entries,
    entriesTotal,
    bytes,
    bytesHere,
    bytesTotal,
    blocksReceived,
    bytesPerSecond: bytesPerSecond === undefined ? null : Math.round(bytesPerSecond),
    secondsLeft: secondsLeft ?? null,
    peers: peers.map(({ name, blocks, rows, bytes: used }) => ({ name, blocks, rows, bytes: used })),
  }
}

/** Keys are API. Bytes are those on the wire, with frame headers. */
export function pullJson(
  { changed, from, to, newest, isFallback, targets, link, freshness, fork, judgements, report }: PullResult,
  least?: Least,
): {
  [field: string]: FieldValue
} {
  const { bytesReceived, bytesSent, roundTrips, requests, blocksReceived, entriesSkipped, peers } = report
  return {
    changed,
    from: from === undefined ? null : signedRootJson(from),
    to: signedRootJson(to),
    newest: newest.payload.sequence,
    isFallback,
    targets,
    link: link ?? null,
    fork: fork === undefined ? null : describeFork(fork),
    freshness,
    bytesReceived,
    bytesSent,
    roundTrips,
    requests,
    blocksReceived,
    entriesSkipped,
    patch: patchJson(report.patch),
    least: least === undefined ? null : { ...least },
    judgements: judgements.map((judgement) => ({ ...judgement, reason: judgement.reason ?? null })),
    peers: peers.map(peerJson),
  }
}

function patchJson(patch: PatchReport | undefined): FieldValue {
  if (patch === undefined) return null
  return { ...patch, estimate: patch.estimate === undefined ? null : { ...patch.estimate } }
}

export function peerJson(peer: PeerReport): { [field: string]: FieldValue } {
  return { ...peer, peer: peer.peer ?? null, reason: peer.reason ?? null }
}

/** For people; escaped. `verb`: "cloned", "pulled". */
export function describePulled(verb: string, result: PullResult, least?: Least): string[] {
  const { changed, from, to, link, freshness, report } = result
  const warning = freshnessWarning(to, freshness)
  const warnings = [
    ...(warning === undefined ? [] : [warning]),
    ...describeOpenFork(result),
    ...describeNewer(result),
    ...describeRefused(result),
  ]
  if (!changed) return [`up to date at ${renderSigned(to)}`, ...warnings, ...describePeers(result)]
  const was = from === undefined ? '' : ` (was @${from.payload.sequence})`
  const { entries, bytes } = to.payload
  const state = `${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)} of state`
  const moved = `${renderBytes(report.bytesReceived)} received in ${renderCounted(report.roundTrips, 'round trip')}`
  const notes = [
    ...(link === 'unlinked' ? ['unlinked: that it continues the root before it is not proven'] : []),
    ...warnings,
  ]
  const lines = [`${verb} ${renderSigned(to)}${was}`, `${state}; ${moved}`, ...describeWay(report, least)]
  return [...lines, ...notes, ...describePeers(result)]
}

/** How what changed came, beside the least that had to come. */
function describeWay({ patch }: PullReport, least: Least | undefined): string[] {
  if (patch === undefined || least === undefined) return []
  const { way, reason, rows, rowBytes, blocksRebuilt } = patch
  const made = `${renderCounted(rows, 'row')}, ${renderBytes(rowBytes)}: ${renderCounted(blocksRebuilt, 'block')} made here`
  const most = `at least ${renderBytes(least.rowBytes)} as rows, ${renderBytes(least.blockBytes)} as blocks`
  return [`${way === 'patch' ? `by rows: ${made}` : `by blocks: ${reason}`}; ${most}`]
}

/** One line, for those who follow; escaped. */
export function describeFollowed(result: PullResult): string {
  const { changed, from, to, freshness, report } = result
  const warning = freshnessWarning(to, freshness)
  const notes = [
    ...(warning === undefined ? [] : [warning]),
    ...describeOpenFork(result),
    ...describeNewer(result),
    ...describeRefused(result),
  ]
    .map((note) => `, ${note}`)
    .join('')
  if (!changed) return `up to date at ${renderSigned(to)}${notes}`
  const was = from === undefined ? '' : ` (was @${from.payload.sequence})`
  return `pulled ${renderSigned(to)}${was}, ${renderBytes(report.bytesReceived)} received${notes}`
}

/** Of a fork that does not stop it. */
function describeOpenFork({ fork }: PullResult): string[] {
  return fork === undefined ? [] : [`its author signed ${describeFork(fork)}: others may have another history`]
}

/** A newer root that is known, and why it is not the one that is here. */
function describeNewer({ to, newest, isFallback }: PullResult): string[] {
  const { sequence } = newest.payload
  if (sequence === to.payload.sequence) return []
  return isFallback
    ? [`@${sequence} is newer, and no peer has all of it: this is the newest one before it that could be had`]
    : [`@${sequence} was published meanwhile`]
}

/** Newer roots that were not taken: without them "up to date" would be half of the truth. */
function describeRefused({ judgements }: PullResult): string[] {
  return judgements.filter(isRefused).map(({ name, reason }) => escapeText(`not taken from ${name}: ${reason}`))
}

function describePeers({ report }: PullResult): string[] {
  return report.peers.map((peer) => `  ${renderPeer(peer)}`)
}
