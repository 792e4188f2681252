/**
 * Who has what of the tree. A holder announced the root and has to have all of it. Of the others, those that can say what they
 * have are asked for that: they fetch the same tree, or have one like it. The rest is tried when no holder is left. What a peer
 * said that it has, it has to have.
 */
import {
  BLOCK_REQUESTS_PER_PEER,
  BUSY_MS_MAX,
  ELSEWHERE_MS_MAX,
  ELSEWHERE_WAIT_MS,
  HAVE_LINKS,
  HAVE_PAUSE_MS_MAX,
  HAVE_PAUSE_MS_MIN,
  PARTIAL_PATIENCE_MS,
} from '../limits.ts'
import type { DataRefused, Session } from '../peers/session.ts'
import type { Frontier } from './frontier.ts'
import type { Want } from './wants.ts'

interface Standing {
  /** It announced the root, and all of its tree. */
  isHolder: boolean
  /** It has parts of the tree, and can say which. */
  isAsked: boolean
  /** It does not serve the tree, and will not. */
  isGone: boolean
  isBeingAsked: boolean
  askNextAt: number
  pauseMs: number
  /** When it last had something to offer; undefined: never. */
  usefulAt: number | undefined
  readonly joinedAt: number
  /** Since when it gives nothing of what it offers. */
  refusesSince: number | undefined
  /** What it said that it has. */
  readonly offers: Set<Want>
  /** What it did not have when it was asked for it. */
  readonly lacks: WeakSet<Want>
  /** What it left to others: since when, and when to ask for it again. */
  readonly elsewhere: Map<Want, { readonly since: number; readonly until: number }>
}

export interface HoldingsOptions {
  /** Whether the peer announced the root. */
  readonly announced: (session: Session) => boolean
  /** What may be had is fetched: everybody is asked for it, and nobody has to have it. */
  readonly isSalvage: boolean
  /** What is fetched is served to others meanwhile: who begin at the same time, perhaps. */
  readonly isShared: boolean
  /** 0 <= n < 1. */
  readonly random: () => number
}

export class Holdings {
  readonly #standings = new Map<Session, Standing>()
  readonly #options: HoldingsOptions

  constructor(options: HoldingsOptions) {
    this.#options = options
  }

  /** Takes in a peer. */
  add(session: Session, now: number): void {
    const { announced, isSalvage } = this.#options
    const isHolder = session.status !== 'partial' && announced(session)
    this.#standings.set(session, {
      isHolder,
      isAsked: !isHolder && !isSalvage && session.getHave !== undefined,
      isGone: false,
      isBeingAsked: false,
      askNextAt: now,
      pauseMs: HAVE_PAUSE_MS_MIN,
      usefulAt: undefined,
      joinedAt: now,
      refusesSince: undefined,
      offers: new Set(),
      lacks: new WeakSet(),
      elsewhere: new Map(),
    })
  }

  #of(session: Session): Standing | undefined {
    return this.#standings.get(session)
  }

  /** Open sessions to peers that may have the tree, or parts of it. */
  *#open(): Generator<[Session, Standing], void, undefined> {
    for (const entry of this.#standings) if (entry[0].isOpen && !entry[1].isGone) yield entry
  }

  /** Whether the peer announced the root that is fetched, and all of it. */
  holds(session: Session): boolean {
    const standing = this.#of(session)
    return standing?.isHolder === true && !standing.isGone
  }

  isGone(session: Session): boolean {
    return this.#of(session)?.isGone === true
  }

  /** Whether some peers have parts of the tree, as they said, and had more of it not long ago. */
  isSwarm(now: number): boolean {
    for (const [{ status }, { isAsked, usefulAt, joinedAt }] of this.#open()) {
      if (!isAsked || (status !== 'partial' && usefulAt === undefined)) continue
      if (now - (usefulAt ?? joinedAt) < PARTIAL_PATIENCE_MS) return true
    }
    return false
  }

  /** Whether others may ask for what comes. */
  get isShared(): boolean {
    return this.#options.isShared
  }

  /** Whether some peers may come to have parts of the tree: as many may begin together. */
  get mayBecomeSwarm(): boolean {
    if (this.#options.isShared) return true
    for (const [{ status }, { isAsked }] of this.#open()) {
      if (isAsked && (status === 'partial' || status === 'empty')) return true
    }
    return false
  }

  /** Open sessions that may be asked for blocks: those that have to have them first; of others a "not here" is to be expected. */
  get askable(): Session[] {
    const open = [...this.#open()]
    const isAnybody = this.#options.isSalvage || !open.some(([, { isHolder }]) => isHolder)
    return open.filter(([, { isHolder, isAsked }]) => isAnybody || isHolder || isAsked).map(([session]) => session)
  }

  /** Whether there is a point in asking `session` for `want`. */
  mayHave(session: Session, want: Want): boolean {
    const standing = this.#of(session)
    if (standing === undefined) return false
    return standing.isAsked ? standing.offers.has(want) : !standing.lacks.has(want)
  }

  /** Whether there may be anything at all to ask `session` for. */
  mayHaveAny(session: Session): boolean {
    const standing = this.#of(session)
    if (standing?.isAsked !== true) return standing !== undefined
    for (const want of standing.offers) {
      if (!want.settled) return true
      standing.offers.delete(want)
    }
    return false
  }

  /** Peers with parts of the tree that offer it. */
  offering(want: Want): Session[] {
    const found: Session[] = []
    for (const [session, { offers }] of this.#open()) if (offers.has(want)) found.push(session)
    return found
  }

  /** "Not here". True: the peer has to have it, by its own word. */
  noteAbsent(session: Session, want: Want): boolean {
    const standing = this.#of(session)
    if (standing === undefined) return false
    standing.lacks.add(want)
    const isOffered = standing.offers.delete(want)
    return !this.#options.isSalvage && (standing.isHolder || isOffered)
  }

  /** The tree is not served there. One that is about to have it may be asked again. */
  noteGone(session: Session, now: number): void {
    const standing = this.#of(session)
    if (standing === undefined) return
    standing.offers.clear()
    if (standing.isAsked && (session.status === 'partial' || session.status === 'empty')) pause(standing, now)
    else standing.isGone = true
  }

  /**
   * It did not give what it was asked for. What it offered is left to it no longer, since saying so costs nothing: it is asked anew for
   * what it has. True: it has done nothing else for too long.
   */
  noteRefused(session: Session, wants: readonly Want[], answer: DataRefused, now: number): boolean {
    if (this.isLeft(session, answer)) return this.#noteElsewhere(session, wants, now)
    const standing = this.#of(session)
    if (standing?.isAsked !== true) return false
    standing.offers.clear()
    pause(standing, now)
    standing.refusesSince ??= now
    return now - standing.refusesSince >= BUSY_MS_MAX
  }

  /** Whether a holder left to others what it was asked for: it has other parts, which it may be asked for at once. */
  isLeft(session: Session, answer: DataRefused): boolean {
    return answer === 'elsewhere' && this.holds(session)
  }

  /** True: for too long. */
  #noteElsewhere(session: Session, wants: readonly Want[], now: number): boolean {
    const standing = this.#of(session)
    if (standing === undefined) return false
    for (const want of standing.elsewhere.keys()) if (want.settled) standing.elsewhere.delete(want)
    const until = now + ELSEWHERE_WAIT_MS * (1 + this.#options.random())
    let isTooLong = false
    for (const want of wants) {
      const since = standing.elsewhere.get(want)?.since ?? now
      isTooLong ||= now - since >= 2 * ELSEWHERE_MS_MAX
      standing.elsewhere.set(want, { since, until })
    }
    return isTooLong
  }

  /** Until when `session` has left the want to others; undefined where it has not. */
  elsewhereUntil(session: Session, want: Want): number | undefined {
    return this.#of(session)?.elsewhere.get(want)?.until
  }

  /** Whether what comes is of use to others who fetch the tree now, as far as is known. */
  isCrowd(now: number): boolean {
    if (this.isSwarm(now)) return true
    for (const [, { elsewhere }] of this.#open()) if (elsewhere.size > 0) return true
    return false
  }

  /** How many others fetch the tree, as far as is known. */
  get sharers(): number {
    let count = 0
    for (const [{ status }, { isAsked }] of this.#open()) if (isAsked && status === 'partial') count++
    return count
  }

  noteGave(session: Session): void {
    const standing = this.#of(session)
    if (standing !== undefined) standing.refusesSince = undefined
  }

  /** What to ask `session` about, which has nothing else to do: whole subtrees first. Undefined: not now. */
  toAskAbout(session: Session, frontier: Frontier, now: number): Want[] | undefined {
    const standing = this.#of(session)
    if (standing === undefined || !standing.isAsked || standing.isGone) return undefined
    if (standing.isBeingAsked || now < standing.askNextAt || session.openQuestions >= BLOCK_REQUESTS_PER_PEER) {
      return undefined
    }
    const subtrees: Want[] = []
    const others: Want[] = []
    for (const want of frontier.ready((each) => !standing.offers.has(each))) {
      if (want.level !== 0 && want.subtreeBytes !== undefined) subtrees.push(want)
      else others.push(want)
    }
    const wants = [...this.#turned(subtrees), ...this.#turned(others)].slice(0, HAVE_LINKS)
    if (wants.length === 0) return undefined
    standing.isBeingAsked = true
    return wants
  }

  /** From somewhere on, and round to there. */
  #turned(wants: readonly Want[]): Want[] {
    const start = Math.floor(this.#options.random() * wants.length)
    return [...wants.slice(start), ...wants.slice(0, start)]
  }

  /** The answer to that; undefined: busy, or gone with its peer. */
  noteHave(session: Session, wants: readonly Want[], has: readonly boolean[] | undefined, now: number): void {
    const standing = this.#of(session)
    if (standing === undefined) return
    standing.isBeingAsked = false
    for (const [i, want] of wants.entries()) {
      if (has?.[i] !== true) continue
      standing.offers.add(want)
      if (isRoot(want)) [standing.isHolder, standing.isAsked] = [true, false]
    }
    if (has?.includes(true) !== true) return pause(standing, now)
    standing.usefulAt = now
    standing.pauseMs = HAVE_PAUSE_MS_MIN
    standing.askNextAt = now + HAVE_PAUSE_MS_MIN
  }

  /** Whether the peer may soon have more of the tree than it said. */
  mayGetMore(session: Session, now: number): boolean {
    const standing = this.#of(session)
    if (standing === undefined || !standing.isAsked || standing.isGone || !session.isOpen) return false
    const { isBeingAsked, pauseMs, usefulAt, joinedAt } = standing
    if (isBeingAsked || pauseMs === HAVE_PAUSE_MS_MIN) return true
    return session.status === 'partial' && now - (usefulAt ?? joinedAt) < PARTIAL_PATIENCE_MS
  }
}

function isRoot({ level, subtreeBytes }: Want): boolean {
  return level === undefined && subtreeBytes !== undefined
}

function pause(standing: Standing, now: number): void {
  standing.pauseMs = Math.min(HAVE_PAUSE_MS_MAX, 2 * standing.pauseMs)
  standing.askNextAt = now + standing.pauseMs
}
