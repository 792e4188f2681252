/**
 * Bounds of mirrors, each with its reason (mirror.md, 5). Those of the format are checked by every reader, whatever wrote the
 * files; those of exporting and reading are this implementation's own choices.
 */

import { FOLDED_EXTRA_BYTES_MAX, RANGE_BLOCKS_MAX } from '../sync/limits.ts'

// The format

/** As many packs as a mirror of 250 GiB has, with a few hundred bytes of signed roots: read at every look for news. */
export const ROOT_FILE_BYTES_MAX: number = 512 * 1024
/** The newest, and those that a payload names as recent (record.md, 1). */
export const ROOTS_MAX = 5
export const PACKS_MAX = 4096
/** What stands beside the newest root (record.md, 7): together they leave room for as many packs as there may be. */
export const ATTACHMENTS_MAX = 16
export const ATTACHMENT_BYTES_MAX: number = 96 * 1024
/** A pack's file. A server that knows no ranges sends it as a whole, so it has to fit memory. */
export const PACK_BYTES_MAX: number = 64 * 1024 * 1024
/** Of one pack: its index has at most 5 MiB. */
export const PACK_BLOCKS_MAX: number = 256 * 1024
/** Blocks of a batch, together. One block may have as much. */
export const BATCH_DATA_BYTES_MAX: number = 1024 * 1024
/** What is inflated at once: the blocks folded, which are seldom longer for it. */
export const BATCH_FOLDED_BYTES_MAX: number = BATCH_DATA_BYTES_MAX + FOLDED_EXTRA_BYTES_MAX
/** Blocks of one batch: as many as are folded together. */
export const BATCH_BLOCKS_MAX: number = RANGE_BLOCKS_MAX
/** Bytes of a digest in the index. Two that begin alike cost 2^64 hashes to find, so no data makes a mirror look like a liar. */
export const PREFIX_BYTES = 16
/** Digests of one bucket of the index, at most about: 5 KiB are read to find one. */
export const BUCKET_BLOCKS = 256

// Exporting

/** Blocks of a batch, together: what is read too much for one block, against what small batches lose in compression. */
export const BATCH_BYTES: number = 512 * 1024
/** From so many on, a batch of leaves is ended where the next subtree begins, as a rule every 320 KiB: subtrees are fetched in any order. */
export const BATCH_BYTES_PARTED: number = 128 * 1024
/** A batch below this is joined with others when packs are merged. */
export const BATCH_BYTES_SMALL: number = 64 * 1024
/** A pack is ended here, and never merged again. */
export const PACK_BYTES_FULL: number = 32 * 1024 * 1024
/** A pack is merged into newer ones until it has this many times their bytes, so that there are few and each byte is copied seldom. */
export const PACK_RATIO = 2
/** Pruning writes a pack anew where less of it is needed than this share of its blocks. */
export const PRUNE_LIVE_SHARE = 0.5
/** Values of a state that may stand in several places are remembered, as long as there are no more. */
export const SEEN_VALUES_MAX = 65_536

// Reading

/** Ranges of a file that are closer than this are asked for as one: it costs less than a round trip. */
export const GAP_BYTES_MAX: number = 64 * 1024
/** Of one range request. */
export const RANGE_BYTES_MAX: number = 4 * 1024 * 1024
/** A pack of no more than this is asked for as a whole. */
export const WHOLE_PACK_BYTES: number = 256 * 1024
/** An index of no more than this is asked for as a whole. */
export const WHOLE_INDEX_BYTES: number = 512 * 1024
/** Compressed batches kept. */
export const BATCH_CACHE_BYTES: number = 16 * 1024 * 1024
/** Indexes kept: those of a database of 100 GiB, or 20 bytes for each block. */
export const INDEX_CACHE_BYTES: number = 32 * 1024 * 1024
/** How often a pack is taken from a server that sends it whole for each range. */
export const WHOLE_PACK_READS_MAX = 3
/**
 * What a mirror may send of a tree, as a multiple of its signed bytes, and more: batches that are read for a block each, indexes of
 * packs that were never pruned, packs that come whole. THREATS row 9.
 */
export const RECEIVED_PER_TREE_BYTE = 8
export const RECEIVED_BYTES_MIN: number = 128 * 1024 * 1024
