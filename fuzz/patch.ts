/** Pulls by patches of any size, from honest peers and from such that lie about rows. */
import { assertHonestPatch, assertLiesFound } from '../test/support/patch-case.ts'

export const summary =
  'a patched pull comes to the signed tree whatever the sizes of pages and pieces; lies about rows cost no honest peer its name'

export async function run(seed: number): Promise<void> {
  await assertHonestPatch(seed)
  await assertLiesFound(seed)
}
