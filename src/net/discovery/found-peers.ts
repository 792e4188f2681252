/**
 * Peers that somebody on the network named just now: few, for a short time, and few of each machine that names them, so
 * that a flood of invented peers pushes out the flood and not the others (THREATS rows 12, 32).
 */

/** One address of each: where several are said, the last. */
interface Found {
  readonly address: string
  readonly source: string
  readonly at: number
}

export interface FoundLimits {
  readonly peersMax: number
  readonly perSourceMax: number
  readonly ttlMs: number
  /** Addresses that one search gives: whoever looks dials few of them. */
  readonly givenMax: number
}

/** A node answers at least every 10 s that somebody asks; after two minutes of silence it is gone. */
const LIMITS: FoundLimits = { peersMax: 128, perSourceMax: 16, ttlMs: 120_000, givenMax: 1024 }

export class FoundPeers {
  readonly #self: string
  readonly #limits: FoundLimits
  readonly #now: () => number
  /** By peer id, the ones heard of least recently first. */
  readonly #peers = new Map<string, Found>()
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  constructor(self: string, limits: Partial<FoundLimits> = {}, now: () => number = () => performance.now()) {
    this.#self = self
    this.#limits = { ...LIMITS, ...limits }
    this.#now = now
  }

  get size(): number {
    return this.#peers.size
  }

  /** Whether the peer is a new one, or is at a new address. `source`: the machine that named it. */
  add(peer: string, address: string, source: string): boolean {
    if (peer === this.#self || this.#isClosed) return false
    const before = this.#peers.get(peer)
    this.#expire()
    this.#peers.delete(peer)
    const ofSource = [...this.#peers].filter(([, found]) => found.source === source)
    if (ofSource.length >= this.#limits.perSourceMax) this.#drop(ofSource[0]?.[0])
    if (this.#peers.size >= this.#limits.peersMax) this.#drop(this.#peers.keys().next().value)
    this.#peers.set(peer, { address, source, at: this.#now() })
    if (before?.address === address) return false
    for (const wake of this.#waiting) wake()
    return true
  }

  /** Addresses, those known now and those still found, each once; until the signal aborts, or there were too many. */
  async *addresses(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const given = new Set<string>()
    while (!signal.aborted && !this.#isClosed && given.size < this.#limits.givenMax) {
      this.#expire()
      const next = [...this.#peers.values()].map(({ address }) => address).find((address) => !given.has(address))
      if (next === undefined) {
        await this.#change(signal)
        continue
      }
      given.add(next)
      yield next
    }
  }

  /** Ends all iterations. */
  close(): void {
    this.#isClosed = true
    for (const wake of this.#waiting) wake()
  }

  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
      if (signal.aborted) wake()
    })
  }

  #expire(): void {
    const before = this.#now() - this.#limits.ttlMs
    for (const [peer, { at }] of this.#peers) if (at < before) this.#peers.delete(peer)
  }

  #drop(peer: string | undefined): void {
    if (peer !== undefined) this.#peers.delete(peer)
  }
}
