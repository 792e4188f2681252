/** How much a puller takes on faith at once when it applies patches, each bound with its reason (protocol.md, 16). */
import { ANSWER_BYTES_MAX } from '../../limits.ts'
import { PATCH_SHARE_MAX } from './cost.ts'

export interface PatchSizes {
  /** The first page, which decides on the way: an eighth of the signed bytes, within these bounds. */
  readonly probeBytesMin: number
  readonly probeBytesMax: number
  /** Any other page. */
  readonly pageBytesMax: number
  /** Rows that one peer is asked for in a row: a page, most often. */
  readonly unitRowBytes: number
  /** Rebuilt nodes that a subtree may be expected to take, which are in memory until its link proves them. */
  readonly pieceNodeBytes: number
  /** Rebuilt nodes and rows at which a subtree is left to blocks after all. */
  readonly pieceNodeBytesMax: number
  readonly pieceRowBytesMax: number
  /** And rows, since each takes up to 200 bytes of memory, however small it is on the wire. */
  readonly pieceRowsMax: number
  /** Rows of one peer that came to nothing, after which it is asked for no more. */
  readonly wasteBytesMax: number
  /** Lanes at once, over all peers, each with a unit of rows in memory. */
  readonly lanesMax: number
  /** Of the bytes as blocks, that rows may have. */
  readonly shareMax: number
}

const KIB = 1024

export const PATCH_SIZES: PatchSizes = {
  probeBytesMin: 16 * KIB,
  // 1,000 rows of 80 bytes three times over, so that most updates are one question.
  probeBytesMax: 256 * KIB,
  pageBytesMax: ANSWER_BYTES_MAX,
  unitRowBytes: 512 * KIB,
  pieceNodeBytes: 6 * KIB * KIB,
  pieceNodeBytesMax: 16 * KIB * KIB,
  pieceRowBytesMax: 2 * KIB * KIB,
  pieceRowsMax: 32 * KIB,
  wasteBytesMax: 2 * KIB * KIB,
  lanesMax: 8,
  shareMax: PATCH_SHARE_MAX,
}

/** What the first page may have of a tree of so many bytes. */
export function probeBytes(treeBytes: number, sizes: PatchSizes): number {
  return Math.max(sizes.probeBytesMin, Math.min(sizes.probeBytesMax, Math.floor(treeBytes / 8)))
}
