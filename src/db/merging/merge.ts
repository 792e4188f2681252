/**
 * Merging another database's state into an author's working state, as one batch. The other's state is copied whole, as
 * far as it is not here: so the result has its blocks, and the next merge its base, whatever becomes of the other.
 */
import type { Document } from '../../document-model.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { formatLink, type Link } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { type Conflict, copyTree, mergeTrees, type Resolution } from '../../prolly/index.ts'
import { Staging } from '../../store/index.ts'
import { LargeValue, readSide, type RowValue } from '../changes.ts'
import type { BatchOptions } from '../documents/collection.ts'
import { encodeDocument } from '../documents/document.ts'
import { findBase, isBehind, isSameDatabase, type Known, readKnown, requireBase, withBase } from './merge-base.ts'
import { mergeFields } from './merge-fields.ts'
import { assertSchemasMerge } from './merge-schemas.ts'
import { BASES, ROOT } from '../meta.ts'
import { type KeyMeaning, meaningOfKey } from '../documents/schema.ts'
import { emptySnapshot, type Snapshot } from '../snapshot.ts'
import type { DatabaseState } from '../state.ts'

/** A key that both sides changed, and not to the same: `left` is one's own state, `right` the other's. */
export interface RowConflict extends Conflict {
  /** What stands under such a key; undefined for raw keys. */
  readonly meaning: KeyMeaning | undefined
  /** JSON pointers of the fields in conflict, where they were merged; empty where the row is one piece. */
  readonly fields: readonly string[]
  /** What a side has there, undefined for nothing. */
  read(side: 'base' | 'left' | 'right'): Promise<RowValue | undefined>
}

/** What becomes of a conflict: one of the sides, a value (null deletes), or nothing: it stays. */
export type RowResolution = 'left' | 'right' | 'conflict' | { readonly value: Document | Uint8Array | null }

/** `fields`: documents that both sides changed are merged field by field, conflicts of which may go to one side. */
export type RowResolver =
  | 'left'
  | 'right'
  | 'fields'
  | { readonly fields: 'left' | 'right' }
  | ((conflict: RowConflict) => MaybePromise<RowResolution>)

export interface MergeOptions extends BatchOptions {
  /** What both grew out of; `empty` takes every row as new. Without, what is remembered of earlier merges and forks. */
  readonly base?: Snapshot | 'empty' | undefined
  /** Without, every conflict stays. */
  readonly resolve?: RowResolver | undefined
  /** Called with each conflict that stays, in key order. */
  readonly onConflict?: ((conflict: RowConflict) => MaybePromise<void>) | undefined
  /** Changes nothing, and needs no handle opened for writing. */
  readonly dryRun?: boolean | undefined
}

export interface MergeResult {
  /** False where conflicts stay: nothing changed then. */
  readonly isMerged: boolean
  readonly base: Snapshot
  /** The working state before. */
  readonly from: Snapshot
  /** After; the same as `from` where conflicts stay, undefined where a dry run would have changed it. */
  readonly to: Snapshot | undefined
  /** Keys that both sides changed, and not to the same. */
  readonly conflicts: number
  /** How many of them stay. */
  readonly unresolved: number
  readonly blocksWritten: number
  readonly bytesWritten: number
}

/** What is merged: a state, and the database it is of, where that is to be remembered. */
export interface MergeSource {
  readonly snapshot: () => Promise<Snapshot>
  readonly state: DatabaseState | undefined
  /** Of which there may be others that show more. */
  readonly isReplica: boolean
}

/** See `Database.merge`. */
export async function mergeInto(state: DatabaseState, other: MergeSource, options: MergeOptions): Promise<MergeResult> {
  const from = await state.snapshot()
  const { base, right, known } = await readSides(state, other, options.base)
  if (options.base === undefined && base.root === right.root) {
    // All of it is here: to remember it as merged would hide a later state that was.
    return { isMerged: true, base, from, to: from, conflicts: 0, unresolved: 0, blocksWritten: 0, bytesWritten: 0 }
  }
  await assertSchemasMerge(base, from, right)
  const isDry = options.dryRun === true
  const staging = new Staging(state.store)
  try {
    const run = new MergeRun(staging, base, from, right, options)
    const { conflicts, unresolved, root } = await run.merge()
    const counts = { base, from, conflicts, unresolved }
    if (isDry || unresolved > 0) {
      await staging.abort()
      const isSame = unresolved > 0 || formatLink(root) === from.root
      return { ...counts, isMerged: unresolved === 0, to: isSame ? from : undefined, blocksWritten: 0, bytesWritten: 0 }
    }
    if (right.tree.nodes !== state.nodes) {
      for await (const _ of copyTree(right.tree.nodes.blocks, right.tree.ref, staging, state.store, options));
    }
    options.signal?.throwIfAborted()
    const meta = new Map([[ROOT, root]])
    if (other.state !== undefined && known !== undefined && !isSameDatabase(state, other.state)) {
      meta.set(BASES, await withBase(state, other.state, known, right.tree.ref.root))
    }
    await staging.commit({ meta, durable: options.durable ?? true })
    const { blocksWritten, bytesWritten } = staging.counters
    return { ...counts, isMerged: true, to: await state.at(root), blocksWritten, bytesWritten }
  } catch (error) {
    await staging.abort()
    throw error
  }
}

interface Sides {
  readonly base: Snapshot
  readonly right: Snapshot
  /** Undefined for a snapshot by itself. */
  readonly known: Known | undefined
}

async function readSides(state: DatabaseState, other: MergeSource, asked: MergeOptions['base']): Promise<Sides> {
  if (other.state === undefined) {
    if (asked === undefined) throw new TypeError('merge: expected options.base with a snapshot, got none')
    return { base: await openBase(asked), right: await other.snapshot(), known: undefined }
  }
  const known = await readKnown(state, other.state)
  const found = asked === undefined ? await findBase(state, other.state, known) : undefined
  const right = await other.snapshot()
  if (asked !== undefined) return { base: await openBase(asked), right, known }
  if (other.isReplica && isBehind(known, right.tree.ref.root)) return { base: right, right, known }
  return { base: await baseSnapshot(state, other.state, requireBase(found, state, other.state)), right, known }
}

async function openBase(asked: Snapshot | 'empty'): Promise<Snapshot> {
  return asked === 'empty' ? await emptySnapshot() : asked
}

/** A state that one of the two holds. @throws {CoppiceError} `ROOT_NOT_FOUND`. */
async function baseSnapshot(state: DatabaseState, other: DatabaseState, root: Link): Promise<Snapshot> {
  for (const each of [state, other]) {
    try {
      return await each.at(root)
    } catch (error) {
      if (!isCoppiceError(error, 'ROOT_NOT_FOUND')) throw error
    }
  }
  const cid = formatLink(root)
  throw new CoppiceError(
    'ROOT_NOT_FOUND',
    `base ${cid}: expected it in ${state.name} or in ${other.name}, found it in neither; name another base`,
    { details: { root: cid } },
  )
}

/** One walk over the three trees. */
class MergeRun {
  readonly #staging: Staging
  readonly #base: Snapshot
  readonly #left: Snapshot
  readonly #right: Snapshot
  readonly #options: MergeOptions
  /** Nothing more is written once a conflict stays, or in a dry run. */
  #isWriting: boolean

  constructor(staging: Staging, base: Snapshot, left: Snapshot, right: Snapshot, options: MergeOptions) {
    this.#staging = staging
    this.#base = base
    this.#left = left
    this.#right = right
    this.#options = options
    this.#isWriting = options.dryRun !== true
  }

  async merge(): Promise<{ readonly root: Link; readonly conflicts: number; readonly unresolved: number }> {
    const sink = {
      put: (block: Parameters<Staging['put']>[0]) => (this.#isWriting ? this.#staging.put(block) : undefined),
    }
    return await mergeTrees(this.#base.tree, this.#left.tree, this.#right.tree, sink, {
      signal: this.#options.signal,
      resolve: (conflict) => this.#resolve(conflict),
    })
  }

  async #resolve(conflict: Conflict): Promise<Resolution> {
    const { resolve } = this.#options
    if (resolve === 'left' || resolve === 'right') return resolve
    if (resolve === 'fields') return await this.#mergeFields(conflict, undefined)
    if (typeof resolve === 'object') return await this.#mergeFields(conflict, resolve.fields)
    const row = this.#rowConflict(conflict)
    const resolution = (await resolve?.(row)) ?? 'conflict'
    if (typeof resolution === 'string') return resolution === 'conflict' ? await this.#keep(row) : resolution
    const { value } = resolution
    return { value: value === null || value instanceof Uint8Array ? value : encodeDocument(value) }
  }

  async #keep(row: RowConflict): Promise<'conflict'> {
    this.#isWriting = false
    await this.#options.onConflict?.(row)
    return 'conflict'
  }

  /** What cannot be merged by fields goes to `side`, or stays where there is none. */
  async #mergeFields(conflict: Conflict, side: 'left' | 'right' | undefined): Promise<Resolution> {
    const row = this.#rowConflict(conflict)
    const otherwise = (fields: readonly string[]): Resolution | Promise<Resolution> =>
      side ?? this.#keep({ ...row, fields })
    const [base, left, right] = [await row.read('base'), await row.read('left'), await row.read('right')]
    if (!isDocument(left) || !isDocument(right) || (base !== undefined && !isDocument(base))) return await otherwise([])
    const { document, conflicts } = side === 'right' ? mergeFields(base, right, left) : mergeFields(base, left, right)
    if (conflicts.length > 0 && side === undefined) return await otherwise(conflicts)
    try {
      return { value: encodeDocument(document) }
    } catch (error) {
      // The fields of both, each good by itself, may make no document: it has become too large, or a reserved map.
      if (isCoppiceError(error, 'VALUE_TOO_LARGE') || isCoppiceError(error, 'DOCUMENT_INVALID'))
        return await otherwise([])
      throw error
    }
  }

  #rowConflict(conflict: Conflict): RowConflict {
    const meaning = meaningOfKey(conflict.key)
    const snapshots = { base: this.#base, left: this.#left, right: this.#right }
    return { ...conflict, meaning, fields: [], read: (side) => readSide(snapshots[side], conflict[side], meaning) }
  }
}

function isDocument(value: RowValue | undefined): value is Document {
  return value !== undefined && !(value instanceof Uint8Array) && !(value instanceof LargeValue)
}
