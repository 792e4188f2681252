/** Lets a few answers be worked on at once, of each host fewer, and the others wait in the order in which they came. */

interface Waiting {
  readonly host: string
  readonly enter: () => void
}

export interface SlotLimits {
  readonly atOnce: number
  readonly perHost: number
  readonly waitingMax: number
}

export class AnswerSlots {
  readonly #limits: SlotLimits
  readonly #hosts = new Map<string, number>()
  readonly #waiting: Waiting[] = []
  #inside = 0

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  /** Answers under way. */
  get inside(): number {
    return this.#inside
  }

  /**
   * Resolves when it is the host's turn; what it gives ends that. Undefined, at once, where too many wait. Whoever goes away waits no
   * more. @throws the signal's reason.
   */
  async enter(host: string, signal?: AbortSignal): Promise<(() => void) | undefined> {
    signal?.throwIfAborted()
    if (!this.#hasRoom(host)) {
      if (this.#waiting.length >= this.#limits.waitingMax) return undefined
      await this.#wait(host, signal)
    } else {
      this.#count(host, 1)
    }
    let isInside = true
    return () => {
      if (isInside) this.#leave(host)
      isInside = false
    }
  }

  async #wait(host: string, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = { host, enter: resolve }
    const onAbort = (): void => {
      const at = this.#waiting.indexOf(waiting)
      if (at === -1) return
      this.#waiting.splice(at, 1)
      reject(signal?.reason)
    }
    this.#waiting.push(waiting)
    signal?.addEventListener('abort', onAbort, { once: true })
    await promise.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  #hasRoom(host: string): boolean {
    return this.#inside < this.#limits.atOnce && (this.#hosts.get(host) ?? 0) < this.#limits.perHost
  }

  #leave(host: string): void {
    this.#count(host, -1)
    const next = this.#waiting.findIndex((waiting) => this.#hasRoom(waiting.host))
    if (next === -1) return
    const [waiting] = this.#waiting.splice(next, 1)
    if (waiting === undefined) return
    // The place is taken before anybody else can look.
    this.#count(waiting.host, 1)
    waiting.enter()
  }

  #count(host: string, change: number): void {
    this.#inside += change
    const count = (this.#hosts.get(host) ?? 0) + change
    if (count === 0) this.#hosts.delete(host)
    else this.#hosts.set(host, count)
  }
}
