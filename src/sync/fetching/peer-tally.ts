/** What became of each peer of one fetch: the counts behind a PullReport. */
import { HEDGE_AFTER_MS } from '../limits.ts'
import type { PatchUse } from '../patching/patch-peers.ts'
import type { Session } from '../peers/session.ts'
import type { PeerOutcome, PeerReport, PeerShare, Traffic } from '../report.ts'
import type { Holdings } from './holdings.ts'
import type { QuestionKind } from './questions.ts'

/** What a peer owed at the end: for how long, and for how long it had not sent anything. */
export interface Debt {
  readonly ms: number
  readonly quietMs: number
}

interface Entry {
  readonly session: Session
  blocks: number
  rows: number
  bytes: number
}

export class PeerTally {
  /** Blocks that were used, and blocks that had come from another peer before. */
  blocksReceived = 0
  blocksRepeated = 0
  readonly asked: Readonly<Record<QuestionKind, { questions: number; blocks: number; bytes: number }>> = {
    blocks: { questions: 0, blocks: 0, bytes: 0 },
    range: { questions: 0, blocks: 0, bytes: 0 },
  }
  readonly #holdings: Holdings
  readonly #bySession = new Map<Session, Entry>()
  readonly #absent: readonly PeerReport[]
  #traffic: Traffic = { bytesReceived: 0, bytesSent: 0, requests: 0 }

  constructor(sessions: readonly Session[], holdings: Holdings, absent: readonly PeerReport[]) {
    this.#holdings = holdings
    this.#absent = absent
    for (const session of sessions) this.add(session)
  }

  /** Takes in a peer. */
  add(session: Session): void {
    this.#bySession.set(session, { session, blocks: 0, rows: 0, bytes: 0 })
  }

  /** Whether any block of the peer was used. */
  isProven(session: Session): boolean {
    return (this.#bySession.get(session)?.blocks ?? 0) > 0
  }

  /** An answer came, whatever it is worth. */
  noteAnswer(kind: QuestionKind, blocks: number, bytes: number): void {
    const asked = this.asked[kind]
    asked.questions++
    asked.blocks += blocks
    asked.bytes += bytes
  }

  /** Of so many blocks of the peer, which were verified and have so many bytes, so many were new. */
  noteBlocks(session: Session, fresh: number, all: number, bytes: number): void {
    this.blocksReceived += fresh
    this.blocksRepeated += all - fresh
    const entry = this.#bySession.get(session)
    if (entry === undefined || fresh === 0) return
    entry.blocks += fresh
    entry.bytes += Math.round((bytes * fresh) / all)
  }

  /** Rows of the peer became part of the tree. */
  notePatch(session: Session, { rows, bytes }: PatchUse): void {
    const entry = this.#bySession.get(session)
    if (entry === undefined) return
    entry.rows += rows
    entry.bytes += bytes
  }

  shares(): PeerShare[] {
    return [...this.#bySession.values()].map(({ session, blocks, rows, bytes }) => ({
      name: session.name,
      blocks,
      rows,
      bytes,
    }))
  }

  /** All peers together. True after {@link report}. */
  get traffic(): Traffic {
    return this.#traffic
  }

  /** Once, at the end: takes the sessions' traffic. */
  report(debtOf: (session: Session) => Debt | undefined): PeerReport[] {
    const reports = [...this.#absent]
    let { bytesReceived, bytesSent, requests } = this.#traffic
    for (const entry of this.#bySession.values()) {
      const { session, blocks, rows } = entry
      const traffic = session.takeTraffic()
      requests += traffic.requests
      const { outcome, reason } = judge(entry, this.#holdings, debtOf(session))
      reports.push({
        peer: session.peer,
        name: session.name,
        outcome,
        reason,
        blocks,
        rows,
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
  { session, blocks, rows }: Entry,
  holdings: Holdings,
  debt: Debt | undefined,
): { outcome: PeerOutcome; reason: string | undefined } {
  if (session.end !== undefined) return { outcome: session.end.fault, reason: session.end.error.message }
  if (debt !== undefined && debt.quietMs >= HEDGE_AFTER_MS / 2) {
    return { outcome: 'silent', reason: `sent nothing for ${debt.quietMs} ms, others did its work` }
  }
  if (debt !== undefined) return { outcome: 'slow', reason: `owed an answer for ${debt.ms} ms, others did its work` }
  if (holdings.isGone(session)) return { outcome: 'outdated', reason: 'does not serve this tree, or no longer' }
  if (holdings.holds(session) || session.status === 'partial') {
    return { outcome: blocks > 0 || rows > 0 ? 'used' : 'unused', reason: undefined }
  }
  if (session.announced === undefined && session.status === 'empty') {
    // A gateway of others shows no root at all, and may have the blocks of any.
    return blocks > 0 ? { outcome: 'used', reason: undefined } : { outcome: 'empty', reason: 'has no signed root yet' }
  }
  return { outcome: 'outdated', reason: 'its newest root is another one' }
}

/** `name: outcome (reason)` of each, for a message. */
export function describePeers(peers: readonly PeerReport[]): string {
  if (peers.length === 0) return 'none was given'
  return peers
    .map(({ name, outcome, reason }) => `${name}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`)
    .join('; ')
}
