/** fast-check under our rule for randomness: every property prints its seed and takes one from FUZZ_SEED. */
import fc from 'fast-check'

function chooseSeed(): number {
  const given = process.env['FUZZ_SEED']
  if (given === undefined) return Date.now() & 0x7fffffff
  const seed = Number(given)
  if (!Number.isSafeInteger(seed)) throw new RangeError(`FUZZ_SEED: expected an integer, got ${given}`)
  return seed
}

/** Of this process; the whole file replays with `FUZZ_SEED=<seed>`. */
export const FUZZ_SEED: number = chooseSeed()

let isPrinted = false

function printSeed(): void {
  if (!isPrinted) console.log(`seed: FUZZ_SEED=${FUZZ_SEED}`)
  isPrinted = true
}

/** Runs `property` so often; a failure shows the shrunken case, the seed and the path to it. */
export async function assertProperty<T>(property: fc.IAsyncProperty<T> | fc.IProperty<T>, runs: number): Promise<void> {
  printSeed()
  // eslint-disable-next-line typescript/await-thenable -- a synchronous property gives void
  await fc.assert(property, { seed: FUZZ_SEED, numRuns: runs })
}

/** `runs` seeds derived from {@link FUZZ_SEED}, for cases that are made from one number. */
export function seeds(runs: number): number[] {
  printSeed()
  return Array.from({ length: runs }, (_, i) => (FUZZ_SEED + i * 0x9e3779b1) >>> 0)
}
