/** The tables of each part of the sync benchmark, for a terminal as for the documentation. */
import type { PartName, SyncResults } from '../parts/results.ts'
import { barTable } from './bars.ts'
import { syncBars } from './sync-bars.ts'
import {
  boundTables,
  cloneTables,
  compatTable,
  crowdTable,
  historyTables,
  latencyTables,
  pullTables,
  swarmTable,
} from './sync-tables.ts'
import type { Table } from './table.ts'

/** None where the part was not measured. What was left out stands below the last. */
export function partTables(results: SyncResults, name: PartName): Table[] {
  const tables = tablesOf(results, name)
  const last = tables.at(-1)
  const skipped = results[name]?.skipped ?? []
  if (last === undefined || skipped.length === 0) return tables
  return [...tables.slice(0, -1), { ...last, notes: [...(last.notes ?? []), `left out: ${skipped.join('; ')}`] }]
}

export function syncBarTable(results: SyncResults): Table | undefined {
  const bars = syncBars(results)
  return bars.length === 0 ? undefined : barTable('bars', bars)
}

function tablesOf({ copies, latency, history, compat, swarm, crowd }: SyncResults, name: PartName): Table[] {
  switch (name) {
    case 'copies':
      return copies === undefined
        ? []
        : [...cloneTables(copies.results), ...boundTables(copies.results), ...pullTables(copies.results)]
    case 'latency':
      return latency === undefined ? [] : latencyTables(latency.results)
    case 'history':
      return history === undefined ? [] : historyTables(history.results)
    case 'compat':
      return (compat?.results ?? []).map(compatTable)
    case 'swarm':
      return (swarm?.results ?? []).map(swarmTable)
    case 'crowd':
      return (crowd?.results ?? []).map(crowdTable)
  }
}
