/**
 * How should LMDB keep blocks? Its compression (LZ4) against none, and pages of 1 to 16 KiB (a block takes whole ones), on
 * rows that no compression shrinks and on JSON documents: write rate, read rate, bytes on disk.
 *
 *     npm run bench -- compression [--size N] [--rounds N] [--json FILE] [--markdown]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Shape } from '../data/shapes.ts'
import { Child } from '../process/child.ts'
import { withDirectory } from '../process/directory.ts'
import { requireRoom } from '../process/disk.ts'
import { MEBIBYTE } from '../report/figure.ts'
import { describeMachine, machineText } from '../report/machine.ts'
import { showBytes, showCount, showSpread } from '../report/show.ts'
import { median, spread } from '../report/statistics.ts'
import { markdownOf, textOf } from '../report/table.ts'
import type { CompressionOptions, CompressionResult } from '../rounds/compression.ts'
import { countOption } from './options.ts'

const SHAPES: readonly Shape[] = ['uniform', 'compat']
/** LMDB takes the system's own where nobody says: 4 KiB mostly, 16 KiB on Apple's machines. */
const PAGE_SIZES = [1024, 2048, 4096, 16384]
const SIZE = 500_000
const ROUNDS = 3
const TIMEOUT_MS = 120_000
const DISK_BYTES_PER_ROW = 1_000

export async function askCompression(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      size: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'string' },
      markdown: { type: 'boolean', default: false },
    },
  })
  const size = countOption('--size', values.size, SIZE)
  const rounds = countOption('--rounds', values.rounds, ROUNDS)
  requireRoom(size * DISK_BYTES_PER_ROW)
  const machine = describeMachine()
  console.log(`${machineText(machine)}\n`)
  const variants = SHAPES.flatMap((shape) =>
    PAGE_SIZES.flatMap((pageSize) =>
      [false, true].map((compression) => ({
        options: { shape, size, pageSize, compression },
        results: [] as CompressionResult[],
      })),
    ),
  )
  for (let round = 0; round < rounds; round++) {
    for (const { options, results } of variants) {
      results.push(await withDirectory((directory) => runOnce({ ...options, directory })))
    }
  }
  const table = {
    title: `blocks of a tree in LMDB, median of ${rounds} rounds`,
    words: [2],
    header: [
      'rows',
      'pages',
      'compression',
      'blocks',
      'write, MiB/s',
      'write, blocks/s',
      'read, blocks/s',
      'on disk / blocks',
    ],
    rows: variants.map(({ options, results }) => {
      const { blocks, blockBytes } = results[0] as CompressionResult
      const writes = results.map(({ writeSeconds }) => blocks / writeSeconds)
      const reads = results.map(({ readSeconds }) => blocks / readSeconds)
      return [
        options.shape,
        showBytes(options.pageSize),
        options.compression ? 'LZ4' : 'none',
        `${showCount(blocks)}, ${showBytes(blockBytes)}`,
        ((median(writes) / blocks) * (blockBytes / MEBIBYTE)).toFixed(0),
        `${showCount(median(writes))} ${showSpread(spread(writes))}`,
        `${showCount(median(reads))} ${showSpread(spread(reads))}`,
        (median(results.map(({ diskBytes }) => diskBytes)) / blockBytes).toFixed(2),
      ]
    }),
    notes: ['bar: at most 1.6 bytes on disk per byte of blocks'],
  }
  console.log(values.markdown ? markdownOf(table) : textOf(table))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, variants }, undefined, 2)}\n`)
}

async function runOnce(options: CompressionOptions): Promise<CompressionResult> {
  const child = new Child('compression.ts', [JSON.stringify(options)], TIMEOUT_MS)
  const result = JSON.parse(await child.line()) as CompressionResult
  await child.end()
  return result
}
