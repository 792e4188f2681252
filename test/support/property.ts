/** fast-check under our rule for randomness: one seed, from FUZZ_SEED (which the runner sets), decides everything; failures say how to replay. */
import fc from 'fast-check'
import { relative } from 'node:path'
import { chooseSeed } from './fuzz-seed.ts'

/** Of this process; the whole file replays with `FUZZ_SEED=<seed>`. */
export const FUZZ_SEED: number = chooseSeed()

let isPrinted = false

function printSeed(): void {
  if (!isPrinted) console.log(`seed: FUZZ_SEED=${FUZZ_SEED}`)
  isPrinted = true
}

/** The command that runs this file again with the same choices. */
function replayCommand(): string {
  return `FUZZ_SEED=${FUZZ_SEED} node test/run.ts ${relative(process.cwd(), process.argv[1] ?? '')}`
}

/** Runs `property` so often; a failure shows the shrunken case, the seed, the path to it, and how to replay it. */
export async function assertProperty<T>(property: fc.IAsyncProperty<T> | fc.IProperty<T>, runs: number): Promise<void> {
  printSeed()
  try {
    // eslint-disable-next-line typescript/await-thenable -- a synchronous property gives void
    await fc.assert(property, { seed: FUZZ_SEED, numRuns: runs })
  } catch (error) {
    throw withReplay(error)
  }
}

function withReplay(error: unknown): unknown {
  if (error instanceof Error) error.message += `\nReplay: ${replayCommand()}`
  return error
}

/** `runs` seeds derived from {@link FUZZ_SEED}, for cases that are made from one number. */
export function seeds(runs: number): number[] {
  printSeed()
  return Array.from({ length: runs }, (_, i) => (FUZZ_SEED + i * 0x9e3779b1) >>> 0)
}
