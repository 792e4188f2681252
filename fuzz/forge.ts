/** Forged trees against a verifier that holds nothing and one that holds whatever the forger took. */
import { assertForgery, newTally } from '../test/support/tree-forge-case.ts'
import { DEEP, WIDE } from '../test/support/tree-sets.ts'

export const summary = 'a forged tree gets one verdict, held subtrees or not; what is accepted is canonical'

export function run(seed: number): void {
  assertForgery(seed, seed % 3 === 0 ? WIDE : DEEP, newTally())
}
