/** Random peers and failures: a few seeds of what fuzz/sync.ts tries for longer. */
import { suite } from 'uvu'
import { seeds } from '../support/property.ts'
import { assertConvergence } from '../support/sync-chaos.ts'

const test = suite('sync/chaos')

test('pulls converge or blame', async () => {
  for (const seed of seeds(60)) await assertConvergence(seed, new AbortController().signal)
})

test.run()
