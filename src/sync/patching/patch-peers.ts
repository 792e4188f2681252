/**
 * Who is asked for rows, and what became of it. A peer whose rows do not come to the tree is asked for no more of them, and is under
 * suspicion: whether it lied or the author's tree breaks a rule, only the blocks can tell (protocol.md, 16).
 */
import { copyBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { isCoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import { type Edit, equalValues, FORMAT_1, KEY_BYTES_MAX, type Tree, type Value } from '../../prolly/index.ts'
import { BUSY_WAIT_MS, PATCH_PAGE_ROWS_GOOD } from '../limits.ts'
import type { PatchPage, PatchQuestion, Session } from '../peers/session.ts'
import { patchBytes } from '../wire/index.ts'

/** A peer that is busy so often is not asked again: blocks can be had meanwhile. */
const BUSY_ANSWERS_MAX = 3
/** Pages that are neither the last, nor half full, nor of many rows: an honest peer sends such where rows are far apart. */
const CRUMBS_MAX = 16
/** The next row may not have had room. */
const ROW_BYTES_MAX: number = KEY_BYTES_MAX + FORMAT_1.inlineBytesMax

export interface PatchPeersOptions {
  readonly clock: Clock
  readonly random: () => number
  /** Whether the peer announced the root, so that it has the tree. */
  readonly holds: (session: Session) => boolean
  readonly signal: AbortSignal
  readonly wasteBytesMax: number
  /** Names of peers that are not asked; {@link PatchPeers.suspect} adds to them. */
  readonly suspects: Set<string>
}

/** What became of a peer's answers. */
export interface PatchUse {
  readonly rows: number
  readonly bytes: number
}

interface PeerState {
  isOut: boolean
  busyAnswers: number
  crumbs: number
  wasteBytes: number
  rows: number
  bytes: number
  suspicion: string | undefined
  /** Some of its rows that came to nothing. */
  readonly unproven: Edit<Value>[]
}

/** Rows of a peer that are compared with the tree in the end, where they could not be proven: any that is made up is found. */
const UNPROVEN_ROWS_MAX = 16

/** What a row counts at least that came to nothing: tiny ones bring a peer as much patience as large ones. */
const WASTED_ROW_BYTES_MIN = 64

export class PatchPeers {
  /** Pages that came, their rows, and the bytes of these. */
  readonly counts: { pages: number; rows: number; rowBytes: number } = { pages: 0, rows: 0, rowBytes: 0 }
  readonly #from: Link
  readonly #to: Link
  readonly #options: PatchPeersOptions
  readonly #states: ReadonlyMap<Session, PeerState>

  constructor(from: Link, to: Link, sessions: readonly Session[], options: PatchPeersOptions) {
    this.#from = from
    this.#to = to
    this.#options = options
    const able = sessions.filter(
      (session) => session.getPatch !== undefined && session.status !== 'partial' && options.holds(session),
    )
    this.#states = new Map(
      able.map((session) => [
        session,
        {
          isOut: options.suspects.has(session.name),
          busyAnswers: 0,
          crumbs: 0,
          wasteBytes: 0,
          rows: 0,
          bytes: 0,
          suspicion: undefined,
          unproven: [],
        },
      ]),
    )
  }

  /** Those that may be asked, in an order of chance. */
  get usable(): Session[] {
    const found = [...this.#states.keys()].filter((session) => this.isUsable(session))
    for (let i = found.length - 1; i > 0; i--) {
      const j = Math.floor(this.#options.random() * (i + 1))
      ;[found[i], found[j]] = [found[j] as Session, found[i] as Session]
    }
    return found
  }

  isUsable(session: Session): boolean {
    return session.isOpen && this.#states.get(session)?.isOut === false
  }

  /**
   * Peers whose rows are not those of the tree, once it is all here and keeps the rules, and what was wrong with them.
   * @throws {CoppiceError} `STORE_CORRUPT`, `BLOCK_MISSING` of the newer tree
   */
  async liars(from: () => Promise<Tree>, to: () => Promise<Tree>): Promise<Map<Session, string>> {
    const found = new Map<Session, string>()
    for (const [session, { suspicion, unproven }] of this.#states) {
      if (suspicion !== undefined) found.set(session, suspicion)
      else if (unproven.length > 0 && (await isMadeUp(unproven, from, await to()))) {
        found.set(session, 'sent rows that are not those of the tree')
      }
    }
    return found
  }

  /** Of each peer: rows that became part of the tree, and the bytes of these and of the nodes above them. */
  get used(): Map<Session, PatchUse> {
    return new Map([...this.#states].map(([session, { rows, bytes }]) => [session, { rows, bytes }]))
  }

  /** Undefined where the peer has no answer, now or at all. */
  async ask(
    session: Session,
    range: Pick<PatchQuestion, 'after' | 'until' | 'bytesMax'>,
  ): Promise<PatchPage | undefined> {
    const state = this.#states.get(session)
    if (state === undefined || state.isOut || session.getPatch === undefined) return undefined
    let answer
    try {
      answer = await session.getPatch({ from: this.#from, to: this.#to, ...range })
    } catch (error) {
      if (session.isOpen) throw error
      return undefined
    }
    if (answer === 'gone') state.isOut = true
    if (answer === 'busy') {
      if (++state.busyAnswers >= BUSY_ANSWERS_MAX) state.isOut = true
      await this.rest()
    }
    if (typeof answer === 'string') return undefined
    const bytes = patchBytes(answer)
    this.counts.pages++
    this.counts.rows += answer.keys.length
    this.counts.rowBytes += bytes
    const isSmall = bytes < range.bytesMax / 2 - ROW_BYTES_MAX && answer.keys.length < PATCH_PAGE_ROWS_GOOD
    if (isSmall && !answer.isLast && ++state.crumbs > CRUMBS_MAX) state.isOut = true
    return answer
  }

  /** A moment that differs from puller to puller. */
  async rest(): Promise<void> {
    const { clock, random, signal } = this.#options
    await clock.sleep(BUSY_WAIT_MS * (1 + random()), signal).catch(() => {})
  }

  /** The peer is of no more use here, and not at fault. */
  leave(session: Session): void {
    const state = this.#states.get(session)
    if (state !== undefined) state.isOut = true
  }

  suspect(session: Session, what: string): void {
    const state = this.#states.get(session)
    if (state === undefined) return
    state.isOut = true
    state.suspicion ??= what
    this.#options.suspects.add(session.name)
  }

  noteRows(session: Session, rows: number, bytes: number): void {
    const state = this.#states.get(session)
    if (state === undefined) return
    state.rows += rows
    state.bytes += bytes
  }

  /** A node of so many bytes was verified. */
  noteNode(session: Session, bytes: number): void {
    const state = this.#states.get(session)
    if (state !== undefined) state.bytes += bytes
  }

  /** Rows of the peer, of so many bytes, could not be made use of. */
  noteWaste(session: Session, rows: readonly Edit<Value>[], bytes: number): void {
    const state = this.#states.get(session)
    if (state === undefined) return
    const step = Math.max(1, Math.ceil(rows.length / UNPROVEN_ROWS_MAX))
    for (let i = 0; i < rows.length && state.unproven.length < UNPROVEN_ROWS_MAX; i += step) {
      const { key, value } = rows[i] as Edit<Value>
      // Copied: a row that is kept must not keep its page.
      state.unproven.push({ key: copyBytes(key), value: value instanceof Uint8Array ? copyBytes(value) : value })
    }
    state.wasteBytes += Math.max(bytes, rows.length * WASTED_ROW_BYTES_MIN)
    if (state.wasteBytes > this.#options.wasteBytesMax) state.isOut = true
  }
}

/** Whether some row is not so in the newer tree, or was so in the older one. */
async function isMadeUp(rows: readonly Edit<Value>[], from: () => Promise<Tree>, to: Tree): Promise<boolean> {
  for (const row of rows) if (!(await isSo(to, row)) || (await wasSo(from, row))) return true
  return false
}

async function isSo(tree: Tree, { key, value }: Edit<Value>): Promise<boolean> {
  const there = await tree.getValue(key)
  return there === undefined ? value === null : value !== null && equalValues(there, value)
}

/** Where the older tree is damaged here, nobody is blamed for it. */
async function wasSo(tree: () => Promise<Tree>, row: Edit<Value>): Promise<boolean> {
  try {
    return await isSo(await tree(), row)
  } catch (error) {
    if (isCoppiceError(error, 'STORE_CORRUPT') || isCoppiceError(error, 'BLOCK_MISSING')) return false
    throw error
  }
}
