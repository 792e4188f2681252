/**
 * The rows that changed instead of the blocks (protocol.md, 16): before a tree is fetched, what can be rebuilt of it from the
 * replica's own older tree and a patch is put into the store as held blocks. A patch is a guess at blocks and no more: each subtree
 * that it makes is kept only where its link proves it, and the fetch that follows verifies all blocks in their places, records
 * them, and gets what is missing. So nothing here can make a tree wrong, and whatever fails here costs only what it received.
 */
import type { Clock } from '../../clock.ts'
import { isCoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import { type Format, FORMAT_1, NodeReader, Tree, type TreeRef } from '../../prolly/index.ts'
import type { Store } from '../../store/interface.ts'
import type { Session } from '../peers/session.ts'
import type { PatchEstimate, PatchReport, PullProgress } from '../report.ts'
import { isPatchWorthIt, partOf, touchedNodes } from './cost.ts'
import { PatchPeers, type PatchUse } from './patch-peers.ts'
import { PatchProgress, type Proven } from './patch-progress.ts'
import { PieceBuilder } from './piece-builder.ts'
import { PieceLanes } from './piece-lanes.ts'
import { type Piece, PieceWalk } from './piece-walk.ts'
import { type Probe, probePatch } from './probe.ts'
import { PATCH_SIZES, type PatchSizes, probeBytes } from './sizes.ts'

export interface PatchOptions {
  readonly clock: Clock
  /** 0 <= n < 1. */
  readonly random: () => number
  readonly signal?: AbortSignal | undefined
  /** Whether the peer of the session announced this very root. */
  readonly holds: (session: Session) => boolean
  /** Called at the start and as subtrees are proven. Must not throw. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  /** Names of peers that are asked for no rows, because of earlier ones; those whose rows do not come to the tree are added. */
  readonly suspects?: Set<string>
  /** Tests only: smaller chunks, smaller pieces. */
  readonly format?: Format
  readonly sizes?: Partial<PatchSizes>
}

/** What a patch came to, for the fetch that follows. */
export interface PatchOutcome {
  readonly report: PatchReport
  /**
   * Peers that lied, and what about: to be asked when the tree is all here, and so keeps the rules. Whether rows were wrong or the
   * tree was, nobody can tell before.
   */
  readonly liars: () => Promise<ReadonlyMap<Session, string>>
  /** Of each peer. */
  readonly used: ReadonlyMap<Session, PatchUse>
  readonly proven: Proven
}

/** Of a replica's store: the older tree is read, rebuilt nodes are written. */
export type PatchStore = Pick<Store, 'get' | 'getMany' | 'getComplete' | 'write'>

/** Nodes of the older tree in memory. */
const BASE_CACHE_BYTES = 8 * 1024 * 1024

/**
 * Rebuilds what it can of `target` from the complete tree `from` and rows of the sessions' peers.
 * @throws errors of the store as they are; the signal's reason. Damage of the older tree only ends the patch.
 */
export async function pullPatch(
  from: Link,
  target: TreeRef,
  sessions: readonly Session[],
  store: PatchStore,
  options: PatchOptions,
): Promise<PatchOutcome> {
  const signal = options.signal ?? new AbortController().signal
  signal.throwIfAborted()
  return await new PatchPull(from, target, sessions, store, options, signal).run()
}

export interface PatchPlan {
  readonly way: PatchReport['way']
  /** For people. */
  readonly reason: string
  /** Undefined where no rows came. */
  readonly estimate: PatchEstimate | undefined
  /** The rows that came are all. */
  readonly isExact: boolean
}

/** What {@link pullPatch} would do, by a first page of at most `probeBytesMax`. Writes nothing. @throws as it does. */
export async function planPatch(
  from: Link,
  target: TreeRef,
  sessions: readonly Session[],
  store: PatchStore,
  options: PatchOptions,
): Promise<PatchPlan> {
  const signal = options.signal ?? new AbortController().signal
  signal.throwIfAborted()
  return await new PatchPull(from, target, sessions, store, options, signal).plan()
}

class PatchPull {
  readonly #from: Link
  readonly #target: TreeRef
  readonly #store: PatchStore
  readonly #options: PatchOptions
  readonly #signal: AbortSignal
  readonly #format: Format
  readonly #sizes: PatchSizes
  readonly #peers: PatchPeers
  readonly #progress: PatchProgress
  #builder: PieceBuilder | undefined
  #estimate: PatchEstimate | undefined
  #given = 0
  #trips = 0

  constructor(
    from: Link,
    target: TreeRef,
    sessions: readonly Session[],
    store: PatchStore,
    options: PatchOptions,
    signal: AbortSignal,
  ) {
    this.#from = from
    this.#target = target
    this.#store = store
    this.#options = options
    this.#signal = signal
    this.#format = options.format ?? FORMAT_1
    this.#sizes = { ...PATCH_SIZES, ...options.sizes }
    const { clock, random, holds, onProgress, suspects = new Set() } = options
    const { wasteBytesMax } = this.#sizes
    this.#peers = new PatchPeers(from, target.root, sessions, {
      clock,
      random,
      holds,
      signal,
      wasteBytesMax,
      suspects,
    })
    this.#progress = new PatchProgress({ target, peers: this.#peers, onProgress })
  }

  async run(): Promise<PatchOutcome> {
    this.#progress.tell(0)
    return this.#outcome(...(await this.#decided(() => this.#run())))
  }

  async plan(): Promise<PatchPlan> {
    let isExact = false
    const [way, reason] = await this.#decided(async () => {
      const start = await this.#start()
      if (!('walk' in start)) return start
      const probe = await this.#probe(start)
      if (probe === undefined) return NO_ROWS
      isExact = probe.run.isWhole
      return isExact ? ALL_AT_ONCE : this.#isCheap(probe) ? ROWS_CHEAPER : BLOCKS_CHEAPER
    })
    return { way, reason, estimate: this.#estimate, isExact }
  }

  async #decided(decide: () => Promise<Decision>): Promise<Decision> {
    try {
      return await decide()
    } catch (error) {
      // The fetch finds it too, with the way from the root as evidence.
      if (isCoppiceError(error, 'TREE_MALFORMED')) return ['blocks', 'the tree breaks a rule']
      if (isCoppiceError(error, 'STORE_CORRUPT') || isCoppiceError(error, 'BLOCK_MISSING')) {
        return ['blocks', 'the older tree is damaged here']
      }
      throw error
    }
  }

  async #run(): Promise<Decision> {
    const start = await this.#start()
    if (!('walk' in start)) return start
    const { base, walk, first } = start
    const { pieceNodeBytesMax } = this.#sizes
    this.#builder = new PieceBuilder(base, this.#store, this.#format, pieceNodeBytesMax, this.#signal)
    for (;;) {
      const probe = await this.#probe(start)
      if (probe === undefined) return NO_ROWS
      const built = await this.#buildWhole(this.#builder, first, probe)
      if (built === 'done') return ALL_AT_ONCE
      if (built === 'wrong') continue
      if (!probe.run.isWhole && !this.#isCheap(probe)) {
        this.#peers.noteWaste(probe.run.session, probe.run.editsOf(first.claim), probe.run.bytes)
        return BLOCKS_CHEAPER
      }
      await this.#buildPieces(walk, this.#builder, first, probe)
      return this.#builder.counts.pieces > 0 ? ROWS_CHEAPER : NO_ROWS
    }
  }

  /** What is missing first, if rows are worth a question. */
  async #start(): Promise<Start | Decision> {
    const walk = new PieceWalk(this.#target, this.#store, this.#format, 1)
    this.#progress.walk = walk
    const first = await walk.next()
    if (first === undefined) return ['blocks', 'no node is missing']
    walk.putBack([first])
    if (this.#peers.usable.length === 0) return ['blocks', 'no peer answers questions about rows']
    const base = await this.#open(this.#from)
    if (isMostlyNew(base.ref, this.#target)) return ['blocks', 'most entries are new']
    return { walk, first, base }
  }

  #open(root: Link): Promise<Tree> {
    return Tree.open(new NodeReader(this.#store, BASE_CACHE_BYTES), root)
  }

  #isCheap({ estimate, run }: Probe): boolean {
    return isPatchWorthIt(estimate, run.bytes, this.#sizes.shareMax)
  }

  async #probe({ base, first: { claim } }: Start): Promise<Probe | undefined> {
    const { clock } = this.#options
    const after = claim.lower ?? null
    const bytesMax = probeBytes(this.#target.bytes, this.#sizes)
    const format = this.#format
    this.#trips++
    const probe = await probePatch(base, this.#target, this.#peers, {
      clock,
      signal: this.#signal,
      format,
      after,
      bytesMax,
    })
    this.#estimate = probe?.estimate ?? this.#estimate
    return probe
  }

  /** Where one page is all: the tree at once, without a look at its nodes. Undefined: it has to be done in pieces. */
  async #buildWhole(builder: PieceBuilder, root: Piece, { run }: Probe): Promise<'done' | 'wrong' | undefined> {
    if (root.claim.level !== undefined || !run.isWhole) return undefined
    const edits = run.editsOf(root.claim)
    const built = await builder.build(root, edits)
    if (built === 'costly') return undefined
    if (built === 'wrong') {
      this.#peers.suspect(run.session, 'sent rows that do not make the tree')
      return 'wrong'
    }
    const bytes = run.bytesOf(root.claim)
    this.#peers.noteRows(run.session, edits.length, bytes)
    this.#progress.notePiece(root, edits, bytes)
    this.#progress.tell(this.#trips)
    return 'done'
  }

  async #buildPieces(walk: PieceWalk, builder: PieceBuilder, first: Piece, probe: Probe): Promise<void> {
    const { clock } = this.#options
    const { shape, estimate, run: known } = probe
    const density = estimate.rows / Math.max(1, this.#target.entries)
    const rowBytesMean = estimate.rowBytes / Math.max(1, estimate.rows)
    const lanes = new PieceLanes({
      root: this.#target.root,
      walk,
      peers: this.#peers,
      progress: this.#progress,
      builder,
      store: this.#store,
      clock,
      signal: this.#signal,
      sizes: this.#sizes,
      known,
      isFresh: first.claim.level === undefined,
      likely: ({ claim }) => {
        const rows = density * claim.entries
        const nodes = touchedNodes(partOf(shape, claim.entries, claim.level), rows)
        return { rowBytes: rows * rowBytesMean, nodeBytes: nodes * shape.nodeBytes }
      },
    })
    try {
      await lanes.run()
    } finally {
      this.#given += lanes.counts.given
      this.#trips = Math.max(this.#trips, this.#trips - 1 + lanes.counts.trips)
    }
  }

  #outcome(way: PatchReport['way'], reason: string): PatchOutcome {
    const { counts, used } = this.#peers
    const { pieces, blocks, bytes } = this.#builder?.counts ?? { pieces: 0, blocks: 0, bytes: 0 }
    const report: PatchReport = {
      way,
      reason,
      estimate: this.#estimate,
      rows: counts.rows,
      rowBytes: counts.rowBytes,
      pages: counts.pages,
      subtreesRebuilt: pieces,
      subtreesLeft: this.#given,
      blocksRebuilt: blocks,
      bytesRebuilt: bytes,
      roundTrips: this.#trips,
    }
    const liars = (): Promise<Map<Session, string>> =>
      this.#peers.liars(
        () => this.#open(this.#from),
        () => this.#open(this.#target.root),
      )
    return { report, liars, used, proven: this.#progress.proven }
  }
}

type Decision = readonly [way: PatchReport['way'], reason: string]

const NO_ROWS: Decision = ['blocks', 'no peer sent rows that come to the tree']
const ALL_AT_ONCE: Decision = ['patch', 'all rows come with the first answer']
const ROWS_CHEAPER: Decision = ['patch', 'rows are likely to take fewer bytes than blocks']
const BLOCKS_CHEAPER: Decision = ['blocks', 'blocks are likely to take fewer bytes than rows']

interface Start {
  readonly walk: PieceWalk
  /** The first subtree that is missing. */
  readonly first: Piece
  readonly base: Tree
}

/** A replica that has next to nothing of it needs no look at rows. */
function isMostlyNew(base: TreeRef, target: TreeRef): boolean {
  return Math.abs(target.entries - base.entries) > 0.75 * Math.max(target.entries, base.entries)
}
