/**
 * Does every benchmark still run? All questions at sizes that teach nothing of speed, every engine and every shape once.
 * Fails where anything fails.
 *
 *     npm run bench -- smoke
 */
import { askCompression } from './compression.ts'
import { askDatabase } from './database.ts'
import { askGrowth } from './growth.ts'
import { askScale } from './scale.ts'
import { ENTRY_BYTES, VALUE_BYTES } from '../data/entries.ts'
import { SMOKE } from '../parts/profile.ts'
import { PARTS, type Step, type SyncResults } from '../parts/results.ts'
import { askSync } from './sync.ts'
import { askTree } from './tree.ts'

const SIZE = 1_000

export async function askSmoke(): Promise<void> {
  await askTree(['--quick', '--shapes', 'uniform'])
  await askTree(['--quick', '--engines', 'coppice,coppice-lmdb'])
  await askGrowth(['--max', String(SIZE)])
  await askScale(['--sizes', String(SIZE)])
  await askCompression(['--size', String(SIZE), '--rounds', '1'])
  await askDatabase(['build', 'clone'], SIZE, 1)
  requireFigures(await askSync([], SMOKE))
}

/** Parts have results, couriers went through all they were asked for, and every figure is one. */
function requireFigures(results: SyncResults): void {
  for (const name of PARTS) {
    if ((results[name]?.results ?? []).length === 0) throw new Error(`sync: expected results of ${name}, got none`)
  }
  const { copies, latency, history } = results
  for (const { courier, steps } of [copies, latency, history].flatMap((part) => part?.results ?? [])) {
    const odd = steps.flatMap(oddFigures)
    if (odd.length > 0) throw new Error(`sync: expected figures of ${courier}, got ${odd.join(', ')}`)
  }
  const shapes = new Set(copies?.results.map(({ steps }) => steps.map(({ name }) => name).join()))
  if (shapes.size !== 1)
    throw new Error(`sync: expected the same pulls of every courier, got ${[...shapes].join(' and ')}`)
}

/** A pull takes time and bytes: of rows that no compression shrinks, all of theirs that are new. */
function oddFigures({ name, rows, seconds, wireBytes, details }: Step): string[] {
  const least = name === 'clone' ? rows * ENTRY_BYTES : rows * VALUE_BYTES
  const { way: _, ...counted } = details ?? {}
  const figures = { seconds, wireBytes, ...counted }
  const wrong = Object.entries(figures).filter(([, figure]) => !(figure > 0 && Number.isFinite(figure)))
  return [
    ...wrong.map(([what, figure]) => `${name}: ${what} ${figure}`),
    ...(wireBytes < least ? [`${name}: ${wireBytes} bytes for at least ${least}`] : []),
  ]
}
