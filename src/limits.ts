/**
 * Bounds that the engine and the network share. Those of the tree stand in prolly/format.ts, of signed roots in pointer/,
 * of the protocol in sync/limits.ts, of connections in net/limits.ts.
 */

/** One frame on a stream: a batch of blocks. Larger announcements end the stream before anything is allocated. */
export const FRAME_BYTES_MAX: number = 2 * 1024 * 1024
/** Blocks asked for in one request. */
export const REQUEST_LINKS_MAX = 256
/** A server stops filling one answer here, a client never asks for more. */
export const ANSWER_BYTES_MAX: number = 1024 * 1024
