/** Pulls among honest, hostile and broken peers, with failing writes and aborts in between. */
import { assertConvergence } from '../test/support/sync-chaos.ts'

export const summary =
  'pulls among random peers and failures converge or blame, never an innocent one; what is recorded is complete; the next pull goes on'

export async function run(seed: number, signal: AbortSignal): Promise<void> {
  await assertConvergence(seed, signal)
}
