/** The clock, the randomness and the log of this machine, for the layers that take them as parameters. */
import type { Surroundings } from './db/index.ts'
import { createLogger } from './net/log.ts'
import { type Packing, packings } from './packings.ts'

export const surroundings: Surroundings & { readonly packings: readonly Packing[] } = {
  clock: {
    now: () => Date.now(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted()
        const onAbort = (): void => {
          clearTimeout(timer)
          reject(signal?.reason as Error)
        }
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        }, ms)
        signal?.addEventListener('abort', onAbort, { once: true })
      }),
  },
  random: () => Math.random(),
  packings,
  log: createLogger('db'),
}
