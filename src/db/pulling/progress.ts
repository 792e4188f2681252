/** How far a pull is, for whoever waits for it: told after each answer, and once a second where none comes. */
import type { Clock } from '../../clock.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import type { PullProgress } from '../../sync/index.ts'
import { ProgressMeter } from './progress-meter.ts'

/** How far a pull of a replica is. `peers` are those of the present target. */
export interface ReplicaProgress extends PullProgress {
  /** What is fetched now; another one where a newer root came, or where nobody has this one's blocks. */
  readonly target: SignedRoot
  /** Targets so far, this one included. */
  readonly targets: number
  /** Verified bytes that came in a second, lately; undefined before that can be said. */
  readonly bytesPerSecond: number | undefined
  /** Until the target is complete, at that speed; undefined while that would be a guess. */
  readonly secondsLeft: number | undefined
}

export type OnProgress = (progress: ReplicaProgress) => void

/** As often at least, so that a speed that falls to nothing is seen to fall. */
const TOLD_EVERY_MS = 1_000

export class ProgressTeller {
  readonly #clock: Clock
  readonly #onProgress: OnProgress | undefined
  readonly #meter: ProgressMeter
  #target: SignedRoot | undefined
  #targets = 0
  #last: PullProgress | undefined
  #toldAt = 0

  constructor(clock: Clock, onProgress: OnProgress | undefined) {
    this.#clock = clock
    this.#onProgress = onProgress
    this.#meter = new ProgressMeter(clock.now())
  }

  /** What was told last of the present target. */
  get last(): PullProgress | undefined {
    return this.#last
  }

  begin(target: SignedRoot): void {
    if (this.#targets > 0) this.#meter.retarget()
    this.#target = target
    this.#targets++
    this.#last = undefined
  }

  readonly tell = (progress: PullProgress): void => {
    this.#last = progress
    const now = this.#clock.now()
    this.#meter.note(now, progress.bytes - progress.bytesHere, progress.bytesHere)
    this.#toldAt = now
    if (this.#target === undefined || this.#onProgress === undefined) return
    const left = Math.max(0, progress.bytesTotal - progress.bytes)
    this.#onProgress({
      ...progress,
      target: this.#target,
      targets: this.#targets,
      bytesPerSecond: this.#meter.bytesPerSecond(now),
      secondsLeft: this.#meter.secondsLeft(now, left),
    })
  }

  /** Tells also while nothing comes, until `over` aborts. */
  async keepTelling(over: AbortSignal): Promise<void> {
    if (this.#onProgress === undefined) return
    for (;;) {
      const waitMs = this.#toldAt + TOLD_EVERY_MS - this.#clock.now()
      try {
        await this.#clock.sleep(waitMs > 0 ? waitMs : TOLD_EVERY_MS, over)
      } catch {
        return
      }
      const isDue = this.#clock.now() - this.#toldAt >= TOLD_EVERY_MS
      if (isDue && this.#last !== undefined) this.tell(this.#last)
    }
  }
}
