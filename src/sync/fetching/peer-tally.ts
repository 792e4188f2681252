/** What became of each peer of one fetch: the counts behind a PullReport. */
import { HEDGE_AFTER_MS } from '../limits.ts'
import type { PeerOutcome, PeerReport, Traffic } from '../report.ts'
import type { Session } from '../peers/session.ts'

/** What a peer owed at the end: for how long, and for how long it had not sent anything. */
export interface Debt {
  readonly ms: number
  readonly quietMs: number
}

interface Entry {
  readonly session: Session
  readonly holds: boolean
  blocks: number
}

export class PeerTally {
  readonly #entries: readonly Entry[]
  readonly #bySession: ReadonlyMap<Session, Entry>
  readonly #absent: readonly PeerReport[]
  #traffic: Traffic = { bytesReceived: 0, bytesSent: 0, requests: 0 }

  constructor(sessions: readonly Session[], holds: (session: Session) => boolean, absent: readonly PeerReport[]) {
    this.#entries = sessions.map((session) => ({ session, holds: holds(session), blocks: 0 }))
    this.#bySession = new Map(this.#entries.map((entry) => [entry.session, entry]))
    this.#absent = absent
  }

  /** Whether the peer announced the root that is fetched. */
  holds(session: Session): boolean {
    return this.#bySession.get(session)?.holds === true
  }

  /** Whether any block of the peer was used. */
  isProven(session: Session): boolean {
    return (this.#bySession.get(session)?.blocks ?? 0) > 0
  }

  /** A block of the peer was verified and used. */
  noteBlock(session: Session): void {
    const entry = this.#bySession.get(session)
    if (entry !== undefined) entry.blocks++
  }

  /** All peers together. True after {@link report}. */
  get traffic(): Traffic {
    return this.#traffic
  }

  /** Once, at the end: takes the sessions' traffic. */
  report(debtOf: (session: Session) => Debt | undefined): PeerReport[] {
    const reports = [...this.#absent]
    let { bytesReceived, bytesSent, requests } = this.#traffic
    for (const entry of this.#entries) {
      const { session, blocks } = entry
      const traffic = session.takeTraffic()
      requests += traffic.requests
      const { outcome, reason } = judge(entry, debtOf(session))
      reports.push({
        peer: session.peer,
        name: session.name,
        outcome,
        reason,
        blocks,
        bytesReceived: traffic.bytesReceived,
        bytesSent: traffic.bytesSent,
      })
    }
    for (const report of reports) {
      bytesReceived += report.bytesReceived
      bytesSent += report.bytesSent
    }
    this.#traffic = { bytesReceived, bytesSent, requests }
    return reports
  }
}

function judge(
  { session, holds, blocks }: Entry,
  debt: Debt | undefined,
): { outcome: PeerOutcome; reason: string | undefined } {
  if (session.end !== undefined) return { outcome: session.end.fault, reason: session.end.error.message }
  if (debt !== undefined && debt.quietMs >= HEDGE_AFTER_MS / 2) {
    return { outcome: 'silent', reason: `sent nothing for ${debt.quietMs} ms, others did its work` }
  }
  if (debt !== undefined) return { outcome: 'slow', reason: `owed an answer for ${debt.ms} ms, others did its work` }
  if (holds) return { outcome: blocks > 0 ? 'used' : 'unused', reason: undefined }
  if (session.announced === undefined && session.status === 'empty')
    return { outcome: 'empty', reason: 'has no signed root yet' }
  return { outcome: 'outdated', reason: 'its newest root is another one' }
}

/** `name: outcome (reason)` of each, for a message. */
export function describePeers(peers: readonly PeerReport[]): string {
  if (peers.length === 0) return 'none was given'
  return peers
    .map(({ name, outcome, reason }) => `${name}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`)
    .join('; ')
}
