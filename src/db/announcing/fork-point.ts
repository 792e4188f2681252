/**
 * Where two chains of one author were one: the newest root of the log here that a root found elsewhere goes on from. Peers that show
 * that root are asked for link proofs (record.md, 5), which its signed `history` proves, so that none of them has to be believed.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import { type Acceptance, type Authority, createFloor, type Frontier, type SignedRoot } from '../../pointer/index.ts'
import type { PeerSessions } from '../pulling/peer-sessions.ts'
import { RootLinks } from '../pulling/root-links.ts'
import { readHistory } from '../roots/history.ts'
import { readEntry } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'

export class CommonRoot {
  /** Hashes of the found root's history, to be kept where the chain goes on from it. */
  readonly learned: Map<string, Uint8Array> = new Map()
  readonly #state: DatabaseState
  readonly #peers: PeerSessions
  readonly #found: SignedRoot
  readonly #authority: Authority
  readonly #signal: AbortSignal | undefined

  constructor(
    state: DatabaseState,
    peers: PeerSessions,
    found: SignedRoot,
    authority: Authority,
    signal: AbortSignal | undefined,
  ) {
    this.#state = state
    this.#peers = peers
    this.#found = found
    this.#authority = authority
    this.#signal = signal
  }

  /**
   * The newest root up to `own`, the last one here, that the found one goes on from; undefined where they never were one. A question
   * for each halving of the log.
   * @throws {CoppiceError} `PUBLISH_REFUSED` where nobody can say: to guess could undo changes.
   */
  async find(own: SignedRoot): Promise<SignedRoot | undefined> {
    if (await this.#goesOnFrom(own)) return own
    let common: SignedRoot | undefined
    let [low, high] = [0, (await this.#state.logLength()) - 1]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const entry = await readEntry(this.#state, middle)
      if (entry !== undefined && (await this.#goesOnFrom(entry))) [low, common] = [middle + 1, entry]
      else high = middle
    }
    return common
  }

  /** The history below the found root: that below `base` continued, where it follows it, or else as peers show it. */
  async history(base: SignedRoot | undefined): Promise<Frontier | undefined> {
    const { payload } = this.#found
    const isNext = base !== undefined && base.payload.sequence === payload.sequence - 1
    await this.#judge(isNext ? base : undefined)
    return await readHistory((name) => this.learned.get(name) ?? this.#state.store.getMeta(name), payload)
  }

  async #goesOnFrom(entry: SignedRoot): Promise<boolean> {
    if (entry.payload.sequence >= this.#found.payload.sequence) return equalBytes(entry.link, this.#found.link)
    const isNamed = this.#found.payload.recent.some(({ link }) => equalBytes(link, entry.link))
    if (isNamed) return true
    const verdict = await this.#judge(entry)
    if (verdict.outcome === 'equivocation') return false
    if (verdict.outcome === 'accepted') {
      // Whoever ended a fork has joined what both tips had.
      if (verdict.link === 'linked' || verdict.link === 'resolved') return true
      if (verdict.link === 'superseded') return false
    }
    const [before, after] = [entry.payload.sequence, this.#found.payload.sequence]
    throw new CoppiceError(
      'PUBLISH_REFUSED',
      `recover: expected proof from some peer whether @${after} goes on from @${before}, got none; ` +
        'ask a peer that knows its history, or name the newest root that is in both',
      { details: { reason: 'history', sequence: after } },
    )
  }

  async #judge(entry: SignedRoot | undefined): Promise<Acceptance> {
    const { author, name } = this.#state
    const empty = createFloor(author, name)
    const floor = entry === undefined ? empty : { ...empty, accepted: { root: entry, link: 'first' as const } }
    const links = new RootLinks(this.#state, this.#peers.open, this.#signal)
    // One's own clock may be behind what was signed on another machine.
    const now = this.#found.payload.issued
    const verdict = await links.judge(floor, this.#found.bytes, { authority: this.#authority, now })
    for (const [key, hash] of links.learned) this.learned.set(key, hash)
    return verdict
  }
}
