/** A round is checked, and one that fails is a row of the table. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { coppiceMemory } from '../../bench/engines/coppice.ts'
import type { EngineKind } from '../../bench/engines/engine.ts'
import { runRounds } from '../../bench/questions/run-rounds.ts'
import { summarize } from '../../bench/report/summary.ts'
import { textOf } from '../../bench/report/table.ts'
import { speedTable } from '../../bench/report/tree-tables.ts'

const test = suite('bench rounds')

test('measures what succeeds, and says why what fails does', async () => {
  const absent: EngineKind = { ...coppiceMemory, name: 'absent' }
  const options = { shape: 'uniform', size: 500, changes: 50 } as const
  const results = (await runRounds([coppiceMemory, absent], options, 2, () => {})).map(summarize)
  const [own, failed] = results
  assert.is(own?.failure, undefined)
  assert.equal(Object.keys(own?.operations ?? {}), ['build', 'get', 'scan', 'update', 'diff', 'put', 'cold put'])
  const { build, update, diff } = own?.operations ?? {}
  assert.equal([build?.count, update?.count, diff?.count], [500, 50, 50])
  assert.is(build?.rates.length, 2)
  assert.is(diff?.blocksRead, 2 * (update?.blocksWritten ?? 0), 'a diff reads what changed, on either side')
  assert.match(failed?.failure ?? '', /exit code 1: RangeError: engine: expected one of/)
  assert.match(textOf(speedTable('', results)), /\nabsent +failed\n +absent: ended with exit code 1/)
})

test.run()
