/**
 * How do time and blocks grow with the tree and with the change? Trees of 10^3 to 10^7 rows, changes of 1 to 10^4 random
 * rows, each tree in a process of its own.
 *
 *     npm run bench -- growth [--engine NAME] [--max SIZE] [--json FILE] [--svg FILE] [--markdown]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { EngineKind } from '../engines/engine.ts'
import { Child } from '../process/child.ts'
import { withDirectory } from '../process/directory.ts'
import { requireRoom } from '../process/disk.ts'
import { installPeers } from '../process/install-peers.ts'
import { describeMachine, type Machine, machineText } from '../report/machine.ts'
import { showCount } from '../report/show.ts'
import { type Panel, svgOf } from '../report/svg.ts'
import { markdownOf, type Table, textOf } from '../report/table.ts'
import type { GrowthOptions, GrowthPoint } from '../rounds/growth.ts'
import { countOption, UsageError } from './options.ts'
import { enginesNamed } from './run-rounds.ts'

const SIZES = [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
const CHANGES = [1, 10, 100, 1_000, 10_000]
const TIMEOUT_MS = 600_000
const NOTHING = '-'
const DISK_BYTES_PER_ROW = 1_000

export async function askGrowth(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      engine: { type: 'string', default: 'coppice' },
      max: { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      markdown: { type: 'boolean', default: false },
    },
  })
  const { name: engine, place, packages } = oneEngine(values.engine)
  if (packages.length > 0) installPeers()
  const most = countOption('--max', values.max, SIZES.at(-1) ?? 0)
  if (place === 'disk') requireRoom(most * DISK_BYTES_PER_ROW)
  const machine = describeMachine()
  console.log(`${machineText(machine)}\n`)
  const points: GrowthPoint[] = []
  for (const size of SIZES.filter((each) => each <= most)) {
    points.push(...(await withDirectory((directory) => runOnce({ engine, size, changes: CHANGES, directory }))))
  }
  const table = growthTable(engine, points)
  console.log(values.markdown ? markdownOf(table) : textOf(table))
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine, engine, points }, undefined, 2)}\n`)
  }
  if (values.svg !== undefined) writeFileSync(values.svg, growthPlot(engine, machine, points))
}

function oneEngine(name: string): EngineKind {
  const [engine, ...more] = enginesNamed(name)
  if (engine === undefined || more.length > 0) throw new UsageError(`--engine: expected one engine, got ${name}`)
  return engine
}

async function runOnce(options: GrowthOptions): Promise<GrowthPoint[]> {
  const child = new Child('growth.ts', [JSON.stringify(options)], TIMEOUT_MS)
  const points = JSON.parse(await child.line()) as GrowthPoint[]
  await child.end()
  return points
}

function growthTable(engine: string, points: readonly GrowthPoint[]): Table {
  return {
    title: `${engine}: what a change of random rows costs, from cold caches`,
    header: ['rows', 'levels', 'changed', 'update, ms', 'reads', 'writes', 'diff, ms', 'reads', 'diff reads / writes'],
    rows: points.map((point) => [
      showCount(point.size),
      point.levels > 0 ? String(point.levels) : NOTHING,
      showCount(point.changes),
      milliseconds(point.updateSeconds),
      blocks(point.updateReads),
      blocks(point.updateWrites),
      milliseconds(point.diffSeconds),
      blocks(point.diffReads),
      point.diffReads > 0 ? (point.diffReads / point.updateWrites).toFixed(2) : NOTHING,
    ]),
  }
}

function growthPlot(engine: string, { cpu, node, commit }: Machine, points: readonly GrowthPoint[]): string {
  const panel = (title: string, yOf: (point: GrowthPoint) => number): Panel => ({
    title,
    xLabel: 'rows in the tree',
    series: CHANGES.map((changes) => ({
      name: `${changes.toLocaleString('en-US')} changed`,
      points: points
        .filter((point) => point.changes === changes && yOf(point) > 0)
        .map((point) => [point.size, yOf(point)] as const),
    })).filter((series) => series.points.length > 0),
  })
  return svgOf(
    `${engine}: what a change of random rows costs (${cpu}, Node ${node}, ${commit})`,
    [
      panel('update, milliseconds', ({ updateSeconds }) => updateSeconds * 1000),
      panel('update, blocks read and written', ({ updateReads, updateWrites }) => updateReads + updateWrites),
      panel('diff, milliseconds', ({ diffSeconds }) => diffSeconds * 1000),
      panel('diff, blocks read', ({ diffReads }) => diffReads),
    ].filter(({ series }) => series.length > 0),
  )
}

/** Engines that tell of no blocks have none. */
function blocks(count: number): string {
  return count > 0 ? showCount(count) : NOTHING
}

function milliseconds(seconds: number): string {
  return (seconds * 1000).toFixed(seconds < 0.01 ? 3 : 1)
}
