/** What the demo claims, checked against what it measured. */
export class Checks {
  readonly #failures: string[] = []
  #count = 0

  /** `actual` is to be `expected`. */
  equal(what: string, actual: string | number | undefined, expected: string | number): void {
    this.#note(what, actual === expected, `expected ${expected}, got ${actual}`)
  }

  /** `actual` is to be below `limit`. */
  below(what: string, actual: number, limit: number): void {
    this.#note(what, actual < limit, `expected less than ${limit}, got ${actual}`)
  }

  /** `actual` is to be `least` or more. */
  atLeast(what: string, actual: number, least: number): void {
    this.#note(what, actual >= least, `expected at least ${least}, got ${actual}`)
  }

  get count(): number {
    return this.#count
  }

  /** One line for each that does not hold. */
  get failures(): readonly string[] {
    return this.#failures
  }

  #note(what: string, holds: boolean, otherwise: string): void {
    this.#count++
    if (!holds) this.#failures.push(`${what}: ${otherwise}`)
  }
}
