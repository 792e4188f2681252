/**
 * Finds further peers while a pull runs, beside those it began with: those that discovery finds, and those that peers
 * name (protocol.md, 13). Each found address is dialled once, few in all, and the peer there says hello like any other;
 * it is trusted with nothing.
 */
import type { Clock } from '../../clock.ts'
import type { Dialing, Finding } from '../pulling/dialing.ts'
import { type HelloOptions, openSessions, type OpenOptions, type PeerReport, type Session } from '../../sync/index.ts'

/** Peers that one pull takes in beside those it began with: as many as bring it to the sum of their rates. */
export const FOUND_PEERS_MAX = 24
/** Of these, those that one peer named: it must not fill the pull with its own. */
export const NAMED_PER_PEER_MAX = 8
/** Dials that come to nothing, which cost time and help nobody. */
export const FOUND_FAILURES_MAX = 48
/** When peers are asked for others again, after the first time: all who clone at once begin by knowing nobody. */
const ASK_AFTER_MS: readonly number[] = [1_000, 4_000, 15_000]
const ASK_INTERVAL_MS = 60_000

/** Where peers are dialled, and how they are found. */
export interface FindingNetwork {
  readonly network: Pick<Dialing, 'dialer'>
  readonly finding: Finding
}

export interface FinderOptions extends OpenOptions {
  readonly clock: Clock
}

/** Given each peer that was found and has said hello. */
type OnSession = (session: Session) => void

export class PeerFinder {
  readonly #network: Pick<Dialing, 'dialer'>
  readonly #finding: Finding
  readonly #hello: HelloOptions
  readonly #options: FinderOptions
  /** Peer ids and addresses that were dialled. */
  readonly #seen = new Set<string>()
  readonly #namedBy = new Map<Session, number>()
  readonly #dials = new Set<Promise<void>>()
  #found = 0
  #failures = 0
  /** Those that came to nothing. */
  readonly failed: PeerReport[] = []

  /** `known`: addresses that the pull began with. */
  constructor(
    { network, finding }: FindingNetwork,
    hello: HelloOptions,
    known: readonly string[],
    options: FinderOptions,
  ) {
    this.#network = network
    this.#finding = finding
    this.#hello = hello
    this.#options = options
    for (const address of known) this.#note(address)
  }

  /** Hands over sessions with peers that discovery finds, until the signal aborts or there are enough. Never rejects. */
  async discover(onSession: OnSession, signal: AbortSignal): Promise<void> {
    try {
      for await (const address of this.#finding.find(this.#hello, signal)) {
        this.#dial(address, onSession, signal)
        if (this.#isEnough) return
      }
    } catch {
      // Without discovery there are still the peers that are known.
    }
  }

  /** Hands over sessions with peers that those of `sessions` name, asking them now and again, as {@link discover}. */
  async exchange(sessions: () => readonly Session[], onSession: OnSession, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const beganAt = clock.now()
    for (let round = 0; !signal.aborted && !this.#isEnough; round++) {
      await Promise.all(sessions().map((session) => this.#ask(session, onSession, signal)))
      const dueAt = beganAt + (ASK_AFTER_MS[round] ?? (round - ASK_AFTER_MS.length + 1) * ASK_INTERVAL_MS)
      await clock.sleep(Math.max(0, dueAt - clock.now()), signal).catch(() => {})
    }
  }

  /** Resolves when no dial is under way any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#dials)
  }

  /** Never rejects: a peer that names nobody is none the worse for it. */
  async #ask(session: Session, onSession: OnSession, signal: AbortSignal): Promise<void> {
    if (!session.isOpen || session.getPeers === undefined) return
    this.#seen.add(session.peer)
    try {
      const named = await session.getPeers(this.#finding.servedAt(this.#hello))
      if (typeof named === 'string') return
      for (const address of await this.#finding.judge(session.peer, named, signal)) {
        const count = this.#namedBy.get(session) ?? 0
        if (count >= NAMED_PER_PEER_MAX || this.#isEnough) return
        if (this.#dial(address, onSession, signal)) this.#namedBy.set(session, count + 1)
      }
    } catch {
      // The session has ended; its own user knows why.
    }
  }

  get #isEnough(): boolean {
    return this.#found >= FOUND_PEERS_MAX || this.#failures >= FOUND_FAILURES_MAX
  }

  /** Whether it is a new one. */
  #dial(address: string, onSession: OnSession, signal: AbortSignal): boolean {
    if (this.#isEnough || !this.#note(address)) return false
    // Counted before it is there: dials under way are bounded, too.
    this.#found++
    const dialling = this.#open(address, onSession, signal).finally(() => this.#dials.delete(dialling))
    this.#dials.add(dialling)
    return true
  }

  async #open(address: string, onSession: OnSession, signal: AbortSignal): Promise<void> {
    try {
      const dialer = await this.#network.dialer(address)
      const { sessions, failed } = await openSessions([dialer], this.#hello, { ...this.#options, signal })
      const [session] = sessions
      if (session !== undefined) return onSession(session)
      this.failed.push(...failed)
    } catch {
      // Aborted, or no address: nothing was promised.
    }
    this.#found--
    this.#failures++
  }

  /** Whether neither the address nor its peer was known. */
  #note(address: string): boolean {
    const peer = /\/p2p\/([A-Za-z0-9]+)$/.exec(address)?.[1]
    if (this.#seen.has(address) || (peer !== undefined && this.#seen.has(peer))) return false
    this.#seen.add(address)
    if (peer !== undefined) this.#seen.add(peer)
    return true
  }
}
