/**
 * What the engine needs of one peer: its signed roots, and data of trees, whichever way it is reached. Nothing that a
 * session gives is verified; it only keeps the peer to its manners (protocol.md, 12).
 */
import type { Clock } from '../../clock.ts'
import type { CoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import type { ChannelDialer } from '../channel.ts'
import type { PeerOutcome, Traffic } from '../report.ts'
import type { PatchValue, PayloadName, RootId, WelcomeStatus } from '../wire/index.ts'

/** Outcomes for which a peer is dropped. */
export type Fault = Exclude<PeerOutcome, 'used' | 'unused' | 'outdated' | 'empty'>

/** Why a session ended. */
export interface SessionEnd {
  readonly fault: Fault
  readonly error: CoppiceError
}

export interface HelloOptions {
  readonly author: Uint8Array
  readonly name: string
  /** The newest signed root the puller has; null for a new replica. */
  readonly have: RootId | null
  /** What the puller knows of rotations and forks (record.md, 7); absent: nothing. */
  readonly statements?: Uint8Array | undefined
}

/** Where a session lives. */
export interface SessionContext {
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** `busy`: ask again later. `gone`: the peer does not serve that tree, or no longer. */
export type Refused = 'busy' | 'gone'
/** `elsewhere`: others were sent that part, ask them first. */
export type DataRefused = Refused | 'elsewhere'

/** Blocks of a prefix of the links; null: not there. */
export type Blocks = readonly (Uint8Array | null)[]

export interface RangeQuestion {
  /** The root node of the tree. */
  readonly root: Link
  /** The root of a tree that the puller has completely. */
  readonly base: Link | null
  /** 1..REQUEST_LINKS_MAX nodes where the wanted subtrees begin. */
  readonly links: readonly Link[]
  /** Of blocks, 1..ANSWER_BYTES_MAX; the first block excepted. */
  readonly bytesMax: number
}

export interface PatchQuestion {
  readonly from: Link
  readonly to: Link
  /** Rows with after < key <= until; null: no such bound. */
  readonly after: Uint8Array | null
  readonly until: Uint8Array | null
  /** Of keys and values, 1..ANSWER_BYTES_MAX; the first row excepted. */
  readonly bytesMax: number
}

export interface PatchPage {
  /** Ascending, within the bounds asked for. */
  readonly keys: readonly Uint8Array[]
  /** One for each key. */
  readonly values: readonly PatchValue[]
  /** There are no more rows within the bounds. */
  readonly isLast: boolean
}

/** How is the signed root of sequence `newer`, which has this `history`, connected with that of sequence `older`, which is below it? */
export interface LinkQuestion {
  /** null: only the history itself is wanted. */
  readonly older: number | null
  readonly newer: number
  /** 32 bytes. */
  readonly history: Uint8Array
}

export interface LinkFound {
  /** The bytes of a link proof; null where the peer cannot make it, or none was wanted. */
  readonly proof: Uint8Array | null
  /** The complete subtrees that the tree of `history` consists of, largest first. */
  readonly frontier: readonly Uint8Array[]
}

/**
 * Questions reject with the error of {@link end} when the session ends before the answer. A peer that cannot be asked a kind
 * of question has no such method.
 */
export interface Session {
  /** The peer's id. */
  readonly peer: string
  /** As it was dialled. */
  readonly name: string
  /** The newest signed root the peer has shown, unverified. */
  readonly announced: Uint8Array | undefined
  /** Older signed roots that it shows as well, unverified: for when nobody has the newest one's blocks. */
  readonly older?: readonly Uint8Array[]
  /** What the peer says of rotations and forks, unverified; undefined: nothing, or what the hello said. */
  readonly statements?: Uint8Array | undefined
  /** The answer to the hello: `same` means that the peer's newest is what the hello has. */
  readonly status: WelcomeStatus
  /** Why the session ended; undefined while it lives. */
  readonly end: SessionEnd | undefined
  readonly isOpen: boolean
  /** Questions for data that wait for their answer. */
  readonly openQuestions: number
  /** Bytes and questions of the whole session. */
  readonly traffic: Traffic
  /** Bytes and questions since the last call: those of the hello belong to the first pull. */
  takeTraffic(): Traffic
  /** Asks for blocks of the tree `root`: 1..REQUEST_LINKS_MAX links. Answered for a prefix. */
  getBlocks(root: Link, links: readonly Link[]): Promise<Blocks | DataRefused>
  /** Asks for whole subtrees in pre-order. Answered with a prefix of their blocks. */
  getRange?(question: RangeQuestion): Promise<readonly Uint8Array[] | DataRefused>
  /** Asks for the rows that differ. Answered with the first of them. */
  getPatch?(question: PatchQuestion): Promise<PatchPage | Refused>
  /** Asks which of 1..REQUEST_LINKS_MAX subtrees of the tree `root` the peer has wholly. */
  getHave?(root: Link, links: readonly Link[]): Promise<readonly boolean[] | Refused>
  /** Asks for addresses of others, and says at which one serves the database oneself. */
  getPeers?(addresses: readonly string[]): Promise<readonly string[] | Refused>
  /** Asks what connects two signed roots. `gone`: the peer does not know that history. */
  getLink?(question: LinkQuestion): Promise<LinkFound | Refused>
  /** Asks for 1..PAYLOADS_MAX signed roots by their payloads. One for each name; null: not there. */
  getPayloads?(names: readonly PayloadName[]): Promise<readonly (Uint8Array | null)[] | Refused>
  /** Asks for all that travels beside the newest signed root (record.md, 7). null: nothing. */
  getAttachments?(): Promise<Uint8Array | null | Refused>
  /**
   * Asks for the newest signed root above `have`, which the peer may hold back for `waitMs` until there is one.
   * Undefined: nothing newer, or, when waiting, what it has shown before; other {@link statements} end the wait, too. Whoever asks in a loop with `waitMs` above 0 is not
   * made to spin by a peer that answers at once.
   */
  getRoot(have: RootId | null, waitMs: number): Promise<Uint8Array | undefined>
  /** Tells the peer of a newer signed root than it has shown, or of statements. A hint: nothing comes back. */
  tell(signedRoot: Uint8Array | null, statements?: Uint8Array | null): void
  /** So many others fetch the same of the peer: it may be as much slower before it is dropped for that. */
  shareWith?(others: number): void
  /** Drops the peer for a fault; the first one stands. What it owes is given back to whoever asked. */
  fail(fault: Fault, reason: string, cause?: unknown): void
  /** Ends the session in good manners. Idempotent. */
  close(): Promise<void>
}

/** Opens sessions to one known peer that is not reached over channels. */
export interface SessionDialer {
  /** As shown before a connection exists: a URL or a label. */
  readonly name: string
  /**
   * A session that has said `hello`: it shows the peer's newest signed root.
   * @throws {CoppiceError} with `details.fault`, a {@link Fault}; the signal's own reason when it aborts.
   */
  openSession(hello: HelloOptions, context: SessionContext): Promise<Session>
}

export type PeerDialer = ChannelDialer | SessionDialer
