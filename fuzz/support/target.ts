/** The shape of a fuzz target: what `fuzz/<name>.ts` exports. See ../README.md. */

export interface FuzzTarget {
  /** One line for `--list`: the property that is tried. */
  readonly summary: string
  /**
   * Tries the property once, for the case that `seed` (0..2^32-1) stands for, and throws where it does not hold. All randomness
   * comes from the seed: the same seed is the same case, on every machine. `signal` aborts when the time is up; a long case may
   * then return, or throw the signal's reason, at once. Whatever the case opened or wrote is gone when the promise settles.
   */
  readonly run: (seed: number, signal: AbortSignal) => void | Promise<void>
}
