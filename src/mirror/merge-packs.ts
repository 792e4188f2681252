/**
 * Packs into fewer (mirror.md, 4). Batches are copied as they are, unless some of their blocks are not needed, or they are so
 * small that they are better joined. Every byte that is read is hashed against the name of its file, so a disk that changed
 * one does not spread it.
 */
import { createHash, type Hash } from 'node:crypto'
import { equalBytes } from '../bytes.ts'
import { eventLoopTurn } from '../event-loop.ts'
import { sha256 } from '../sha256.ts'
import { unpackBatch } from './batch-coding.ts'
import { BATCH_BYTES_SMALL, PACK_BYTES_FULL, PACK_RATIO } from './limits.ts'
import type { LocalPack } from './local-pack.ts'
import { PACK_HEAD_BYTES } from './pack-format.ts'
import type { PackWriter } from './pack-writer.ts'

/** Which blocks of a pack are needed, by its batches and their places. */
export type IsNeeded = (batch: number, place: number) => boolean

/**
 * How many of the newest packs are to be merged with `bytes` that are being added: so many that each that is left has
 * PACK_RATIO times the bytes of all newer ones. So there are few packs, and a byte is copied about as often as their sizes
 * double. Full ones stay as they are.
 *
 * @param sizes of the packs, newest first
 */
export function mergeCount(sizes: readonly number[], bytes: number, bytesFull: number = PACK_BYTES_FULL): number {
  let count = 0
  let newer = bytes
  for (const [i, size] of sizes.entries()) {
    if (size >= bytesFull / 2) break
    // Those before it go along: newer packs stay newer.
    if (size < PACK_RATIO * newer) count = i + 1
    newer += size
  }
  return count
}

/** Puts the needed blocks of `pack` that the writer does not have into it. @throws {CoppiceError} `STORE_CORRUPT`. */
export async function copyPack(
  pack: LocalPack,
  writer: PackWriter,
  isNeeded: IsNeeded,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hash = createHash('sha256')
  const digests = await pack.digests()
  hash.update(await pack.read(0, PACK_HEAD_BYTES))
  for (const [i, { start, end, foldedBytes }] of pack.batches.entries()) {
    signal?.throwIfAborted()
    const compressed = await pack.read(start, end)
    hash.update(compressed)
    const known = digests[i] ?? []
    const kept = known.map((digest, place) => isNeeded(i, place) && !writer.has(digest))
    const isSame = pack.entry.coding === writer.coding && foldedBytes >= BATCH_BYTES_SMALL
    if (isSame && !kept.includes(false)) await writer.addBatch(compressed, foldedBytes, known)
    else if (kept.includes(true)) await copyBlocks(pack, compressed, foldedBytes, kept, writer)
    await eventLoopTurn()
  }
  await requireSame(pack, hash)
}

/** The rest of the file is its index; then the hash has to be its name. */
async function requireSame(pack: LocalPack, hash: Hash): Promise<void> {
  const { bytes, id } = pack.entry
  hash.update(await pack.read(pack.batches.at(-1)?.end ?? PACK_HEAD_BYTES, bytes))
  if (!equalBytes(hash.digest(), id)) throw pack.damaged('other bytes')
}

async function copyBlocks(
  pack: LocalPack,
  compressed: Uint8Array,
  foldedBytes: number,
  kept: readonly boolean[],
  writer: PackWriter,
): Promise<void> {
  const blocks = await unpackBatch(compressed, pack.entry.coding, foldedBytes)
  for (const [place, bytes] of blocks.entries()) {
    if (kept[place] !== true) continue
    const digest = sha256(bytes)
    if (!writer.has(digest)) await writer.add(digest, bytes)
  }
}
