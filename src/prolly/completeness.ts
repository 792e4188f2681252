/**
 * Completeness records of a tree that is all here, bottom-up: what an author writes before signing a root, so that the
 * tree can be served, and a check that it can be (tree.md, 4, "Held is not verified"). Subtrees that already have a
 * record which fits their place are not read, so the cost is that of the new nodes. What is read is hashed: a disk that
 * changed a block since it was written must not be signed over.
 */
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader, CompleteRecord } from '../store/interface.ts'
import { EMPTY_BYTES } from '../bytes.ts'
import { type Format, FORMAT_1 } from './format.ts'
import { requireHeld } from './held-block.ts'
import { isValueRef, type Node } from './node.ts'
import type { TreeRef } from './tree-writer.ts'
import { childClaim, mayReuse, type NodeClaim, rootClaim, verifyHeldNode, verifyValue } from './verify.ts'

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
  yield* recordNode(source, rootClaim(ref), options.format ?? FORMAT_1, options.signal)
}

/** Yields what is missing below and at the claimed node; returns its own record, found or new. */
async function* recordNode(
  source: CompletenessSource,
  claim: NodeClaim,
  format: Format,
  signal: AbortSignal | undefined,
): AsyncGenerator<CompleteRecord, CompleteRecord, undefined> {
  signal?.throwIfAborted()
  const found = await source.getComplete(claim.link)
  if (found !== undefined && mayReuse(found, claim)) return found
  const bytes = requireHeld(claim.link, await source.get(claim.link))
  const { node, closed } = verifyHeldNode(bytes, claim, format)
  let first: CompleteRecord | undefined
  let last: CompleteRecord | undefined
  for (let i = 0; node.level > 0 && i < node.length; i++) {
    last = yield* recordNode(source, childClaim(node, i, claim), format, signal)
    first ??= last
  }
  if (node.level === 0) yield* recordValues(source, node)
  const record: CompleteRecord = {
    link: claim.link,
    level: node.level,
    entries: node.entries,
    bytes: node.totalBytes,
    firstKey: first?.firstKey ?? (node.length === 0 ? EMPTY_BYTES : node.key(0)),
    lastKey: node.lastKey ?? EMPTY_BYTES,
    spineClosed: closed && (last?.spineClosed ?? true),
  }
  yield record
  return record
}

async function* recordValues(source: CompletenessSource, leaf: Node): AsyncGenerator<CompleteRecord, void, undefined> {
  for (let i = 0; i < leaf.length; i++) {
    const value = leaf.value(i)
    if (!isValueRef(value) || (await source.getComplete(value.link)) !== undefined) continue
    verifyValue(requireHeld(value.link, await source.get(value.link)), value)
    yield valueRecord(value.link, value.size)
  }
}

/** The record of a value's block. */
export function valueRecord(link: Uint8Array, size: number): CompleteRecord {
  return { link, level: -1, entries: 0, bytes: size, firstKey: EMPTY_BYTES, lastKey: EMPTY_BYTES, spineClosed: false }
}
