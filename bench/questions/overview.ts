/** What may a change not make worse? coppice alone in about a minute, with its bars: the tree, then a database's life. */
import { type Bar, barsOf, barTable, COLD_PUT_NOTE } from '../report/bars.ts'
import { describeMachine, machineText } from '../report/machine.ts'
import { showCount } from '../report/show.ts'
import { summarize } from '../report/summary.ts'
import { textOf } from '../report/table.ts'
import { blockTable, speedTable } from '../report/tree-tables.ts'
import { ENTRIES, UPDATES } from '../data/entries.ts'
import { askDatabase } from './database.ts'
import { enginesNamed, runRounds } from './run-rounds.ts'

const ROUNDS = 3

export async function askOverview(): Promise<void> {
  console.log(`${machineText(describeMachine())}\n`)
  const engines = enginesNamed('coppice,coppice-lmdb,lmdb')
  const options = { shape: 'uniform', size: ENTRIES, changes: UPDATES } as const
  const summaries = (await runRounds(engines, options, ROUNDS, () => {})).map(summarize)
  const title = `${showCount(ENTRIES)} rows of 16 + 64 B, ${showCount(UPDATES)} changed; median of ${ROUNDS} rounds`
  console.log(textOf(speedTable(title, summaries)))
  console.log(textOf(blockTable('blocks and bytes moved', summaries)))
  const bars: Bar[] = barsOf({ alone: summaries, beside: [] })
  console.log(textOf(barTable('bars', bars, [COLD_PUT_NOTE])))
  await askDatabase(['build', 'clone'])
}
