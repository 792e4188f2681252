/** The target that must fail: it proves that the runner notices, names the seed and can replay it. */

export const summary =
  'must fail: within a few hundred cases, by throwing, rejecting, hanging or leaving as its seed says'

/** Seeds ending in ..97 fail; which way depends on the hundreds, so that tests can choose by seed. */
export async function run(seed: number): Promise<void> {
  if (seed % 100 !== 97) return
  const way = Math.floor(seed / 100) % 5
  if (way === 1) await Promise.reject(new Error('the canary rejected'))
  if (way === 2) for (;;);
  if (way === 3) process.exit(0)
  if (way === 4) {
    setTimeout(() => {
      throw new Error('the canary threw later')
    })
    return new Promise<void>(() => {})
  }
  throw new Error('the canary threw')
}
