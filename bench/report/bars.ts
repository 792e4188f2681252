/** What the project promises of its own machine. Shown beside what was measured, not enforced: machines differ. */
import type { Operation } from '../rounds/tree.ts'
import { showCount, showRatio } from './show.ts'
import type { EngineSummary, OperationSummary } from './summary.ts'
import type { Table } from './table.ts'

/** Rows of uniform data: many for coppice alone, fewer beside every peer. */
export interface Measured {
  readonly alone: readonly EngineSummary[]
  readonly beside: readonly EngineSummary[]
}

export interface Bar {
  readonly what: string
  readonly bar: string
  readonly measured: string
  /** Measured by the bar. */
  readonly part: number
  readonly met: boolean
}

/** Peers whose tree is JavaScript and in memory. */
const JAVASCRIPT_PEERS = ['okra-memory', 'prolly-trees', 'atproto', 'hyperbee']
const MERKLE_PEERS = ['okra-memory', 'prolly-trees', 'atproto']

/** Bars whose figures are absent, because an engine was not asked for or failed, are left out. */
export function barsOf({ alone, beside }: Measured): Bar[] {
  const own = (operation: Operation): OperationSummary | undefined => operationOf(alone, 'coppice', operation)
  const disk = (operation: Operation): OperationSummary | undefined => operationOf(alone, 'coppice-lmdb', operation)
  const update = own('update')
  const put = own('put')
  const coldPut = own('cold put')
  const diff = own('diff')
  const build = disk('build')
  return [
    atLeast('build in memory', own('build')?.rate, 2_000_000, perSecond),
    atLeast('build beside the best JavaScript peer', faster(beside, 'build', JAVASCRIPT_PEERS), 12, showRatio),
    atLeast(
      'build into LMDB beside bare lmdb',
      ratioOf(build?.rate, operationOf(alone, 'lmdb', 'build')?.rate),
      1.2,
      showRatio,
    ),
    atMost('bytes on disk of the blocks', ratioOf(build?.diskBytes, build?.bytesWritten), 1.6, showRatio),
    atLeast('1,000 random updates', update?.rate, 40_000, perSecond),
    atLeast('updates beside hyperbee', faster(beside, 'update', ['hyperbee']), 2.5, showRatio),
    atLeast('updates beside the best Merkle tree', faster(beside, 'update', MERKLE_PEERS), 10, showRatio),
    atMost('single put', put && 1e6 / put.rate, 150, (value) => `${showCount(value)} us`),
    atMost(
      'blocks of a cold put, by levels',
      coldPut && ratioOf(((coldPut.blocksRead ?? 0) + (coldPut.blocksWritten ?? 0)) / coldPut.count, coldPut.levels),
      2.1,
      (value) => value.toFixed(2),
    ),
    atLeast('diff of 1,000 random updates', diff?.rate, 60_000, perSecond),
    atLeast('diff beside the best peer', faster(beside, 'diff', JAVASCRIPT_PEERS), 8, showRatio),
    atMost(
      'blocks read by the diff, by blocks changed',
      ratioOf(diff?.blocksRead, update?.blocksWritten),
      2.1,
      showRatio,
    ),
    atLeast('get, warm', own('get')?.rate, 500_000, perSecond),
    atLeast('scan', own('scan')?.rate, 2_500_000, perSecond),
  ].filter((bar) => bar !== undefined)
}

export function barTable(title: string, bars: readonly Bar[], notes: readonly string[] = []): Table {
  return {
    title,
    header: ['what', 'bar', 'measured', 'of the bar', ''],
    words: [4],
    rows: bars.map(({ what, bar, measured, part, met }) => [
      what,
      bar,
      measured,
      part.toFixed(2),
      met ? 'met' : 'MISSED',
    ]),
    notes,
  }
}

function operationOf(
  rows: readonly EngineSummary[],
  engine: string,
  operation: Operation,
): OperationSummary | undefined {
  return rows.find((row) => row.engine === engine)?.operations[operation]
}

/** How many times faster coppice is than the fastest of the peers. */
function faster(rows: readonly EngineSummary[], operation: Operation, peers: readonly string[]): number | undefined {
  const rates = peers.flatMap((peer) => operationOf(rows, peer, operation)?.rate ?? [])
  return rates.length === 0 ? undefined : ratioOf(operationOf(rows, 'coppice', operation)?.rate, Math.max(...rates))
}

export function ratioOf(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || by === undefined ? undefined : value / by
}

type Show = (value: number) => string

export function perSecond(value: number): string {
  return `${showCount(value)}/s`
}

/** Of a bar of the tree that reads oddly without. */
export const COLD_PUT_NOTE =
  'a cold put reads and writes a block per level each, and now and then what lies up to the next common boundary'

export function atLeast(what: string, value: number | undefined, least: number, show: Show): Bar | undefined {
  return value === undefined
    ? undefined
    : { what, bar: `>= ${show(least)}`, measured: show(value), part: value / least, met: value >= least }
}

export function atMost(what: string, value: number | undefined, most: number, show: Show): Bar | undefined {
  return value === undefined
    ? undefined
    : { what, bar: `<= ${show(most)}`, measured: show(value), part: value / most, met: value <= most }
}
