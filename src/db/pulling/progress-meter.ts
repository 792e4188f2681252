/**
 * How fast a pull goes, and how long it will take: from verified bytes that came, against what the signed total still
 * lacks. What was here before is no speed. It says nothing as long as it would be guessing: before enough has come, where
 * nothing comes, and where the tree turns out to be mostly here, so that nobody knows how much of the rest is.
 */

/** Over how long the speed is taken: long enough to be steady, short enough to follow the line. */
const WINDOW_MS = 15_000
/** And over at least so many arrivals: a slow peer sends 1 MiB at a time, every quarter of a minute. */
const ARRIVALS_MIN = 8
/** What comes within this time is one arrival. */
const ARRIVAL_MS = 250
/** No speed is told of less time. */
const MEASURED_MS_MIN = 3_000
/** Where nothing has come for so long, the last speed says nothing of the rest. */
const STALLED_MS = 30_000

interface Arrival {
  readonly at: number
  /** Bytes so far. */
  readonly fetched: number
  readonly here: number
}

export class ProgressMeter {
  /** From the beginning of the window on, and at least one before it. */
  readonly #arrivals: Arrival[]
  /** Of targets that were left. */
  #fetchedBefore = 0
  #hereBefore = 0
  #fetched = 0
  #here = 0

  /** @param now milliseconds, as in all methods */
  constructor(now: number) {
    this.#arrivals = [{ at: now, fetched: 0, here: 0 }]
  }

  /** Another target: what follows counts anew, and what has come of the last is here now. */
  retarget(): void {
    this.#fetchedBefore += this.#fetched
    this.#hereBefore += this.#here
    this.#fetched = 0
    this.#here = 0
  }

  /** Of this target so far: bytes that came, and bytes that were here. */
  note(now: number, fetched: number, here: number): void {
    const before = this.#fetchedBefore
    // What came for the last target is found here, which is no news of how much of the rest may be.
    const found = Math.max(0, here - before)
    if (fetched === this.#fetched && found === this.#here) return
    this.#fetched = Math.max(this.#fetched, fetched)
    this.#here = Math.max(this.#here, found)
    const arrival = { at: now, fetched: before + this.#fetched, here: this.#hereBefore + this.#here }
    const last = this.#arrivals.at(-1)
    if (this.#arrivals.length > 1 && last !== undefined && now - last.at < ARRIVAL_MS) {
      this.#arrivals[this.#arrivals.length - 1] = { ...arrival, at: last.at }
    } else this.#arrivals.push(arrival)
    this.#forget(now)
  }

  /** Bytes that came in a second; undefined where that is not known. */
  bytesPerSecond(now: number): number | undefined {
    const [first] = this.#arrivals
    const last = this.#arrivals.at(-1)
    if (first === undefined || last === undefined || now - first.at < MEASURED_MS_MIN) return undefined
    return ((last.fetched - first.fetched) * 1000) / (now - first.at)
  }

  /** Until the rest is here, whole seconds and never less than is likely; undefined where that would be a guess. */
  secondsLeft(now: number, bytesLeft: number): number | undefined {
    if (bytesLeft <= 0) return 0
    const [first] = this.#arrivals
    const last = this.#arrivals.at(-1)
    const rate = this.bytesPerSecond(now)
    if (rate === undefined || rate <= 0 || first === undefined || last === undefined) return undefined
    if (this.#arrivals.length <= ARRIVALS_MIN || now - last.at >= STALLED_MS) return undefined
    const [fetched, here] = [last.fetched - first.fetched, last.here - first.here]
    return here > fetched ? undefined : Math.ceil(bytesLeft / rate)
  }

  #forget(now: number): void {
    const arrivals = this.#arrivals
    while (arrivals.length > ARRIVALS_MIN + 1 && (arrivals[1]?.at ?? now) <= now - WINDOW_MS) arrivals.shift()
  }
}
