/**
 * The numbers that decide bytes (tree.md, 1 to 4). Version 1 fixes them: changing one changes every root. Tests pass
 * smaller chunk numbers to get deep trees from few entries; nothing else may.
 */
import { FILE_FORMAT_1 } from '../unixfs/index.ts'

export interface Format {
  /** Chunk sizes cluster below 2^targetBits bytes: the scale of the boundary rule. */
  readonly targetBits: number
  /** No boundary before a chunk has this many encoded bytes. */
  readonly chunkBytesMin: number
  /** Always a boundary once a chunk has this many encoded bytes. */
  readonly chunkBytesMax: number
  /** A value of at most this many bytes stands inline in its leaf, a longer one in a block of its own. */
  readonly inlineBytesMax: number
}

export const FORMAT_VERSION = 1

export const FORMAT_1: Format = {
  targetBits: 12,
  chunkBytesMin: 1024,
  chunkBytesMax: 16384,
  inlineBytesMax: 1024,
}

export const KEY_BYTES_MAX = 1024
/** Bound before anything is hashed or decoded; the largest possible node of version 1 has 18,445 bytes. */
export const NODE_BYTES_MAX: number = 20 * 1024
export const LEVEL_MAX = 32
/** The longest value that is one raw block, as long as the leaf of a file; longer ones are UnixFS files. */
export const RAW_VALUE_BYTES_MAX: number = FILE_FORMAT_1.leafBytes
/** The longest value that is handed out whole; longer ones are read as a stream, so that a row of a scan cannot take all memory. */
export const LOADED_VALUE_BYTES_MAX: number = 64 * 1024 * 1024
