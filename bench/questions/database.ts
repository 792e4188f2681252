/**
 * What does a database cost beside its tree? `build`: an author's batch and publish; `clone`: a replica over TCP and noise.
 *
 *     npm run bench -- build|clone
 */
import { ENTRIES } from '../data/entries.ts'
import { Child } from '../process/child.ts'
import type { Figure } from '../report/figure.ts'
import { showBytes, showCount, showSpread } from '../report/show.ts'
import { median, spread } from '../report/statistics.ts'
import { textOf } from '../report/table.ts'

const ROUNDS = 3
const TIMEOUT_MS = 120_000

interface Result extends Figure {
  /** Of each round. */
  readonly all: readonly number[]
}

export async function askDatabase(
  questions: readonly ('build' | 'clone')[],
  size: number = ENTRIES,
  rounds: number = ROUNDS,
): Promise<void> {
  for (const question of questions) {
    const results = await ask(question, size, rounds)
    console.log(
      textOf({
        title: `${question}: ${showCount(size)} entries, median of ${rounds} rounds`,
        header: ['', 'median', 'spread'],
        rows: results.map(({ name, value, unit, all }) => [name, show(value, unit), showSpread(spread(all))]),
      }),
    )
  }
}

async function ask(question: 'build' | 'clone', size: number, count: number): Promise<Result[]> {
  const rounds: Figure[][] = []
  while (rounds.length < count) rounds.push(await askOnce(question, size))
  return (rounds[0] ?? []).map((figure) => {
    const all = rounds.map((round) => round.find(({ name }) => name === figure.name)?.value ?? Number.NaN)
    return { ...figure, value: median(all), all }
  })
}

/** Runs one round. Its own peak memory is a figure too, where it is one process. */
async function askOnce(question: 'build' | 'clone', size: number): Promise<Figure[]> {
  const child = new Child(`${question}.ts`, [String(size)], TIMEOUT_MS)
  const figures = JSON.parse(await child.line()) as Figure[]
  const peak = child.takePeakBytes()
  await child.end()
  return question === 'build' && peak > 0
    ? [...figures, { name: 'bulk build into LMDB, peak RssAnon', value: peak, unit: 'bytes' }]
    : figures
}

function show(value: number, unit: Figure['unit']): string {
  if (unit === 'bytes') return showBytes(value)
  if (unit === 'count') return showCount(value)
  if (unit === 'entries/s') return `${showCount(value)}/s`
  return `${value.toFixed(unit === 's' ? 3 : 1)} ${unit}`
}
