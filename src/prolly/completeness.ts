/**
 * Completeness records of a tree that is all here, bottom-up: what an author writes before signing a root, so that the
 * tree can be served, and a check that it can be (tree.md, 4, "Held is not verified"). Subtrees that already have a
 * record which fits their place are not read, so the cost is that of the new nodes. What is read is hashed: a disk that
 * changed a block since it was written must not be signed over.
 */
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader, CompleteRecord } from '../store/interface.ts'
import { EMPTY_BYTES, equalBytes } from '../bytes.ts'
import { BYTES_PER_TURN, eventLoopTurn } from '../event-loop.ts'
import { requireHeld } from '../held-block.ts'
import type { Link } from '../link.ts'
import { type FileBlock, type FilePlace, placeId, walkFile } from '../unixfs/index.ts'
import { type Format, FORMAT_1 } from './format.ts'
import { isValueRef, type Node, type ValueRef } from './node.ts'
import type { TreeRef } from './tree-writer.ts'
import {
  childClaim,
  mayReuse,
  mayReuseValue,
  type NodeClaim,
  rootClaim,
  type VerifiedNode,
  verifyHeldNode,
  verifyHeldValueBlock,
} from './verify.ts'

/** Where completeness is recorded; the store, or the store with what is not yet written to it. */
export interface CompletenessSource extends BlockReader {
  getComplete(link: Uint8Array): MaybePromise<CompleteRecord | undefined>
}

/**
 * The records that are missing, each after those of everything below it, the root's last.
 * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`, `TREE_MALFORMED` (the tree must not be signed).
 */
export async function* missingRecords(
  source: CompletenessSource,
  ref: TreeRef,
  options: { readonly format?: Format; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<CompleteRecord, void, undefined> {
  yield* recordNode(new Recording(source, options.format ?? FORMAT_1, options.signal), rootClaim(ref))
}

/** Blocks of values that are remembered: far fewer are one value of many rows, and whoever has more of 1 MiB each sent as many. */
export const SEEN_VALUES_MAX: number = 16 * 1024

/** What stays the same within one walk. */
class Recording {
  readonly source: CompletenessSource
  readonly format: Format
  readonly signal: AbortSignal | undefined
  /** Blocks of values whose records were given, and may not be written yet: a value of many rows is read once. */
  readonly #seen = new Set<string>()

  constructor(source: CompletenessSource, format: Format, signal: AbortSignal | undefined) {
    this.source = source
    this.format = format
    this.signal = signal
  }

  isSeen(block: FileBlock): boolean {
    return this.#seen.has(placeId(block))
  }

  see(block: FileBlock): void {
    if (this.#seen.size >= SEEN_VALUES_MAX) this.#seen.clear()
    this.#seen.add(placeId(block))
  }
}

/** Yields what is missing below and at the claimed node; returns its own record, found or new. */
async function* recordNode(
  recording: Recording,
  claim: NodeClaim,
): AsyncGenerator<CompleteRecord, CompleteRecord, undefined> {
  const { source, format, signal } = recording
  signal?.throwIfAborted()
  const found = await source.getComplete(claim.link)
  if (found !== undefined && mayReuse(found, claim)) return found
  const bytes = requireHeld(claim.link, await source.get(claim.link))
  const verified = verifyHeldNode(bytes, claim, format)
  const { node } = verified
  let first: CompleteRecord | undefined
  let last: CompleteRecord | undefined
  for (let i = 0; node.level > 0 && i < node.length; i++) {
    last = yield* recordNode(recording, childClaim(node, i, claim))
    first ??= last
  }
  if (node.level === 0) yield* recordValues(recording, node)
  const record = nodeRecord(claim.link, verified, first, last)
  yield record
  return record
}

async function* recordValues(recording: Recording, leaf: Node): AsyncGenerator<CompleteRecord, void, undefined> {
  for (let i = 0; i < leaf.length; i++) {
    const value = leaf.value(i)
    if (isValueRef(value)) yield* recordValue(recording, value)
  }
}

/** The records that are missing of a value that stands out of line: one for each of its blocks, the root's last. */
async function* recordValue(recording: Recording, value: ValueRef): AsyncGenerator<CompleteRecord, void, undefined> {
  const { source, signal } = recording
  const verify = async (block: FileBlock): Promise<readonly Link[]> =>
    verifyHeldValueBlock(requireHeld(block.link, await source.get(block.link)), block)
  const isKnown = async (block: FileBlock): Promise<boolean> => {
    if (recording.isSeen(block)) return true
    const found = await source.getComplete(block.link)
    return found !== undefined && mayReuseValue(found, block)
  }
  let sinceTurn = 0
  for await (const block of walkFile(value, verify, { signal, isKnown })) {
    if (block.place.height === 0) {
      await verify(block)
      sinceTurn += block.place.size
    }
    if (sinceTurn >= BYTES_PER_TURN) {
      sinceTurn = 0
      await eventLoopTurn()
    }
    yield valueRecord(block.link, block.place)
    recording.see(block)
  }
}

/** The record of a node, of which `first` and `last` are the outer children; undefined for a leaf. */
export function nodeRecord(
  link: Link,
  { node, closed }: VerifiedNode,
  first: Pick<CompleteRecord, 'firstKey'> | undefined,
  last: Pick<CompleteRecord, 'spineClosed'> | undefined,
): CompleteRecord {
  return {
    link,
    level: node.level,
    entries: node.entries,
    bytes: node.totalBytes,
    firstKey: first?.firstKey ?? (node.length === 0 ? EMPTY_BYTES : node.key(0)),
    lastKey: node.lastKey ?? EMPTY_BYTES,
    spineClosed: closed && (last?.spineClosed ?? true),
  }
}

export function equalRecords(a: CompleteRecord, b: CompleteRecord): boolean {
  return (
    equalBytes(a.link, b.link) &&
    a.level === b.level &&
    a.entries === b.entries &&
    a.bytes === b.bytes &&
    equalBytes(a.firstKey, b.firstKey) &&
    equalBytes(a.lastKey, b.lastKey) &&
    a.spineClosed === b.spineClosed
  )
}

/** The record of a block of a value. Its `entries` are its height in the value's file: 0 for a raw block. */
export function valueRecord(link: Link, { size, height }: Pick<FilePlace, 'size' | 'height'>): CompleteRecord {
  const none = EMPTY_BYTES
  return { link, level: -1, entries: height, bytes: size, firstKey: none, lastKey: none, spineClosed: false }
}
