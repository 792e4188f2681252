/** What a fetch is told: the tree, and how to go about it. */
import type { Clock } from '../../clock.ts'
import type { Link } from '../../link.ts'
import type { Format, TreeRef } from '../../prolly/index.ts'
import type { PatchOutcome } from '../patching/patch-pull.ts'
import type { Session } from '../peers/session.ts'
import type { PeerReport, PullProgress } from '../report.ts'

/** The tree to fetch, as an accepted signed root names it. */
export interface FetchTarget extends Pick<TreeRef, 'root' | 'entries' | 'bytes'> {
  /** Kept as evidence when the tree turns out to be malformed. */
  readonly signedRoot: Uint8Array
}

export interface FetchOptions {
  readonly clock: Clock
  /** 0 <= n < 1. */
  readonly random: () => number
  readonly signal?: AbortSignal | undefined
  /**
   * When it aborts nothing more is asked; what was asked for is waited for and kept, since it comes in any case. Then the
   * fetch rejects with its reason.
   */
  readonly leaving?: AbortSignal | undefined
  /**
   * Whether the peer of `session` announced this very root (not only the same tree). If so it has to have every block, and others
   * are asked only when no such peer is left. Asked once per session, at the start.
   */
  readonly holds: (session: Session) => boolean
  /**
   * The root of a tree that is wholly here, of which little differs, or null: nothing is here. Whole subtrees are asked for then, without what that
   * tree has. Undefined, where parts of other trees may be here: each block is asked for by its link, so that none comes again.
   */
  readonly base?: Link | null | undefined
  /** Whether what is fetched is served meanwhile, so that others who fetch the same may ask for it. */
  readonly isShared?: boolean | undefined
  /** What a patch came to before: those who lied about rows are found by the whole tree. */
  readonly patch?: PatchOutcome | undefined
  /** Given a function that takes in a further peer; called once, and what it gives back when the fetch is over. */
  readonly joining?: ((join: (session: Session) => void) => () => void) | undefined
  /** Called after each answer, at most. Must not throw. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  /**
   * Called with blocks that no peer that is left has, which are passed over then: what else there is gets fetched, and what
   * stands above them is not recorded. Every peer is asked, and none is dropped for lacking a block of a root it announced:
   * its store may be damaged, too. Without it such a block ends the fetch, with `NO_PEER_LEFT`. Must not throw.
   */
  readonly onLost?: ((links: readonly Link[]) => void) | undefined
  /** The root of the tree that questions to a peer name, where another one is fetched in parts than the peer serves as such. */
  readonly named?: (session: Session) => Link | undefined
  /** Peers without a session, for the report. */
  readonly absent?: readonly PeerReport[]
  /** Tests only: smaller chunks, smaller batches. */
  readonly format?: Format
  readonly writeBytesMax?: number
}
