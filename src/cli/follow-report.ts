/** What goes wrong while following, told once: a peer that is away is tried again every few seconds, maybe for days. */
import type { CoppiceError } from '../errors.ts'
import { renderError } from './errors.ts'

export class FollowReport {
  readonly #note: (line: string) => void
  /** What was told last and still holds. */
  #told: string | undefined
  /** Whether peers answered, and could not bring the replica to the root they showed. */
  #isIncomplete = false

  constructor(note: (line: string) => void) {
    this.#note = note
  }

  failed(error: CoppiceError): void {
    const text = renderError(error, 'follow').join('\n')
    this.#isIncomplete = error.details['root'] !== undefined
    if (text !== this.#told) this.#note(`${text}; trying again, and nothing more is said until that changes`)
    this.#told = text
  }

  /** A peer shows a root that can be taken, which says nothing of its blocks. */
  answered(): void {
    if (!this.#isIncomplete) this.succeeded()
  }

  succeeded(): void {
    if (this.#told !== undefined) this.#note('coppice: connected again')
    this.#told = undefined
  }
}
