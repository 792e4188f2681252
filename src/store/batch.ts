/** What every store checks of a batch before the first byte is written, and how names of meta values look. */
import { isLink, type Link } from '../link.ts'
import type { WriteBatch } from './interface.ts'

/** Longest name of a meta value, in characters. LMDB's own bound for keys is 1978 bytes. */
const META_NAME_CHARS_MAX = 128

const META_NAME = /^[a-z0-9][a-zA-Z0-9._:/-]{0,127}$/

/** @throws {TypeError} where `name` is no name of a meta value. Stores keep names with a leading dot for themselves. */
export function validateMetaName(name: string): void {
  if (!META_NAME.test(name)) {
    throw new TypeError(
      `meta name: expected 1..${META_NAME_CHARS_MAX} of a-z A-Z 0-9 . _ : / -, got ${JSON.stringify(name.slice(0, 80))}`,
    )
  }
}

/**
 * Bytes of the blocks in `batch`, after checking its links and names. LMDB applies a batch entry by entry: one that
 * cannot be a key must be found before the first is queued.
 * @throws {TypeError}
 */
export function validateBatch(batch: WriteBatch): number {
  let bytes = 0
  for (const block of batch.blocks ?? []) {
    if (!isLink(block.link)) throw new TypeError('block: its link is not 36 bytes of a CID')
    bytes += block.bytes.length
  }
  for (const record of batch.complete ?? []) {
    if (!isLink(record.link)) throw new TypeError('completeness record: its link is not 36 bytes of a CID')
  }
  for (const link of batch.removeComplete ?? []) validateLink(link)
  for (const link of batch.removeBlocks ?? []) validateLink(link)
  for (const name of batch.meta?.keys() ?? []) validateMetaName(name)
  return bytes
}

/** @throws {TypeError} */
export function validateLink(link: Link): void {
  if (!isLink(link)) throw new TypeError('to be removed: a link is not 36 bytes of a CID')
}

/** @throws {RangeError} */
export function validateLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`limit: expected 1 or more, got ${limit}`)
}
