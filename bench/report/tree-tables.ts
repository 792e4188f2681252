/** The tables of `bench -- tree`: how fast each engine is beside coppice, and which blocks moved for it. */
import { ENGINES } from '../engines/index.ts'
import type { Operation } from '../rounds/tree.ts'
import { showBytes, showCount, showRatio, showSpread } from './show.ts'
import { spread } from './statistics.ts'
import type { EngineSummary, OperationSummary } from './summary.ts'
import type { Table } from './table.ts'

const SPEEDS = [
  ['build', 'build, /s'],
  ['get', 'get, /s'],
  ['scan', 'scan, /s'],
  ['update', 'update, /s'],
  ['diff', 'diff, /s'],
  ['put', 'put, /s'],
] as const satisfies readonly (readonly [Operation, string])[]

const NOTHING = '-'

/** Rates with their spread, and how many times faster coppice is: memory beside memory, disk beside disk. Below, why who failed did. */
export function speedTable(title: string, rows: readonly EngineSummary[]): Table {
  return {
    title,
    header: ['engine', ...SPEEDS.map(([, heading]) => heading)],
    rows: rows.map((row) => [row.engine, ...(row.failure === undefined ? speedCells(row, rows) : ['failed'])]),
    notes: rows.flatMap(({ engine, failure }) => (failure === undefined ? [] : [`${engine}: ${failure}`])),
  }
}

function speedCells(row: EngineSummary, rows: readonly EngineSummary[]): string[] {
  const own = ownFor(row, rows)
  return SPEEDS.map(([operation]) => {
    const measured = row.operations[operation]
    if (measured === undefined) return NOTHING
    const ours = own?.operations[operation]
    const ratio = ours === undefined || own === row ? [] : [showRatio(ours.rate / measured.rate)]
    const around = measured.rates.length === 1 ? [] : [showSpread(spread(measured.rates))]
    return [showCount(measured.rate), ...around, ...ratio].join(' ')
  })
}

/** coppice in the same place. */
function ownFor({ place }: EngineSummary, rows: readonly EngineSummary[]): EngineSummary | undefined {
  return rows.find((row) => row.place === place && row.engine.startsWith('coppice'))
}

/** Blocks and bytes between tree and store, of the rows that tell. */
export function blockTable(title: string, rows: readonly EngineSummary[]): Table {
  return {
    title,
    header: [
      'engine',
      'build writes',
      'update reads',
      'update writes',
      'diff reads',
      'put, cold, reads',
      'put writes',
      'on disk',
      'peak memory',
    ],
    rows: rows
      .filter(({ failure }) => failure === undefined)
      .map(({ engine, operations }) => [
        engine,
        written(operations.build),
        read(operations.update),
        written(operations.update),
        read(operations.diff),
        each(operations['cold put'], 'blocksRead', 'bytesRead'),
        each(operations['cold put'] ?? operations.put, 'blocksWritten', 'bytesWritten'),
        operations.build?.diskBytes === undefined ? NOTHING : showBytes(operations.build.diskBytes),
        showBytes(Math.max(...Object.values(operations).map(({ peakBytes }) => peakBytes))),
      ]),
  }
}

function read(operation: OperationSummary | undefined): string {
  return blocks(operation?.blocksRead, operation?.bytesRead)
}

function written(operation: OperationSummary | undefined): string {
  return blocks(operation?.blocksWritten, operation?.bytesWritten)
}

function each(
  operation: OperationSummary | undefined,
  blocksName: 'blocksRead' | 'blocksWritten',
  bytesName: 'bytesRead' | 'bytesWritten',
): string {
  const [count, bytes] = [operation?.[blocksName], operation?.[bytesName]]
  if (operation === undefined || count === undefined || bytes === undefined) return NOTHING
  return blocks(count / operation.count, bytes / operation.count)
}

function blocks(count: number | undefined, bytes: number | undefined): string {
  return count === undefined || bytes === undefined ? NOTHING : `${showCount(count)}, ${showBytes(bytes)}`
}

/** What each engine is, its packages' versions, and what has reached the disk when it says it is done. */
export function engineTable(names: readonly string[], versions: Readonly<Record<string, string>>): Table {
  return {
    title: 'engines',
    header: ['engine', 'packages', 'on disk when done', 'what it is'],
    words: [1, 2, 3],
    rows: ENGINES.filter(({ name }) => names.includes(name)).map(({ name, packages, flush, about }) => [
      name,
      packages.map((each) => `${each} ${versions[each]}`).join(', ') || NOTHING,
      flush ?? NOTHING,
      about,
    ]),
  }
}
