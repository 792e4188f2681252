/** Waiting for what happens elsewhere: another process, a socket, a file. For a state, however long a busy machine takes. */
import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 10
/** Far beyond any wait; a test that never gets there fails with what it waited for instead of the runner's time limit. */
const WAIT_MS_MAX = 60_000

export async function until(test: () => boolean | Promise<boolean>, told: () => string = () => ''): Promise<void> {
  const deadline = performance.now() + WAIT_MS_MAX
  while (!(await test())) {
    if (performance.now() > deadline) throw new Error(`it did not happen: ${String(test)} ${told()}`)
    await delay(POLL_MS)
  }
}
