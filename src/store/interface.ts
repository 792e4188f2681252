/**
 * What coppice needs of a place that keeps blocks. Three key spaces, written together in one atomic batch:
 *
 * - blocks, by full CID. Holding a block says nothing about what lies below it.
 * - completeness records, by full CID: this subtree is here as a whole and belongs to a signed root (tree.md, 4).
 *   Only recorded subtrees are ever skipped by a sync or served to peers.
 * - meta: small named values: the working root, the floor, the kind of database.
 */
import type { Block, Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'

/** The reading half, which is all the tree needs. Answers at once where it can. */
export interface BlockReader {
  /** The bytes of the block, undefined where it is absent. The bytes are never written to afterwards by anyone. */
  get(link: Link): MaybePromise<Uint8Array | undefined>
  /** As {@link get} for each link, in order, in as few round trips as the place allows. */
  getMany(links: readonly Link[]): MaybePromise<(Uint8Array | undefined)[]>
}

/** A subtree that is wholly here. The claims are the parent's (or the signed root's) under which it was verified. */
export interface CompleteRecord {
  readonly link: Link
  /** 0 for a leaf. Each block of a value has a record of its own with level -1. */
  readonly level: number
  /** Entries below; of a block of a value its height in the value's file, 0 for a raw block. */
  readonly entries: number
  /** `bytes` as a parent's entry counts them; for a block of a value, the bytes of the value that stand below. */
  readonly bytes: number
  /** The smallest key below; empty for a value or the empty tree. */
  readonly firstKey: Uint8Array
  /** The largest key below; empty for a value or the empty tree. */
  readonly lastKey: Uint8Array
  /** Every node on the right spine ends at a boundary, so the subtree may stand anywhere but at the right edge too. */
  readonly spineClosed: boolean
}

/** All of it becomes visible at once, or none. What is removed is removed first; to remove what is absent is no error. */
export interface WriteBatch {
  readonly removeComplete?: readonly Link[]
  readonly removeBlocks?: readonly Link[]
  readonly blocks?: readonly Block[]
  readonly complete?: readonly CompleteRecord[]
  /** null deletes. */
  readonly meta?: ReadonlyMap<string, Uint8Array | null>
}

/** Held by the one process that may write. */
export interface WriterLock extends AsyncDisposable {
  release(): Promise<void>
}

/** While it is held, the tree below its root is not removed as garbage. It ends with its process, too. */
export interface Lease extends AsyncDisposable {
  /** Idempotent, and never rejects: what cannot be given back is found to be over. */
  release(): Promise<void>
}

export interface LeasedRoot {
  readonly root: Link
  /** The process; undefined in memory. */
  readonly pid: number | undefined
}

/** After `close()` every call fails with a TypeError. */
export interface Store extends BlockReader, AsyncDisposable {
  has(link: Link): MaybePromise<boolean>
  getComplete(link: Link): MaybePromise<CompleteRecord | undefined>
  /**
   * The links of blocks in order of their bytes, from the first one above `after`, or the very first: at most `limit` of
   * them, and fewer only at the end. Reads no block. What is written between two calls may be missed.
   * @throws {RangeError} where `limit` is no positive integer
   */
  listBlocks(after: Link | undefined, limit: number): MaybePromise<Link[]>
  /** As {@link listBlocks}, of completeness records. */
  listComplete(after: Link | undefined, limit: number): MaybePromise<Link[]>
  /** Names match `[a-z0-9][a-zA-Z0-9._:/-]{0,127}`. @throws {TypeError} where `name` does not. */
  getMeta(name: string): MaybePromise<Uint8Array | undefined>
  /**
   * Applies the batch atomically and resolves once it is visible to every reader, in this process and others.
   * With `durable`, resolves only after a flush to the disk of this batch and all before it: what must survive a power
   * cut. Blocks and values are not copied: they must not change afterwards.
   * @throws {CoppiceError} `STORE_FULL`, `STORE_READ_ONLY`, `STORE_IO`; nothing of the batch is visible then, except that
   * a durable one may be visible where only its flush failed.
   * @throws {TypeError} `RangeError` where a link, a name of a meta value or a record cannot be one, before anything is written.
   */
  write(batch: WriteBatch, options?: { readonly durable?: boolean }): Promise<void>
  /** @throws {CoppiceError} `STORE_LOCKED` with `details.pid` while another process, or another handle here, holds it. */
  lockWriter(): Promise<WriterLock>
  /**
   * Says that the tree below `root` is being read, in one step with a look at its root's block: undefined where that is
   * not here. A lease ends when it is released, with the handle and with the process. Where nothing can be written, on a
   * full disk or one that is read-only, what is given holds nothing: reading must go on there, and is unprotected.
   */
  lease(root: Link): Promise<Lease | undefined>
  /** What is leased now, by all handles of all processes. */
  leased(): Promise<LeasedRoot[]>
  /**
   * Removes the blocks and completeness records of those of `roots` that nobody leases, in one step with the look; gives
   * the ones that are leased, which stay. Whoever asks for a lease later finds no root.
   * @throws as {@link write}
   */
  removeUnleased(roots: readonly Link[]): Promise<Link[]>
  /** Bytes on the disk and number of blocks and records, for `stats`. Memory stores say 0 for the disk. */
  usage(): Promise<{ readonly diskBytes: number; readonly blocks: number; readonly complete: number }>
  close(): Promise<void>
}
