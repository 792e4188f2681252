/** What changed between two states, as rows that say what they are: documents, schemas, metadata or raw keys. */
import type { Document } from '../document-model.ts'
import { isCoppiceError } from '../errors.ts'
import { formatLink, type Link } from '../link.ts'
import {
  type Change as TreeChange,
  type DiffOptions,
  diffTrees,
  isValueRef,
  RAW_VALUE_BYTES_MAX,
  type Value,
  type ValueRef,
} from '../prolly/index.ts'
import { decodeDocument, DOCUMENT_BYTES_MAX } from './documents/document.ts'
import { type KeyMeaning, meaningOfKey } from './documents/schema.ts'
import type { Snapshot } from './snapshot.ts'

/** A value that a change or a conflict does not load: beyond 1 MiB under a raw key, and what is too long for a document. */
export class LargeValue implements ValueRef {
  readonly link: Link
  readonly size: number

  constructor({ link, size }: ValueRef) {
    this.link = link
    this.size = size
  }

  /** Equal values have equal CIDs. */
  get cid(): string {
    return formatLink(this.link)
  }
}

/** A document where the key says so and the bytes are one, else the bytes, or where they are found. */
export type RowValue = Document | Uint8Array | LargeValue

export interface Change {
  readonly type: 'add' | 'remove' | 'update'
  readonly key: Uint8Array
  /** What stands under such a key; undefined for raw keys. */
  readonly meaning: KeyMeaning | undefined
  /** Before; undefined for an addition. */
  readonly from: RowValue | undefined
  /** After; undefined for a removal. */
  readonly to: RowValue | undefined
}

/** The changes from one state to another, in key order; only what differs is read. */
export async function* changesBetween(
  from: Snapshot,
  to: Snapshot,
  options: DiffOptions = {},
): AsyncGenerator<Change, void, undefined> {
  for await (const change of diffTrees(from.tree, to.tree, options)) {
    const meaning = meaningOfKey(change.key)
    yield {
      type: change.type,
      key: change.key,
      meaning,
      from: await readSide(from, 'from' in change ? change.from : undefined, meaning),
      to: await readSide(to, 'to' in change ? change.to : undefined, meaning),
    }
  }
}

/** What a side of a change has under its key. */
export async function readSide(
  snapshot: Snapshot,
  value: Value | undefined,
  meaning: KeyMeaning | undefined,
): Promise<RowValue | undefined> {
  if (value === undefined) return undefined
  const bytesMax = meaning === undefined ? RAW_VALUE_BYTES_MAX : DOCUMENT_BYTES_MAX
  if (isValueRef(value) && value.size > bytesMax) return new LargeValue(value)
  return readRow(await snapshot.tree.readValue(value), meaning)
}

/** The document in `bytes` where `meaning` promises one; raw bytes under such a key are given as they are. */
function readRow(bytes: Uint8Array, meaning: KeyMeaning | undefined): RowValue {
  if (meaning === undefined) return bytes
  try {
    return decodeDocument(bytes)
  } catch (error) {
    if (isCoppiceError(error, 'DOCUMENT_INVALID')) return bytes
    throw error
  }
}

/** Numbers of a diff, read without loading a value. */
export interface ChangeCounts {
  added: number
  removed: number
  updated: number
}

export async function countChanges(from: Snapshot, to: Snapshot, options: DiffOptions = {}): Promise<ChangeCounts> {
  const counts: ChangeCounts = { added: 0, removed: 0, updated: 0 }
  for await (const { type } of diffTrees(from.tree, to.tree, options)) count(counts, type)
  return counts
}

function count(counts: ChangeCounts, type: TreeChange['type']): void {
  if (type === 'add') counts.added++
  else if (type === 'remove') counts.removed++
  else counts.updated++
}
