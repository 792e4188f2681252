/** `coppice stats`: the shape of the tree and what it takes on the disk. */
import type { Command } from 'commander'
import { CoppiceError } from '../../errors.ts'
import type { TreeShape } from '../../prolly/index.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { renderHistogram, renderHistogramSvg, type SizeCount } from '../histogram.ts'
import { reading } from '../open.ts'
import { renderBytes, renderCount, renderCounted, renderShare, renderTable } from '../render.ts'
import { parseRoot, type RootName, snapshotAt } from '../roots.ts'

interface StatsOptions extends JsonOption {
  readonly at?: RootName
  readonly svg?: string
}

export function addStats(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'stats',
    summary: 'show the shape of the tree: levels, nodes, how full and how large they are, disk usage',
    notes: 'Reads every node once. The fill is the share of 4,096 bytes, the size that nodes are cut for.',
    examples: ['stats cities', 'stats cities --at @1 --json', 'stats cities --svg sizes.svg'],
  })
    .argument('<DIR>', 'the database')
    .option('--at <ROOT>', 'of an earlier state: @SEQUENCE or CID', parseRoot)
    .option('--svg <FILE>', 'also draw the sizes of nodes into a file; - is standard output, without the rest')
    .option(...JSON_OPTION)
    .action((dir: string, options: StatsOptions) => stats(cli, dir, options))
}

async function stats(cli: Cli, dir: string, options: StatsOptions): Promise<void> {
  const { FORMAT_1, HISTOGRAM_STEP_BYTES, measureTree, Tree } = await import('../../prolly/index.ts')
  const { signal } = cli
  if (options.svg === '-' && options.json === true) {
    throw new CoppiceError('USAGE', 'stats: expected one of --svg - and --json, got both')
  }
  await reading(dir, async (opened) => {
    const { store } = opened.db.state
    const { root } = (await snapshotAt(opened, options.at)).tree.ref
    const tree = await Tree.open(store, root)
    const progress = cli.progress((seconds) => `reading nodes: ${Math.floor(seconds)} s`)
    const shape = await measureTree(tree, { signal }).finally(() => progress.end())
    const disk = await store.usage()
    const { entries, bytes } = tree.ref
    const target = 2 ** FORMAT_1.targetBits
    const histogram = sizesOf(shape, HISTOGRAM_STEP_BYTES)
    if (options.svg !== undefined) {
      const svg = renderHistogramSvg(histogram, 'nodes by size')
      if (options.svg === '-') return await cli.out.write(svg)
      const { writeFileWhole } = await import('../output-file.ts')
      await writeFileWhole(options.svg, once(new TextEncoder().encode(svg)), () => {})
    }
    if (options.json === true) await cli.out.json({ entries, bytes, ...statsJson(shape, target), histogram, ...disk })
    else for (const line of describe(shape, { entries, bytes }, disk, target, histogram)) await cli.out.line(line)
  })
}

function totals({ levels }: TreeShape): { readonly nodes: number; readonly nodeBytes: number } {
  return {
    nodes: levels.reduce((sum, { nodes }) => sum + nodes, 0),
    nodeBytes: levels.reduce((sum, level) => sum + level.bytes, 0),
  }
}

function statsJson(shape: TreeShape, target: number) {
  const { values, valueBytes } = shape
  const { nodes, nodeBytes } = totals(shape)
  const levels = shape.levels.map((level) => ({ ...level }))
  return { levels, nodes, nodeBytes, values, valueBytes, fill: nodeBytes / nodes / target }
}

function describe(
  shape: TreeShape,
  tree: { readonly entries: number; readonly bytes: number },
  disk: { readonly diskBytes: number; readonly blocks: number; readonly complete: number },
  target: number,
  histogram: readonly SizeCount[],
): string[] {
  const { nodes, nodeBytes } = totals(shape)
  const rows: [string, string][] = [
    ['entries', renderCount(tree.entries)],
    ['bytes', `${renderBytes(tree.bytes)} (${renderCount(tree.bytes)})`],
    ['levels', renderCount(shape.levels.length)],
    [
      'nodes',
      `${renderCount(nodes)}, on average ${renderBytes(nodeBytes / nodes)}, fill ${renderShare(nodeBytes / nodes, target)}`,
    ],
  ]
  for (const level of shape.levels.toReversed()) {
    const average = `${renderBytes(level.bytes / level.nodes)} and ${renderCount(Math.round(level.entries / level.nodes))} entries each`
    rows.push([
      `  level ${level.level}`,
      `${renderCounted(level.nodes, 'node')}, ${average}, largest ${renderBytes(level.bytesMax)}`,
    ])
  }
  rows.push(['large values', `${renderCount(shape.values)}, ${renderBytes(shape.valueBytes)}`])
  rows.push(['disk', `${renderBytes(disk.diskBytes)}: ${renderCounted(disk.blocks, 'block')} of all states`])
  return [...renderTable(rows), 'nodes by size', ...renderHistogram(histogram)]
}

/** The sizes, from 0 to the largest there is. */
function sizesOf({ histogram }: TreeShape, step: number): SizeCount[] {
  return histogram.map((nodes, i) => ({ bytesFrom: i * step, bytesBelow: (i + 1) * step, nodes }))
}

async function* once(chunk: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield chunk
}
