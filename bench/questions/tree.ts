/**
 * How does the tree stand beside its peers? Every engine on the same data, in the same run, several rounds interleaved,
 * each round in a process of its own. Then more rows for coppice alone and the bare store below it, for the bars.
 *
 *     npm run bench -- tree [--engines coppice,lmdb] [--shapes uniform,time] [--size N] [--rounds N] [--json FILE]
 *                           [--markdown] [--quick]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SHAPES, type Shape } from '../data/shapes.ts'
import type { EngineKind } from '../engines/engine.ts'
import { peerVersion } from '../engines/load-peer.ts'
import { requireRoom } from '../process/disk.ts'
import { installPeers } from '../process/install-peers.ts'
import { type Bar, barsOf, barTable, COLD_PUT_NOTE } from '../report/bars.ts'
import { describeMachine, machineText } from '../report/machine.ts'
import { showCount } from '../report/show.ts'
import { type EngineSummary, summarize } from '../report/summary.ts'
import { markdownOf, type Table, textOf } from '../report/table.ts'
import { blockTable, engineTable, speedTable } from '../report/tree-tables.ts'
import { countOption, listOption } from './options.ts'
import { enginesNamed, runRounds } from './run-rounds.ts'

/** Engines of the bars' absolute figures: ours, and what lies below. */
const ALONE = ['coppice', 'coppice-lmdb', 'lmdb']
const ALONE_SIZE = 1_000_000
const SIZE = 100_000
/** Of the other shapes: all rounds of all engines take ten minutes with it. */
const SHAPE_SIZE = 25_000
const CHANGES = 1_000
const ROUNDS = 3
/** For --quick: everything is run and checked, nothing is learned of speed. */
const QUICK_SIZE = 1_000
const QUICK_CHANGES = 100
/** Bytes on disk of a row, with what updates leave behind: more than any engine takes. */
const DISK_BYTES_PER_ROW = 2_000

/** One group of rows that are compared with each other. */
interface Group {
  readonly title: string
  readonly shape: Shape
  readonly size: number
  readonly rounds: number
  readonly summaries: readonly EngineSummary[]
}

/** What was asked for. */
interface Plan {
  readonly engines: readonly EngineKind[]
  /** Shapes and how many rows of each. */
  readonly shapes: readonly (readonly [shape: Shape, size: number])[]
  readonly changes: number
  readonly rounds: number
  readonly json: string | undefined
  readonly isMarkdown: boolean
  readonly isQuick: boolean
}

export async function askTree(args: string[]): Promise<void> {
  const plan = parsePlan(args)
  if (plan.engines.some(({ packages }) => packages.length > 0)) installPeers()
  const alone = plan.isQuick ? [] : plan.engines.filter(({ name }) => ALONE.includes(name))
  requireRoom(Math.max(...plan.shapes.map(([, size]) => size), alone.length > 0 ? ALONE_SIZE : 0) * DISK_BYTES_PER_ROW)

  const start = performance.now()
  const machine = describeMachine()
  const versions = versionsOf(plan.engines)
  console.log(`${plan.isMarkdown ? fenced(machineText(machine)) : machineText(machine)}\n`)
  const names = plan.engines.map(({ name }) => name)
  print(engineTable(names, versions), plan)
  const groups: Group[] = []
  for (const [shape, size] of plan.shapes) groups.push(await measureGroup(plan, shape, size, plan.engines))
  if (alone.length > 0) groups.push(await measureGroup(plan, 'uniform', ALONE_SIZE, alone))
  const bars = barsFrom(groups)
  if (bars.length > 0) print(barTable('bars', bars, [COLD_PUT_NOTE]), plan)
  const seconds = (performance.now() - start) / 1000
  console.log(`${seconds.toFixed(0)} s in all`)
  if (plan.json !== undefined) {
    writeFileSync(plan.json, `${JSON.stringify({ machine, versions, seconds, bars, groups }, undefined, 2)}\n`)
  }
  requireSuccess(groups, plan.isQuick)
}

function parsePlan(args: string[]): Plan {
  const { values } = parseArgs({
    args,
    options: {
      engines: { type: 'string' },
      shapes: { type: 'string' },
      size: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  })
  const sizeOf = (shape: Shape): number => {
    const usual = shape === 'uniform' ? SIZE : SHAPE_SIZE
    return countOption('--size', values.size, values.quick ? QUICK_SIZE : usual)
  }
  const shapes = listOption('--shapes', values.shapes, Object.keys(SHAPES) as Shape[])
  return {
    engines: enginesNamed(values.engines),
    shapes: shapes.map((shape) => [shape, sizeOf(shape)] as const),
    changes: values.quick ? QUICK_CHANGES : CHANGES,
    rounds: countOption('--rounds', values.rounds, values.quick ? 1 : ROUNDS),
    json: values.json,
    isMarkdown: values.markdown,
    isQuick: values.quick,
  }
}

/** Measures and prints. */
async function measureGroup(plan: Plan, shape: Shape, size: number, engines: readonly EngineKind[]): Promise<Group> {
  const { changes, rounds } = plan
  const results = await runRounds(engines, { shape, size, changes }, rounds, showProgress)
  const title = `${shape}, ${showCount(size)} rows, ${showCount(changes)} changed: ${SHAPES[shape]}`
  const group: Group = { title, shape, size, rounds, summaries: results.map(summarize) }
  const shown = rounds === 1 ? 'one round' : `median of ${rounds} rounds and their spread`
  print(speedTable(`${title}; ${shown}, and how many times faster coppice is`, group.summaries), plan)
  print(blockTable('blocks and bytes moved', group.summaries), plan)
  return group
}

function print(table: Table, { isMarkdown }: Plan): void {
  console.log(isMarkdown ? markdownOf(table) : textOf(table))
}

/** From the uniform groups: ratios from the smallest, where the peers are, absolute figures from the largest. */
function barsFrom(groups: readonly Group[]): Bar[] {
  const uniform = groups.filter(({ shape }) => shape === 'uniform').toSorted((a, b) => a.size - b.size)
  const [beside, alone] = [uniform[0], uniform.at(-1)]
  if (beside === undefined || alone === undefined || alone.size < ALONE_SIZE) return []
  return barsOf({ alone: alone.summaries, beside: beside.summaries })
}

/** A peer that fails is a row. coppice may not fail, nor anybody in a quick run, whose purpose is to find that out. */
function requireSuccess(groups: readonly Group[], isQuick: boolean): void {
  const failed = groups.flatMap(({ title, summaries }) =>
    summaries
      .filter(({ engine, failure }) => failure !== undefined && (isQuick || engine.startsWith('coppice')))
      .map(({ engine, failure }) => `${engine} failed: ${failure} (${title})`),
  )
  failed.forEach((line) => console.error(line))
  if (failed.length > 0) process.exitCode = 1
}

function versionsOf(engines: readonly EngineKind[]): Record<string, string> {
  const packages = [...new Set(engines.flatMap((engine) => engine.packages))]
  return Object.fromEntries(packages.map((name) => [name, peerVersion(name)]))
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}\r`)
}

function fenced(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``
}
