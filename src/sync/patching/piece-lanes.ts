/**
 * A patch too large to be believed at once: the newer tree's upper nodes are fetched and verified, and each subtree below them
 * is rebuilt from its own rows (protocol.md, 16). Runs of such subtrees are units of work; every peer has lanes that take one
 * at a time. What a lane could not end is taken by another, and what a slow one holds is asked for again by one that is idle.
 */
import type { Clock } from '../../clock.ts'
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { Block, Link } from '../../link.ts'
import type { Store } from '../../store/interface.ts'
import { Bell } from '../fetching/bell.ts'
import { BLOCK_REQUESTS_PER_PEER, HEDGE_AFTER_MS } from '../limits.ts'
import type { Blocks, DataRefused, Session } from '../peers/session.ts'
import { firstAnswer } from './first-answer.ts'
import type { PatchPeers } from './patch-peers.ts'
import type { PatchProgress } from './patch-progress.ts'
import type { PieceBuilder } from './piece-builder.ts'
import type { Piece, PieceWalk } from './piece-walk.ts'
import { RowRun } from './row-run.ts'
import type { PatchSizes } from './sizes.ts'

/** Upper nodes asked for in one question: each brings some 60 subtrees. */
const NODES_AT_ONCE = 32

export interface LaneOptions {
  readonly root: Link
  readonly walk: PieceWalk
  readonly peers: PatchPeers
  readonly progress: PatchProgress
  readonly builder: PieceBuilder
  readonly store: Pick<Store, 'write'>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly sizes: PatchSizes
  /** The rows of the first page. */
  readonly known: RowRun
  /** Nothing of the newer tree was here, so what is passed over has no rows: units go on behind it. */
  readonly isFresh: boolean
  /** What the rows of a subtree, and the nodes they make anew, likely take. */
  readonly likely: (piece: Piece) => { readonly rowBytes: number; readonly nodeBytes: number }
}

interface NodeAnswer {
  readonly session: Session
  readonly nodes: readonly Uint8Array[]
}

interface Unit {
  readonly pieces: readonly Piece[]
  takenAt: number
  /** Whose lanes work on it. */
  readonly holders: Set<Session>
  /** How often it was taken from somebody slow. */
  copies: number
}

export class PieceLanes {
  /** Subtrees left to blocks, and the longest chain of questions. */
  readonly counts: { given: number; trips: number } = { given: 0, trips: 0 }
  readonly #options: LaneOptions
  readonly #bell = new Bell()
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #over = new AbortController()
  readonly #waiting: Unit[] = []
  readonly #taken = new Set<Unit>()
  #known: RowRun | undefined
  #isLooking = false
  #isWalked = false
  #lanes = 0

  constructor(options: LaneOptions) {
    this.#options = options
    this.#known = options.known
  }

  /** Ends when all is rebuilt or left to blocks. @throws as the store and the tree do; the signal's reason. */
  async run(): Promise<void> {
    const { peers, signal, sizes } = this.#options
    const onAbort = (): void => this.#finished.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      signal.throwIfAborted()
      // Somebody may still owe the first page: with it there are no more questions than a peer may have.
      const sessions = peers.usable.map((session) => ({ session, open: session.openQuestions }))
      for (let i = 0; i < BLOCK_REQUESTS_PER_PEER; i++) {
        for (const { session, open } of sessions) {
          if (open + i < BLOCK_REQUESTS_PER_PEER && this.#lanes < sizes.lanesMax) void this.#runLane(session)
        }
      }
      if (this.#lanes === 0) return
      void this.#tick()
      await this.#finished.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#over.abort(new Error('the patch is over'))
      this.#bell.ring()
    }
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted
  }

  async #runLane(session: Session): Promise<void> {
    this.#lanes++
    try {
      while (!this.#isOver && this.#options.peers.isUsable(session)) {
        const unit = await this.#nextUnit(session)
        if (unit === undefined) break
        await this.#work(session, unit)
        this.#bell.ring()
      }
    } catch (error) {
      this.#finished.reject(error)
    } finally {
      // A lane that a slow peer holds keeps nobody: where nothing is left to do, the last of the others ends it all.
      if (--this.#lanes === 0 || this.#isDone) this.#finished.resolve()
      this.#bell.ring()
    }
  }

  get #isDone(): boolean {
    return this.#isWalked && this.#waiting.length === 0 && this.#taken.size === 0
  }

  /** Undefined where nothing is left for this peer. */
  async #nextUnit(session: Session): Promise<Unit | undefined> {
    while (!this.#isOver && !this.#isDone && this.#options.peers.isUsable(session)) {
      const unit = this.#waiting.shift() ?? this.#overdue(session)
      if (unit !== undefined) return this.#take(unit, session)
      if (this.#isLooking || this.#isWalked) {
        await this.#bell.wait()
        continue
      }
      this.#isLooking = true
      try {
        const found = await this.#look(session)
        if (found !== undefined) return this.#take(found, session)
      } finally {
        this.#isLooking = false
        this.#bell.ring()
      }
    }
    return undefined
  }

  #take(unit: Unit, session: Session): Unit {
    unit.takenAt = this.#options.clock.now()
    unit.holders.add(session)
    this.#taken.add(unit)
    return unit
  }

  /** A unit that another peer has had for long; each time after twice the time. */
  #overdue(session: Session): Unit | undefined {
    const now = this.#options.clock.now()
    for (const unit of this.#taken) {
      if (unit.holders.has(session) || now - unit.takenAt < HEDGE_AFTER_MS * 2 ** unit.copies) continue
      unit.copies++
      return unit
    }
    return undefined
  }

  /** The next run of subtrees that are small enough; undefined after a question about nodes, or at the end. */
  async #look(session: Session): Promise<Unit | undefined> {
    const { walk, sizes, isFresh, likely } = this.#options
    /** Either one or the other. */
    const pieces: Piece[] = []
    const large: Piece[] = []
    let rowBytes = 0
    for (let piece = await walk.next(); piece !== undefined; piece = await walk.next()) {
      const isLarge = this.#isLarge(piece)
      const before = pieces.at(-1)
      const isApart = before !== undefined && !isFresh && !isNeighbour(before, piece)
      const isOther = isLarge ? before !== undefined : large.length > 0
      if (isOther || isApart || rowBytes >= sizes.unitRowBytes || large.length >= NODES_AT_ONCE) {
        walk.putBack([piece])
        break
      }
      if (isLarge) large.push(piece)
      else pieces.push(piece)
      rowBytes += isLarge ? 0 : likely(piece).rowBytes
    }
    if (pieces.length > 0) return { pieces, takenAt: 0, holders: new Set(), copies: 0 }
    if (large.length > 0) await this.#expand(session, large)
    else this.#isWalked = true
    return undefined
  }

  /** Whether it is too much to be believed at once. Below level 1 are leaves, which are no pieces. */
  #isLarge(piece: Piece): boolean {
    const { sizes, likely } = this.#options
    const { level } = piece.claim
    if (level === undefined) return true
    const { rowBytes, nodeBytes } = likely(piece)
    return level > 1 && (rowBytes > sizes.unitRowBytes || nodeBytes > sizes.pieceNodeBytes)
  }

  /** Fetches and keeps the nodes of pieces, in whose place come those below. */
  async #expand(first: Session, pieces: readonly Piece[]): Promise<void> {
    const { walk, peers, progress, store, clock } = this.#options
    const links = pieces.map(({ claim }) => claim.link)
    const isFree = (session: Session): boolean => session !== first && session.openQuestions < BLOCK_REQUESTS_PER_PEER
    const others = [first, ...peers.usable.filter(isFree)]
    const ask = (session: Session): Promise<NodeAnswer | undefined> => this.#askNodes(session, links)
    const answer = await firstAnswer(() => others.shift(), ask, { clock, signal: this.#over.signal })
    if (answer === undefined) return walk.putBack(pieces)
    const { session, nodes } = answer
    const blocks: Block[] = []
    walk.putBack(pieces.slice(nodes.length))
    for (let i = nodes.length - 1; i >= 0; i--) {
      const piece = pieces[i] as Piece
      try {
        const block = walk.expand(piece, nodes[i] as Uint8Array)
        blocks.push(block)
        peers.noteNode(session, block.bytes.length)
        progress.noteNode(block.bytes.length)
        this.counts.trips = Math.max(this.counts.trips, piece.trips + 1)
      } catch (error) {
        if (!isCoppiceError(error, 'BLOCK_MISMATCH')) throw error
        walk.putBack([piece])
        session.fail('liar', `sent wrong bytes: ${error.message}`, error)
      }
    }
    if (blocks.length === 0) return
    await store.write({ blocks })
    progress.tell(this.counts.trips)
  }

  /** Nodes for the first of the links; undefined where the peer has none. */
  async #askNodes(session: Session, links: readonly Link[]): Promise<NodeAnswer | undefined> {
    const { peers, root } = this.#options
    if (!peers.isUsable(session)) return undefined
    let answer: Blocks | DataRefused
    try {
      answer = await session.getBlocks(root, links)
    } catch (error) {
      if (session.isOpen) throw error
      return undefined
    }
    if (answer === 'busy' || answer === 'elsewhere') await peers.rest()
    if (typeof answer === 'string') {
      if (answer === 'gone') peers.leave(session)
      return undefined
    }
    const nodes: Uint8Array[] = []
    for (const bytes of answer) {
      if (bytes === null) break
      nodes.push(bytes)
    }
    if (nodes.length < answer.length) peers.leave(session)
    return nodes.length > 0 ? { session, nodes } : undefined
  }

  /** Rebuilds what is left of a unit; gives it back where the peer could not bring it to its end. */
  async #work(session: Session, unit: Unit): Promise<void> {
    try {
      let run: RowRun | undefined
      for (const piece of unit.pieces) {
        if (piece.isDone) continue
        const known = this.#known?.covers(piece.claim) === true ? this.#known : undefined
        if (known !== undefined && (await this.#build(piece, known)) !== 'wrong') continue
        run ??= this.#begin(session, piece)
        if (!(await this.#fill(run, piece, unit))) return
        if (piece.isDone) {
          // It came to nothing, or another lane was faster.
          run = undefined
          continue
        }
        if ((await this.#build(piece, run)) === 'wrong') return
        if (piece.claim.last !== undefined) run.forget(piece.claim.last)
      }
    } finally {
      unit.holders.delete(session)
      if (unit.pieces.every((piece) => piece.isDone)) this.#taken.delete(unit)
      else if (unit.holders.size === 0 && this.#taken.delete(unit)) this.#waiting.push(unit)
    }
  }

  /** The peer's own first page may reach into the piece. */
  #begin(session: Session, { claim: { lower } }: Piece): RowRun {
    const known = this.#known
    const reaches = known?.session === session && known.to !== null && known.reaches(lower)
    return reaches ? known.from(lower) : new RowRun(session, lower ?? null)
  }

  /** Asks until the run has all rows of the piece. False: the peer has no answer, or the work is over. */
  async #fill(run: RowRun, piece: Piece, unit: Unit): Promise<boolean> {
    const { peers, sizes } = this.#options
    const end = unit.pieces.at(-1)?.claim
    const until = end === undefined || end.rightmost ? null : (end.last ?? null)
    let { trips } = piece
    while (!run.covers(piece.claim)) {
      if (piece.isDone) return true
      const bytesMax = Math.min(sizes.pieceRowBytesMax, Math.max(piece.claim.bytes, sizes.probeBytesMin))
      if (run.bytes >= bytesMax || run.rows >= sizes.pieceRowsMax) {
        this.#giveUp(piece, run)
        return true
      }
      const page = await peers.ask(run.session, { after: run.to, until, bytesMax: sizes.pageBytesMax })
      if (this.#isOver) return false
      if (page === undefined) {
        peers.noteWaste(run.session, run.editsOf(piece.claim), run.bytesOf(piece.claim))
        return false
      }
      run.append(page)
      this.counts.trips = Math.max(this.counts.trips, ++trips)
    }
    return true
  }

  #giveUp(piece: Piece, run: RowRun): void {
    piece.isDone = true
    this.counts.given++
    this.#options.peers.noteWaste(run.session, run.editsOf(piece.claim), run.bytesOf(piece.claim))
  }

  async #build(piece: Piece, run: RowRun): Promise<'done' | 'wrong'> {
    const { peers, progress, builder } = this.#options
    const edits = run.editsOf(piece.claim)
    const built = await builder.build(piece, edits)
    if (built === 'costly') this.#giveUp(piece, run)
    if (built === 'done') {
      const bytes = run.bytesOf(piece.claim)
      peers.noteRows(run.session, edits.length, bytes)
      progress.notePiece(piece, edits, bytes)
      progress.tell(this.counts.trips)
    }
    if (built !== 'wrong') return 'done'
    if (run === this.#known) this.#known = undefined
    peers.suspect(run.session, 'sent rows that do not make the tree')
    return 'wrong'
  }

  /** Wakes idle lanes, so that they see what others owe. */
  async #tick(): Promise<void> {
    while (!this.#isOver) {
      await this.#options.clock.sleep(HEDGE_AFTER_MS / 4, this.#over.signal).catch(() => {})
      this.#bell.ring()
    }
  }
}

function isNeighbour(before: Piece, { claim }: Piece): boolean {
  return before.claim.last !== undefined && claim.lower !== undefined && equalBytes(before.claim.last, claim.lower)
}
