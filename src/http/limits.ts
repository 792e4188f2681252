/** Bounds of HTTP exchanges, each with its reason. What a body may have is said by whoever asks; times are those of sync/limits.ts. */

/** A CDN in front of an object store redirects once, seldom twice. */
export const REDIRECTS_MAX = 4
/** Connections to one host: as many as requests that a session keeps under way. */
export const SOCKETS_PER_HOST_MAX = 4
/** An idle connection is kept for this long: the next root of a follower comes later. */
export const IDLE_SOCKET_MS = 30_000
/** The rest of a body that nobody wants is read when it is this short, so that the connection can be used again. */
export const DRAIN_BYTES_MAX: number = 16 * 1024
/** Response headers; Node's own bound, said here because it is relied upon. */
export const HEADER_BYTES_MAX: number = 16 * 1024
/** As long as addresses in general may name a peer (record.md, 4). */
export const URL_CHARS_MAX = 1024
