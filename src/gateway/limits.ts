/** Bounds of the HTTP server, each with its reason. Those of the client stand in http/limits.ts. */

/** Connections at once, and of one host: a quarter, so that it takes several to keep everybody else out. */
export const CONNECTIONS_MAX = 256
export const CONNECTIONS_PER_HOST_MAX = 64
/** A request has a path, a host and a few headers; those of browsers have 1 to 2 KiB. */
export const REQUEST_HEADER_BYTES_MAX: number = 8 * 1024
export const URL_CHARS_MAX = 1024
/** From a connection to a whole request, and from one to the next. */
export const REQUEST_TIMEOUT_MS = 10_000
export const KEEP_ALIVE_MS = 15_000
/** How often these times are looked at. */
export const TIMEOUT_CHECK_MS = 2_000

/** Answers of one block being read and sent at once, each at most 1 MiB in memory; the others wait their turn. */
export const ANSWERS_AT_ONCE = 32
export const ANSWERS_PER_HOST = 8
export const ANSWERS_WAITING_MAX = 512
/** Archives being sent at once. They take long, so nobody waits for one. */
export const ARCHIVES_AT_ONCE = 16
export const ARCHIVES_PER_HOST = 4
/** What one archive remembers so that equal values come once: some 8 MiB. */
export const SEEN_VALUES_MAX: number = 64 * 1024
/** With repetitions asked for: a file of five blocks may stand for 4 PiB. */
export const REPEATING_BYTES_MAX: number = 4 * 1024 * 1024 * 1024

/** Bodies go out in pieces; a reader that takes less than one in this time is given up, as 2 KiB/s (net/limits.ts). */
export const SEND_PIECE_BYTES: number = 64 * 1024
export const SEND_STALL_MS = 30_000
/** A server that is closed lets answers end for so long. */
export const STOP_GRACE_MS = 1_000

/** Signed roots whose head blocks are served, newest first: those announced here lately. */
export const HEADS_MAX = 16
