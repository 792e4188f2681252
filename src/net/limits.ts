/**
 * Bounds of the libp2p node, each with its reason. What one peer can make us hold: CHANNELS_PER_PEER_MAX times a stream
 * window, the unread frames and one partial frame.
 */

/**
 * What a peer may send on one stream before we read it. The default of 16 MiB makes a paused stream overrun libp2p's
 * 4 MiB read buffer, which resets it.
 */
export const STREAM_WINDOW_BYTES_MAX: number = 1024 * 1024
/** Frames read ahead of the channel's user; above it the stream is paused. */
export const UNREAD_BYTES_MAX: number = 512 * 1024
/** What send() takes before its promise waits. Some batches, so that the socket never runs dry between two turns. */
export const UNSENT_BYTES_MAX: number = 256 * 1024
/** Small frames are joined into writes of this size: each write costs a muxer frame, an encryption and a system call. */
export const WRITE_BATCH_BYTES: number = 64 * 1024

/** A peer that takes less than SEND_STALL_BYTES of what waits for it within this time is given up, as 2 KiB/s. */
export const SEND_STALL_MS = 30_000
export const SEND_STALL_BYTES: number = 64 * 1024
/** After our close() a peer that neither sends nor ends its side for this long is cut off. */
export const LINGER_MS = 30_000

/** Name resolution, TCP, noise, yamux and the stream's protocol together. */
export const DIAL_TIMEOUT_MS = 10_000
/**
 * A peer reached through a relay gets so long to come about directly: its own node begins that, and tries thrice for 5 s
 * each.
 */
export const UPGRADE_TIMEOUT_MS = 16_000
/** stop() lets channels that are closing flush for so long, and gives libp2p as much again. */
export const STOP_GRACE_MS = 2_000

/** Open channels of one peer, over all its connections. The next is reset. */
export const CHANNELS_PER_PEER_MAX = 16
/** Open incoming channels of all peers together. */
export const CHANNELS_MAX = 1_024
/** Connections, in both directions; libp2p's default is 300. */
export const CONNECTIONS_MAX = 512
/** Incoming connections of one host: a quarter, so that it takes several to keep everybody else out. */
export const CONNECTIONS_PER_HOST_MAX = 128
/**
 * Connections one host may open in a second before the rest are refused. libp2p's 5 hits everybody behind one address
 * translator, and every test on loopback.
 */
export const CONNECTIONS_PER_HOST_PER_SECOND_MAX = 100
/** Incoming connections that have not finished their handshake yet: of all hosts, and of one. Each has 10 s. */
export const HANDSHAKES_MAX = 256
export const HANDSHAKES_PER_HOST_MAX = 32
/** Streams of one connection, of any protocol (ours, identify, ping), negotiated or not. */
export const STREAMS_PER_CONNECTION_MAX = 64

/** How often idle connections are checked, and how long a busy peer may take to answer before it counts as gone. */
export const PING_INTERVAL_MS = 30_000
export const PING_TIMEOUT_MS = 30_000
