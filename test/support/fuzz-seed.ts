/** The one number that decides all random choices of a run of the tests: from FUZZ_SEED, or new. */
import { randomInt } from 'node:crypto'

/** Seeds of fast-check are integers of 32 bits; these are the ones that are not negative. */
const SEED_MAX = 0x7fffffff

/** @throws {RangeError} where FUZZ_SEED is set and no integer of 0..2^31-1. */
export function chooseSeed(): number {
  const given = process.env['FUZZ_SEED']
  if (given === undefined || given === '') return randomInt(SEED_MAX + 1)
  const seed = Number(given)
  if (!/^\d+$/.test(given) || seed > SEED_MAX) {
    throw new RangeError(`FUZZ_SEED: expected an integer of 0..${SEED_MAX}, got ${JSON.stringify(given)}`)
  }
  return seed
}
