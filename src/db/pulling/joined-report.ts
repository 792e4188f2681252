/** One report of a pull that had several targets: what the earlier ones cost, too, and whom they were had from. */
import { CoppiceError } from '../../errors.ts'
import type { PeerReport, PeerShare, PullProgress, PullReport } from '../../sync/index.ts'

/** What is known of a fetch that did not end well. */
export interface UnfinishedFetch {
  readonly progress: PullProgress | undefined
  readonly error: unknown
}

export function joinReports(report: PullReport, unfinished: readonly UnfinishedFetch[]): PullReport {
  let { blocksReceived, roundTrips, bytesReceived, bytesSent } = report
  const peers = new Map(report.peers.map((peer) => [peer.name, peer]))
  for (const { progress, error } of unfinished) {
    blocksReceived += progress?.blocksReceived ?? 0
    roundTrips += progress?.roundTrips ?? 0
    // Its report of peers has their traffic; where there is none, it is in the next one.
    const reported = reportedPeers(error)
    for (const peer of reported) {
      bytesReceived += peer.bytesReceived
      bytesSent += peer.bytesSent
    }
    for (const share of reported.length > 0 ? reported : (progress?.peers ?? [])) addShare(peers, share)
  }
  return { ...report, blocksReceived, roundTrips, bytesReceived, bytesSent, peers: [...peers.values()] }
}

function reportedPeers(error: unknown): readonly PeerReport[] {
  const peers = error instanceof CoppiceError ? error.details['peers'] : undefined
  return Array.isArray(peers) ? (peers as readonly PeerReport[]) : []
}

/** A peer of the last fetch has done more; one that was not there any more is told as it was. */
function addShare(peers: Map<string, PeerReport>, share: PeerShare | PeerReport): void {
  const last = peers.get(share.name)
  if (last === undefined) {
    if ('outcome' in share) peers.set(share.name, share)
    return
  }
  const blocks = last.blocks + share.blocks
  const rows = last.rows + share.rows
  const isIdle = last.outcome === 'unused' || last.outcome === 'outdated' || last.outcome === 'empty'
  const outcome = isIdle && (blocks > 0 || rows > 0) ? 'used' : last.outcome
  const [bytesReceived, bytesSent] = 'outcome' in share ? [share.bytesReceived, share.bytesSent] : [0, 0]
  peers.set(share.name, {
    ...last,
    outcome,
    reason: outcome === 'used' ? undefined : last.reason,
    blocks,
    rows,
    bytesReceived: last.bytesReceived + bytesReceived,
    bytesSent: last.bytesSent + bytesSent,
  })
}
