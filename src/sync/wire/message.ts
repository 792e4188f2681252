/** The messages of the sync protocol and their numbers (protocol.md, 8). */
import type { Link } from '../../link.ts'

/** The newest signed root somebody knows: its payload's CID, and its place in the author's order. */
export interface RootId {
  readonly payload: Link
  readonly epoch: number
  readonly sequence: number
}

/** The first message, by the puller: which database the channel is for, and the newest root the puller has. */
export interface Hello {
  readonly type: 'hello'
  readonly version: number
  /** 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  readonly have: RootId | null
  /** The packings that the puller can undo ({@link Packed}), ascending; none is always understood. */
  readonly packings: readonly number[]
  /** What the puller knows about who may sign, and about forks: attachments of record.md, 7. null: nothing. */
  readonly statements: Uint8Array | null
}

/** A hello of a version this decoder does not know; only its head has been read. */
export interface ForeignHello {
  readonly type: 'foreign hello'
  readonly version: number
}

/**
 * `same`: the newest here is what the hello has. `newest`: it comes with this message. `partial`: so does it, and only parts
 * of its tree are here yet. `empty`: nothing has been signed here yet. `unknown`: not a database of this peer. `version`: `version` is what the peer speaks. `busy`: try later.
 * The channel ends after the last three.
 */
export type WelcomeStatus = 'same' | 'newest' | 'empty' | 'unknown' | 'version' | 'busy' | 'partial'

export interface Welcome {
  readonly type: 'welcome'
  readonly version: number
  readonly status: WelcomeStatus
  /** With `newest` and `partial` only. */
  readonly signedRoot: Uint8Array | null
  /** What the provider knows, where it is not what the hello had. */
  readonly statements: Uint8Array | null
}

/** Asks for the newest signed root above `have`; the answer waits up to `waitMs` for there to be one. */
export interface GetRoot {
  readonly type: 'get root'
  readonly id: number
  readonly have: RootId | null
  readonly waitMs: number
}

export interface RootAnswer {
  readonly type: 'root'
  readonly id: number
  /** null: nothing newer than what was named. */
  readonly signedRoot: Uint8Array | null
  /** Those of the provider, where they are others than this channel has had. */
  readonly statements: Uint8Array | null
}

/** Asks for blocks of the tree `root`: 1..256 links, and the most bytes of blocks that the answer may have, its first block excepted. */
export interface GetBlocks {
  readonly type: 'get blocks'
  readonly id: number
  /** The root node of the tree. */
  readonly root: Link
  readonly links: readonly Link[]
  readonly bytesMax: number
}

/** Blocks for the longest prefix of the links asked for that fits; at least one. null: not here. */
export interface BlocksAnswer {
  readonly type: 'blocks'
  readonly id: number
  readonly blocks: readonly (Uint8Array | null)[]
}

/**
 * Asks for whole subtrees of the tree `root`, which begin at 1..256 links, in pre-order. What the tree `base` has too is left out: the
 * puller has that.
 */
export interface GetRange {
  readonly type: 'get range'
  readonly id: number
  readonly root: Link
  readonly base: Link | null
  readonly links: readonly Link[]
  readonly bytesMax: number
}

/** A prefix of the blocks that were asked for, in their order, of at most `bytesMax` bytes but for the first; what is not here is left out. */
export interface RangeAnswer {
  readonly type: 'range'
  readonly id: number
  readonly blocks: readonly Uint8Array[]
}

/** Asks for the rows that differ between two trees, those with after < key <= until; null: no such bound. */
export interface GetPatch {
  readonly type: 'get patch'
  readonly id: number
  readonly from: Link
  readonly to: Link
  readonly after: Uint8Array | null
  readonly until: Uint8Array | null
  /** Of keys, inline values and links together, the first row excepted. */
  readonly bytesMax: number
}

/** What stands for a row's value in a patch: bytes, the place of an out-of-line value, or null for a row that is gone. */
export type PatchValue = Uint8Array | { readonly link: Link; readonly size: number } | null

/** What a row of a patch counts for the budget of its answer. */
export function patchRowBytes(key: Uint8Array, value: PatchValue): number {
  if (value === null) return key.length
  return key.length + (value instanceof Uint8Array ? value.length : value.link.length)
}

/** And all rows of a page. */
export function patchBytes({ keys, values }: Pick<PatchAnswer, 'keys' | 'values'>): number {
  let bytes = 0
  for (const [i, key] of keys.entries()) bytes += patchRowBytes(key, values[i] ?? null)
  return bytes
}

/** The first rows in the order of their keys; `isLast`: there are no more. */
export interface PatchAnswer {
  readonly type: 'patch'
  readonly id: number
  readonly keys: readonly Uint8Array[]
  readonly values: readonly PatchValue[]
  readonly isLast: boolean
}

/** Asks which of 1..256 subtrees of the tree `root` are wholly here. */
export interface GetHave {
  readonly type: 'get have'
  readonly id: number
  readonly root: Link
  readonly links: readonly Link[]
}

/** One for each link asked for. */
export interface HaveAnswer {
  readonly type: 'have'
  readonly id: number
  readonly has: readonly boolean[]
}

/** Asks for addresses of others that have this database, and says at which one serves it oneself: 0..8 multiaddrs. */
export interface GetPeers {
  readonly type: 'get peers'
  readonly id: number
  readonly addresses: readonly string[]
}

/** 0..32 multiaddrs. Hints, each to be judged before it is dialled. */
export interface PeersAnswer {
  readonly type: 'peers'
  readonly id: number
  readonly addresses: readonly string[]
}

/** A signed root by its payload's CID, and where it stands. */
export interface PayloadName {
  readonly sequence: number
  readonly link: Link
}

/** Asks for the signed roots of 1..16 payloads. */
export interface GetPayloads {
  readonly type: 'get payloads'
  readonly id: number
  readonly names: readonly PayloadName[]
}

/** One for each name; null: not here. */
export interface PayloadsAnswer {
  readonly type: 'payloads'
  readonly id: number
  readonly signedRoots: readonly (Uint8Array | null)[]
}

/**
 * Asks how the signed root of sequence `newer`, whose field `history` is this one, is connected with that of sequence `older`, which is
 * below it; null: only for the history itself.
 */
export interface GetLink {
  readonly type: 'get link'
  readonly id: number
  readonly older: number | null
  readonly newer: number
  /** 32 bytes. */
  readonly history: Uint8Array
}

export interface LinkAnswer {
  readonly type: 'link'
  readonly id: number
  /** A link proof (record.md, 5); null where none was asked for, or the hashes for it are not here. */
  readonly proof: Uint8Array | null
  /** The complete subtrees that the tree of `history` consists of, each 32 bytes: one per 1 bit of `newer` - 1. */
  readonly frontier: readonly Uint8Array[]
}

/** Asks for all that travels beside the newest signed root: statements, and the envelopes by which it is put on carriers again. */
export interface GetAttachments {
  readonly type: 'get attachments'
  readonly id: number
}

export interface AttachmentsAnswer {
  readonly type: 'attachments'
  readonly id: number
  /** null: none. */
  readonly attachments: Uint8Array | null
}

/** One way: the puller knows a newer signed root than the provider, or statements. A hint, to be verified; one of the two is there. */
export interface Tell {
  readonly type: 'tell'
  readonly signedRoot: Uint8Array | null
  readonly statements: Uint8Array | null
}

/** `busy`: ask again later. `failed`: the provider cannot read its own store. `gone`: the tree is not served here, or no longer. */
export type RefusalReason = 'busy' | 'failed' | 'gone' | 'elsewhere'

export interface Refusal {
  readonly type: 'refusal'
  readonly id: number
  readonly reason: RefusalReason
}

/** What a puller sends after its hello, and what a provider sends after its welcome. */
export type Request =
  GetRoot | GetBlocks | GetRange | GetPatch | GetHave | GetPeers | GetLink | GetPayloads | GetAttachments | Tell
export type Answer =
  | RootAnswer
  | BlocksAnswer
  | RangeAnswer
  | PatchAnswer
  | HaveAnswer
  | PeersAnswer
  | LinkAnswer
  | PayloadsAnswer
  | AttachmentsAnswer
  | Refusal
export type Message = Hello | Welcome | Request | Answer

/** An answer with data, packed: folded, it is what `bytes` unpack to. */
export interface Packed {
  readonly packing: number
  /** Bytes of the folded answer. */
  readonly foldedBytes: number
  readonly bytes: Uint8Array
}

/** The first item of each message. Even numbers from 2 are the puller's, odd ones the provider's. */
export const NUMBERS = {
  hello: 0,
  welcome: 1,
  'get root': 2,
  root: 3,
  'get blocks': 4,
  blocks: 5,
  tell: 6,
  refusal: 7,
  'get range': 8,
  range: 9,
  'get patch': 10,
  patch: 11,
  'get have': 12,
  have: 13,
  'get peers': 14,
  peers: 15,
  'get link': 16,
  link: 19,
  'get payloads': 18,
  payloads: 21,
  'get attachments': 20,
  attachments: 23,
  packed: 17,
} as const

export const STATUSES: readonly WelcomeStatus[] = ['same', 'newest', 'empty', 'unknown', 'version', 'busy', 'partial']
export const REASONS: readonly RefusalReason[] = ['busy', 'failed', 'gone', 'elsewhere']
