/**
 * When a pull leaves the root it fetches for a newer one (protocol.md, 10). Of an author who publishes faster than anybody
 * can fetch, a pull that always went to the newest root would never have one. So a target is given at least as long as the
 * pull had run when it began: there are as many targets as the time has doublings, and one of them is had in the end.
 */
export class TargetPatience {
  readonly #startedAt: number
  #since: number
  #targets = 0

  /** @param now milliseconds, as in all methods */
  constructor(now: number) {
    this.#startedAt = now
    this.#since = now
  }

  /** Targets so far. */
  get targets(): number {
    return this.#targets
  }

  /** When the present target began. */
  get since(): number {
    return this.#since
  }

  /** From when on the present target may be left for a newer one. At once, where nobody serves it any more. */
  get mayLeaveAt(): number {
    return this.#since + (this.#since - this.#startedAt)
  }

  begin(now: number): void {
    this.#targets++
    this.#since = now
  }
}
