/**
 * Bounds of the sync protocol, each with its reason (protocol.md, 11). Those of the wire are part of the protocol: a
 * peer beyond one is at fault. Those of time are this implementation's own patience.
 */

export const PROTOCOL_VERSION = 1

/** The largest request, 256 links, has 10 KiB: anything longer is refused before it is decoded. */
export const REQUEST_FRAME_BYTES_MAX: number = 16 * 1024
/** A signed root has at most 996 bytes (record.md, 1); the rest is room for later versions. */
export const SIGNED_ROOT_BYTES_MAX = 2048
/** Statements of a hello, welcome, root or tell: one piece of evidence (6 KiB) and 32 rotations (5 KiB). */
export const STATEMENTS_BYTES_MAX: number = 12 * 1024
/** All that travels beside a signed root: 1,024 rotations have 167 KB, envelopes and evidence 10. */
export const ATTACHMENTS_BYTES_MAX: number = 256 * 1024
/** Signed roots asked for by name at once: those that one root names as recent, and as the tips of a fork, and as many again. */
export const PAYLOADS_MAX = 16
export const NAME_CHARS_MAX = 48
/** Answers with less data are sent as they are: it is not worth the work. */
export const PACK_BYTES_MIN = 1024
/** A packed answer is shorter than its data by this part of them: less is not worth the work on both sides. */
export const PACK_GAIN_MIN: number = 1 / 8
/** Where packing does not help, an answer out of so many is tried all the same: what comes later may be of another kind. */
export const PACK_SKIPS_MAX = 31
/** By so much may an answer get longer when it is folded: the numbers of as many blocks as one has. */
export const FOLDED_EXTRA_BYTES_MAX: number = 8 * 1024
/** Packings that a hello may name: more than there will be. */
export const PACKINGS_MAX = 8
/** Blocks of an answer to a range: one of 1 MiB has about 280, and as many as 1,024 where each is as small as chunks get. */
export const RANGE_BLOCKS_MAX = 1024
/** Blocks that a provider reads for one such answer, those of the base included: some 30 ms of work. */
export const RANGE_READS_MAX: number = 4 * RANGE_BLOCKS_MAX
/** Rows of a patch's answer: as many as fit 1 MiB where each has 64 bytes. */
export const PATCH_ROWS_MAX: number = 16 * 1024
/**
 * A page of a patch with so many rows is no crumb, however few bytes they have: one that ends because of the nodes read for it
 * (PATCH_NODES_PER_PAGE) has 1,300 where a tree has a thousand million.
 */
export const PATCH_PAGE_ROWS_GOOD = 1024
/** Addresses that a puller says of itself, and that a provider gives. */
export const ADDRESSES_OWN_MAX = 8
export const ADDRESSES_GIVEN_MAX = 32
/** A provider holds back the answer to a waiting root request for at most this long. */
export const WAIT_MS_MAX = 30_000
/** Requests for blocks one puller keeps under way per peer: one being answered while one travels. */
export const BLOCK_REQUESTS_PER_PEER = 2

/** From the opened channel to the peer's first frame. */
export const HELLO_TIMEOUT_MS = 10_000
/** Once one peer has said hello, the others get this long: the newest root is wanted, one dead peer must not delay every pull. */
export const STRAGGLER_MS = 2_000
/** Dials under way at once: as many as an address may name, so that peers that never answer do not hold up the next. */
export const DIALS_MAX = 32

/** How long a peer may owe an answer without sending anything, or send less than the minimum rate. */
export const PATIENCE_MS = 10_000
/** Below it a peer does more harm than good: a clone of 100 MiB would take half an hour. */
export const RATE_BYTES_PER_SECOND_MIN: number = 64 * 1024
/** What each answer is allowed besides its bytes: a round trip over a bad line. */
export const ANSWER_ALLOWANCE_MS = 1_000
/** How often patience is counted. */
export const WATCH_INTERVAL_MS = 1_000

/** Work that one peer owes for this long is also given to an idle one; what that one owes for twice as long, to a third, and so on. */
export const HEDGE_AFTER_MS = 1_000
/** The first question to a peer, of which nothing is known, has about so many bytes: half a second at 256 KiB/s. */
export const FIRST_QUESTION_BYTES: number = 128 * 1024
/** A question takes its peer about so long: what has to be done over when it fails, and waited for at the end. */
export const QUESTION_MS = 500
/** No question is made smaller than this for the sake of sharing work. */
export const QUESTION_BYTES_MIN: number = 32 * 1024
/**
 * Where others fetch the same tree, whoever has all of it is asked for this part of the tree at once for each of them: if all were to
 * ask for the same part, it would send little more than the tree.
 */
export const SWARM_PARTS = 64
/** And only when none of the others has brought anything for this long: what it gave before is being passed on meanwhile. */
export const SPARED_MS = 2_000
/** Nor for what one of the others owes, before that has taken so long. */
export const SPARED_DEBT_MS = 5_000
/**
 * What those who have parts of the tree may owe together: each serves many, and a question that waits behind those of all
 * others makes its peer look slow.
 */
export const SWARM_OWED_BYTES_MAX: number = 512 * 1024
/** After so long it counts no longer, so that slow peers hold up nobody; nor is it a reason not to ask whoever has all. */
export const SWARM_PATIENCE_MS = 10_000
/** A peer that has parts of the tree is asked for which when it has nothing else to do: after so long, and at most so long when it had nothing new. */
export const HAVE_PAUSE_MS_MIN = 250
export const HAVE_PAUSE_MS_MAX = 1_000
/** Subtrees one such question is about. */
export const HAVE_LINKS = 128
/** A peer that has parts of the tree is waited for this long to get more of it, where nobody else is left. */
export const PARTIAL_PATIENCE_MS = 30_000

/** How long a busy peer is left alone, plus up to as much again at random. */
export const BUSY_WAIT_MS = 500
/** A peer that has said so for this long, and nothing else, is given up. */
export const BUSY_MS_MAX = 60_000

/** Waiting for roots: a peer is listened to once in this time when it always has news, and in the other when it has none and says so early. */
export const NEWS_INTERVAL_MS = 1_000
export const NO_NEWS_PAUSE_MS = 5_000

/** Verified blocks in memory before they are written; as many again may be on their way into the store. */
export const WRITE_BYTES_MAX: number = 2 * 1024 * 1024
/** Blocks and answers handled before other tasks of the process get a turn. */
export const BYTES_PER_TURN: number = 1024 * 1024
/** What a request counts besides the data of its answer: 256 lookups that come to nothing take some ms. */
export const REQUEST_WORK_BYTES: number = 64 * 1024
/** Blocks known to be missing and waiting to be asked for: enough for two requests of several peers. */
export const READY_BLOCKS_MAX = 4096
/**
 * Places that wait for a block which another place has asked for. An author may let any number of rows refer to one value,
 * and each place keeps its leaf in memory until the value is here.
 */
export const SHARED_PLACES_MAX = 4096
/**
 * Internal nodes asked for and not yet here. Each brings up to 360 children (80 as a rule), so this bounds what has to
 * be remembered, whatever the size of the tree.
 */
export const INTERNAL_NODES_MAX = 128
/** Internal nodes known to be missing where subtrees are fetched in random order: enough to have some in common with any other replica. */
export const SCATTERED_NODES_MAX = 2048

/** Answers being read from the store at once, over all channels, and channels waiting for their turn at it. */
export const ANSWERS_AT_ONCE = 4
export const ANSWERS_WAITING_MAX = 256
/**
 * Pages of patches are made one at a time: each reads many nodes for its few bytes, half a second of work at most. So many wait that the
 * last is answered within a puller's patience; who is told to come later finds the page made.
 */
export const PATCHES_AT_ONCE = 1
export const PATCHES_WAITING_MAX = 16
/**
 * Nodes read for a page of a patch before it ends, some 30 MB. 1,000 rows that are changed here and there in a million take
 * 2,900, in ten million 4,200. Twice as many without a row, and the patch is refused.
 */
export const PATCH_NODES_PER_PAGE = 8192
/** Pages of patches that are kept for the next replica that asks. */
export const PATCH_CACHE_BYTES: number = 16 * 1024 * 1024
/** Channels served at once, each holding at most one answer of 1 MiB. */
export const CHANNELS_MAX = 256
/** A channel that asks nothing and waits for no root for this long gives way when a new one needs its place. */
export const IDLE_MS = 60_000
/** Tells of one channel that are looked at: a burst, and one more each interval. Signature checks cost 2 ms. */
export const TELLS_BURST = 4
export const TELL_INTERVAL_MS = 10_000

/** So many who serve what they fetch are a crowd: for two, two copies are sent at most. */
export const CROWD_PEERS_MIN = 3
/**
 * A part of the tree that was sent to one who serves is left to him for so long, to two for twice as long, and so on: until 50 replicas
 * that share two cores have passed it on.
 */
export const SPREAD_MS = 12_000
/** But nobody is refused it for longer than this. */
export const ELSEWHERE_MS_MAX = 60_000
/** Whoever was refused a part asks for it again after so long, plus up to as much again at random. */
export const ELSEWHERE_WAIT_MS = 2_000
/** Parts whose refusal to one channel is remembered: no more are refused. */
export const ELSEWHERE_WAITS_MAX = 512
/** Parts of which is remembered to whom they were sent: those of 4 GiB where each is what is above some 80 leaves. */
export const PARTS_SENT_MAX: number = 16 * 1024
