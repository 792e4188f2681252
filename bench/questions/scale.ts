/**
 * What does a tree cost that is larger than every cache? Millions of rows in LMDB, built, edited in random batches,
 * compared and checked, each in a process of its own whose peak of anonymous memory is taken.
 *
 *     npm run bench -- scale [--max] [--sizes N,N] [--json FILE] [--svg FILE] [--markdown]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Child } from '../process/child.ts'
import { withDirectory } from '../process/directory.ts'
import { requireRoom } from '../process/disk.ts'
import { describeMachine, type Machine, machineText } from '../report/machine.ts'
import { showBytes, showCount } from '../report/show.ts'
import { type Panel, svgOf } from '../report/svg.ts'
import { markdownOf, type Table, textOf } from '../report/table.ts'
import type { ScaleOptions, ScaleResult } from '../rounds/scale.ts'
import { countOption } from './options.ts'

const SIZES = [1_000_000, 10_000_000]
const SIZE_MAX = 50_000_000
const PHASES = ['build', 'edit', 'diff', 'check'] as const
/** A row takes 93 bytes of blocks, LMDB's pages and the edits' old blocks come on top. */
const DISK_BYTES_PER_ROW = 300
const TIMEOUT_MS_MIN = 120_000
const TIMEOUT_MS_PER_ROW = 0.05
/** Promised of 10M rows. */
const PEAK_MEBIBYTES_MAX = 300

interface Phase extends ScaleResult {
  readonly phase: ScaleOptions['phase']
  readonly size: number
  readonly peakBytes: number
}

export async function askScale(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      max: { type: 'boolean', default: false },
      sizes: { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      markdown: { type: 'boolean', default: false },
    },
  })
  const sizes = values.sizes?.split(',').map((size) => countOption('--sizes', size, 0)) ?? [
    ...SIZES,
    ...(values.max ? [SIZE_MAX] : []),
  ]
  requireRoom(Math.max(...sizes) * DISK_BYTES_PER_ROW)
  const machine = describeMachine()
  console.log(`${machineText(machine)}\n`)
  const phases: Phase[] = []
  for (const size of sizes) phases.push(...(await withDirectory((directory) => liveThrough(size, directory))))
  const table = scaleTable(phases)
  console.log(values.markdown ? markdownOf(table) : textOf(table))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, phases }, undefined, 2)}\n`)
  if (values.svg !== undefined) writeFileSync(values.svg, scalePlot(machine, phases))
}

async function liveThrough(size: number, directory: string): Promise<Phase[]> {
  const phases: Phase[] = []
  let roots: readonly string[] = []
  for (const phase of PHASES) {
    const options: ScaleOptions = { phase, directory, size, roots }
    const child = new Child('scale.ts', [JSON.stringify(options)], TIMEOUT_MS_MIN + size * TIMEOUT_MS_PER_ROW)
    const result = JSON.parse(await child.line()) as ScaleResult
    phases.push({ phase, size, ...result, peakBytes: child.takePeakBytes() })
    await child.end()
    roots = [...roots, ...result.roots]
  }
  return phases
}

function scaleTable(phases: readonly Phase[]): Table {
  return {
    title: 'coppice in LMDB; edit and diff: the median of ten batches of 1,000 random updates',
    header: ['rows', 'phase', 'levels', 'seconds', 'rows/s', 'blocks read', 'blocks written', 'on disk', 'peak memory'],
    rows: phases.map((each) => [
      showCount(each.size),
      each.phase,
      String(each.levels),
      each.seconds.toFixed(each.seconds < 1 ? 3 : 1),
      showCount(each.count / each.seconds),
      each.blocksRead === 0 ? '-' : `${showCount(each.blocksRead)}, ${showBytes(each.bytesRead)}`,
      each.blocksWritten === 0 ? '-' : `${showCount(each.blocksWritten)}, ${showBytes(each.bytesWritten)}`,
      showBytes(each.diskBytes),
      showBytes(each.peakBytes),
    ]),
    notes: phases
      .flatMap(({ phase, size, generating, seconds, diskBytes, bytesWritten }) =>
        phase !== 'build'
          ? []
          : [
              `${showCount(size)} rows: ${(generating ?? 0).toFixed(1)} of the ${seconds.toFixed(1)} s of the build made the rows; ` +
                `${(diskBytes / bytesWritten).toFixed(2)} bytes on disk per byte of blocks (bar: <= 1.6)`,
            ],
      )
      .concat(`bar: 10M rows built or compared in at most ${PEAK_MEBIBYTES_MAX} MiB of anonymous memory`),
  }
}

function scalePlot({ cpu, node, commit }: Machine, phases: readonly Phase[]): string {
  const of = (name: Phase['phase'], yOf: (phase: Phase) => number): (readonly [number, number])[] =>
    phases.filter(({ phase }) => phase === name).map((phase) => [phase.size, yOf(phase)] as const)
  const panel = (title: string, series: Panel['series']): Panel => ({ title, xLabel: 'rows in the tree', series })
  return svgOf(`coppice in LMDB, 1,000 random updates (${cpu}, Node ${node}, ${commit})`, [
    panel('milliseconds', [
      { name: 'edit', points: of('edit', ({ seconds }) => seconds * 1000) },
      { name: 'diff', points: of('diff', ({ seconds }) => seconds * 1000) },
    ]),
    panel('blocks', [
      { name: 'edit reads', points: of('edit', ({ blocksRead }) => blocksRead) },
      { name: 'edit writes', points: of('edit', ({ blocksWritten }) => blocksWritten) },
      { name: 'diff reads', points: of('diff', ({ blocksRead }) => blocksRead) },
    ]),
  ])
}
