/** What a pull did, and what became of each peer: values for people and programs, never decisions. */

/**
 * - `used`: sent blocks that were used. `unused`: had the root, nothing was left to ask of it.
 * - `outdated`: its newest root is another one than the pulled. `empty`: it has no signed root yet. `unknown`: it does
 *   not serve this database. `version`: it speaks another version of the protocol. `busy`: it asked to come back later.
 * - `liar`: bytes that are not those of the CID, or a root with a wrong signature. `incomplete`: it announced the root and lacks its
 *   blocks. `silent`: it owed an answer and sent nothing. `slow`: it sent less than the minimum rate. `protocol`: it
 *   broke the protocol. `unreachable`: it could not be reached, or was lost.
 */
export type PeerOutcome =
  | 'used'
  | 'unused'
  | 'outdated'
  | 'empty'
  | 'unknown'
  | 'version'
  | 'busy'
  | 'liar'
  | 'incomplete'
  | 'silent'
  | 'slow'
  | 'protocol'
  | 'unreachable'

export interface PeerReport {
  /** The peer's id; undefined where no connection came about. */
  readonly peer: string | undefined
  /** As it was dialled. */
  readonly name: string
  readonly outcome: PeerOutcome
  /** For people; undefined where there is nothing to add. */
  readonly reason: string | undefined
  /** Blocks of this peer that were verified and used. */
  readonly blocks: number
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** Bytes with frame headers, without what the transport adds. */
export interface Traffic {
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Questions that were asked: hellos, and requests for roots and blocks. */
  readonly requests: number
}

/** How far a pull is. At its end `entries` and `bytes` are the totals that were signed. */
export interface PullProgress {
  /** Entries of verified or held leaves. */
  readonly entries: number
  /** Bytes as the signed total counts them: each block at each of its places. */
  readonly bytes: number
  readonly entriesTotal: number
  readonly bytesTotal: number
  readonly blocksReceived: number
  /** Subtrees that were complete here before and are not looked into. */
  readonly subtreesSkipped: number
}

export interface PullReport extends PullProgress, Traffic {
  /** Blocks that were here, without a record, and passed verification. */
  readonly blocksHeld: number
  /** Blocks that were here with bytes of another hash, and were fetched again: the disk's fault. */
  readonly blocksDamaged: number
  /** Blocks that came twice because two peers were asked. */
  readonly blocksRepeated: number
  readonly entriesSkipped: number
  /** The longest chain of questions of which each needed the answer before it, the hello included. */
  readonly roundTrips: number
  readonly peers: readonly PeerReport[]
}
