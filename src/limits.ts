/**
 * Every bound that protects a process from what it is sent, with its reason. Bounds of the tree format itself stand in
 * prolly/format.ts and of the signed root in pointer/.
 */

/** One frame on a stream: a batch of blocks. Larger announcements end the stream before anything is allocated. */
export const FRAME_BYTES_MAX: number = 2 * 1024 * 1024
/** Blocks asked for in one request. */
export const REQUEST_LINKS_MAX = 256
/** A server stops filling one answer here, a client never asks for more. */
export const ANSWER_BYTES_MAX: number = 1024 * 1024
/** Answers a peer may owe us at once; yamux windows and frame readers are sized for it. */
export const OUTSTANDING_BYTES_MAX: number = 2 * 1024 * 1024
