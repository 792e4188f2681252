/**
 * Packs (mirror.md, 3): where the parts of a file stand, and what they say. A pack is only read by ranges, so everything
 * has a place that follows from the few numbers a root file gives of it, and is checked against the file's length before
 * anything is asked for.
 *
 *     pack  = magic, coding, batch*, index, buckets, table
 *     index = (16 bytes of a digest, batch << 12 | place in the batch)*        ascending
 *     buckets = (entries of the index up to the end of each bucket)*           32 bits each, a power of two of them
 *     table = (length in the file, length when inflated)*                      32 bits each, one of each batch
 */
import { CoppiceError } from '../errors.ts'
import { BATCH_FOLDED_BYTES_MAX, BUCKET_BLOCKS, PACK_BYTES_MAX, PREFIX_BYTES } from './limits.ts'
import type { PackCoding, PackEntry } from './root-file.ts'

/** "coppice", and the coding's letter: for whoever finds the file. */
export const PACK_HEAD_BYTES = 8
export const INDEX_ENTRY_BYTES: number = PREFIX_BYTES + 4
const BUCKET_BYTES = 4
const TABLE_ENTRY_BYTES = 8
const PLACE_BITS = 12

/** Where the parts of a pack begin, in bytes. */
export interface PackLayout {
  readonly index: number
  readonly buckets: number
  readonly table: number
  readonly end: number
  /** A power of two. */
  readonly bucketCount: number
}

/** Where a block is found. */
export interface PackPlace {
  readonly batch: number
  /** Among the blocks of the batch. */
  readonly place: number
}

/** Where a batch stands in its file, and how long it is when it is inflated. */
export interface BatchPlace {
  readonly start: number
  readonly end: number
  readonly foldedBytes: number
}

export function encodePackHead(coding: PackCoding): Uint8Array {
  return new TextEncoder().encode(`coppice${coding === 'zstd' ? 'Z' : 'D'}`)
}

/** @throws {CoppiceError} `PEER_PROTOCOL` where the numbers contradict each other. */
export function layoutOf({ bytes, blocks, batches }: Pick<PackEntry, 'bytes' | 'blocks' | 'batches'>): PackLayout {
  const bucketCount = bucketCountOf(blocks)
  const table = bytes - batches * TABLE_ENTRY_BYTES
  const buckets = table - bucketCount * BUCKET_BYTES
  const index = buckets - blocks * INDEX_ENTRY_BYTES
  if (index < PACK_HEAD_BYTES + batches || batches > blocks) {
    throw malformed(`${blocks} blocks in ${batches} batches of a file of ${bytes} bytes`)
  }
  return { index, buckets, table, end: bytes, bucketCount }
}

export function bucketCountOf(blocks: number): number {
  let count = 1
  while (count * BUCKET_BLOCKS < blocks) count *= 2
  return count
}

/** The bucket of a digest: by its leading bits, at most 16 of which are ever needed. */
export function bucketOf(digest: Uint8Array, bucketCount: number): number {
  const leading = ((digest[0] as number) << 16) | ((digest[1] as number) << 8) | (digest[2] as number)
  return Math.floor((leading * bucketCount) / 0x1000000)
}

/**
 * Where each bucket ends, counted in entries of the index.
 * @throws {CoppiceError} `PEER_PROTOCOL` where it is no ascending sequence up to the number of blocks.
 */
export function decodeBuckets(bytes: Uint8Array, blocks: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ends = new Uint32Array(bytes.length / BUCKET_BYTES)
  let before = 0
  for (let i = 0; i < ends.length; i++) {
    const end = view.getUint32(i * BUCKET_BYTES)
    if (end < before || end > blocks) throw malformed(`bucket ${i} that ends at entry ${end} of ${blocks}`)
    ends[i] = before = end
  }
  if (before !== blocks) throw malformed(`buckets of ${before} entries where there are ${blocks}`)
  return ends
}

/**
 * Where each batch stands.
 * @throws {CoppiceError} `PEER_PROTOCOL` where they do not fill the file up to its index, or one is larger than any may be.
 */
export function decodeTable(bytes: Uint8Array, indexStart: number): BatchPlace[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let start = PACK_HEAD_BYTES
  const places = Array.from({ length: bytes.length / TABLE_ENTRY_BYTES }, (_, i) => {
    const length = view.getUint32(i * TABLE_ENTRY_BYTES)
    const foldedBytes = view.getUint32(i * TABLE_ENTRY_BYTES + 4)
    if (length < 1 || length > PACK_BYTES_MAX || foldedBytes < 1 || foldedBytes > BATCH_FOLDED_BYTES_MAX) {
      throw malformed(`batch ${i} of ${length} bytes, ${foldedBytes} when inflated`)
    }
    const place = { start, end: start + length, foldedBytes }
    start = place.end
    return place
  })
  if (start !== indexStart) throw malformed(`batches up to byte ${start} where the index begins at ${indexStart}`)
  return places
}

export function encodeTable(batches: readonly Pick<BatchPlace, 'start' | 'end' | 'foldedBytes'>[]): Uint8Array {
  const bytes = new Uint8Array(batches.length * TABLE_ENTRY_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [i, { start, end, foldedBytes }] of batches.entries()) {
    view.setUint32(i * TABLE_ENTRY_BYTES, end - start)
    view.setUint32(i * TABLE_ENTRY_BYTES + 4, foldedBytes)
  }
  return bytes
}

export function encodeBuckets(ends: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(ends.length * BUCKET_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [i, end] of ends.entries()) view.setUint32(i * BUCKET_BYTES, end)
  return bytes
}

/** The place of a digest among `entries`, whole entries of the index in order; undefined where it is not among them. */
export function findEntry(entries: Uint8Array, digest: Uint8Array): PackPlace | undefined {
  let low = 0
  let high = Math.floor(entries.length / INDEX_ENTRY_BYTES)
  while (low < high) {
    const middle = (low + high) >> 1
    const order = comparePrefix(entries, middle * INDEX_ENTRY_BYTES, digest)
    if (order === 0) return placeAt(entries, middle)
    if (order < 0) low = middle + 1
    else high = middle
  }
  return undefined
}

/** Where the block of entry `i` is. */
export function placeAt(entries: Uint8Array, i: number): PackPlace {
  const at = i * INDEX_ENTRY_BYTES + PREFIX_BYTES
  let packed = 0
  for (let j = at; j < at + 4; j++) packed = packed * 0x100 + (entries[j] as number)
  return { batch: packed >>> PLACE_BITS, place: packed & ((1 << PLACE_BITS) - 1) }
}

export function packPlace({ batch, place }: PackPlace): number {
  return ((batch << PLACE_BITS) | place) >>> 0
}

function comparePrefix(entries: Uint8Array, at: number, digest: Uint8Array): number {
  for (let i = 0; i < PREFIX_BYTES; i++) {
    const difference = (entries[at + i] as number) - (digest[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

export function malformed(got: string): CoppiceError {
  return new CoppiceError('PEER_PROTOCOL', `pack: expected one as mirror.md has it, got ${got}`)
}
