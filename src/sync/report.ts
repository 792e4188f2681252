/** What a pull did, and what became of each peer: values for people and programs, never decisions. */

/**
 * - `used`: sent blocks or rows that were used. `unused`: had the root, nothing was left to ask of it.
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
  /** Rows of this peer that became part of the tree. */
  readonly rows: number
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

/** What the questions of one kind came to. */
export interface Asked {
  /** Answered ones. */
  readonly questions: number
  /** That came in the answers, used or not, and their bytes. */
  readonly blocks: number
  readonly bytes: number
}

/** What a peer has done of a pull. */
export interface PeerShare {
  /** As it was dialled. */
  readonly name: string
  /** Blocks of this peer that were verified and used, rows of it that became part of the tree, and the bytes of both. */
  readonly blocks: number
  readonly rows: number
  readonly bytes: number
}

/** How far a pull is. At its end `entries` and `bytes` are the totals that were signed. */
export interface PullProgress {
  /** Entries of verified or held leaves. */
  readonly entries: number
  /** Bytes as the signed total counts them: each block at each of its places. */
  readonly bytes: number
  /** Of these, what was here before and came from nobody now. Nodes made of rows count as here, but for the rows' own bytes. */
  readonly bytesHere: number
  readonly entriesTotal: number
  readonly bytesTotal: number
  readonly blocksReceived: number
  /** Subtrees that were complete here before and are not looked into. */
  readonly subtreesSkipped: number
  /** The longest chain of questions of which each needed the answer before it, the hello included. */
  readonly roundTrips: number
  readonly peers: readonly PeerShare[]
}

/**
 * How changed rows came, where an older tree was here and something of the new one was not. `patch`: nodes were rebuilt from rows, as far
 * as that went; `blocks`: they were not, or not worth it. The rest came as blocks either way.
 */
export interface PatchReport {
  readonly way: 'patch' | 'blocks'
  /** For people. */
  readonly reason: string
  /** What it was decided by: all that differs, as rows and as nodes. Undefined where no rows came. */
  readonly estimate: PatchEstimate | undefined
  /** That were received, with the bytes of their keys, inline values and links. */
  readonly rows: number
  readonly rowBytes: number
  readonly pages: number
  /** Subtrees that rows came to, and those left to blocks because rows would have cost more. */
  readonly subtreesRebuilt: number
  readonly subtreesLeft: number
  /** Nodes that were made here instead of being received. */
  readonly blocksRebuilt: number
  readonly bytesRebuilt: number
  /** Of the pull's round trips, those for rows and the nodes above them. */
  readonly roundTrips: number
}

/** What differs between two trees. */
export interface PatchEstimate {
  /** Rows, and their bytes as a patch has them. */
  readonly rows: number
  readonly rowBytes: number
  /** Nodes that the older tree does not have, and their bytes. */
  readonly nodes: number
  readonly nodeBytes: number
  /** Of values out of line, which come on top either way, unless they are here. */
  readonly valueBytes: number
}

export interface PullReport extends Omit<PullProgress, 'peers'>, Traffic {
  /** Blocks that were here, without a record, and passed verification. */
  readonly blocksHeld: number
  /** Blocks that were here with bytes of another hash, and were fetched again: the disk's fault. */
  readonly blocksDamaged: number
  /** Blocks that came twice because two peers were asked. */
  readonly blocksRepeated: number
  readonly entriesSkipped: number
  /** By kind of question: single blocks by their links, and whole subtrees. */
  readonly asked: { readonly blocks: Asked; readonly range: Asked }
  /** Undefined where no older tree was here, or none was looked at. */
  readonly patch: PatchReport | undefined
  readonly peers: readonly PeerReport[]
}
