/** Files of databases damaged anywhere, and used. */
import { tryDamage } from '../test/support/damaged-directory.ts'
import { Random } from '../test/support/random.ts'

export const summary = 'a damaged data.mdb gives the right rows or a coded error'

export async function run(seed: number): Promise<void> {
  await tryDamage(new Random(seed))
}
