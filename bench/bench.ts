/**
 * The benchmarks that a change may not make worse, in about a minute: medians of ROUNDS rounds, each in processes of its
 * own. Bars are printed beside, not enforced: they are for the machine they were set on.
 *
 *     npm run bench [-- --json] [-- tree|build|clone]
 */
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { Child } from './child.ts'
import { ENTRIES } from './entries.ts'
import { type Figure, MEBIBYTE } from './figure.ts'

const ROUNDS = 3
const TIMEOUT_MS = 120_000
const QUESTIONS = ['tree', 'build', 'clone']

/** What the project promises of its own machine. */
const BARS: Readonly<Record<string, { readonly least?: number; readonly most?: number }>> = {
  'bulk build in memory': { least: 500_000 },
  clone: { most: 20 },
}

interface Result extends Figure {
  readonly rounds: readonly number[]
}

/** Runs one round of a question. Its own peak memory is a figure too, where it is one process. */
async function askOnce(question: string): Promise<Figure[]> {
  const child = new Child(`${question}.ts`, [], TIMEOUT_MS)
  const figures = JSON.parse(await child.line()) as Figure[]
  const peak = child.takePeakBytes()
  await child.end()
  return question === 'build' && peak > 0
    ? [...figures, { name: 'bulk build into LMDB, peak RssAnon', value: peak, unit: 'bytes' }]
    : figures
}

async function ask(question: string): Promise<Result[]> {
  const rounds: Figure[][] = []
  for (let i = 0; i < ROUNDS; i++) rounds.push(await askOnce(question))
  return (rounds[0] ?? []).map((figure) => {
    const values = rounds.map((round) => round.find(({ name }) => name === figure.name)?.value ?? Number.NaN)
    return { ...figure, value: values.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN, rounds: values }
  })
}

function show(value: number, unit: Figure['unit']): string {
  if (unit === 'bytes') return value < MEBIBYTE ? `${count(value)} B` : `${(value / MEBIBYTE).toFixed(1)} MiB`
  if (unit === 'count') return count(value)
  if (unit === 'entries/s') return `${count(value)}/s`
  return `${value.toFixed(unit === 's' ? 3 : 1)} ${unit}`
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function barOf({ name, value }: Result): string {
  const bar = BARS[name]
  if (bar === undefined) return ''
  const isMet = value >= (bar.least ?? 0) && value <= (bar.most ?? Number.POSITIVE_INFINITY)
  const text = bar.least === undefined ? `at most ${count(bar.most ?? 0)}` : `at least ${count(bar.least)}`
  return `   bar: ${text}, ${isMet ? 'met' : 'MISSED'}`
}

function printResult(result: Result): void {
  const { name, value, unit, rounds } = result
  const spread = `${show(Math.min(...rounds), unit)} .. ${show(Math.max(...rounds), unit)}`
  console.log(`${name.padEnd(46)} ${show(value, unit).padStart(14)}   ${spread}${barOf(result)}`)
}

/** What the figures depend on. */
function machine(): Record<string, string> {
  const [cpu] = cpus()
  return {
    cpu: `${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}`,
    memory: `${(totalmem() / 1024 / MEBIBYTE).toFixed(0)} GiB`,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    commit: commit(),
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return 'none'
  }
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const questions = positionals.length === 0 ? QUESTIONS : positionals
const unknown = questions.find((question) => !QUESTIONS.includes(question))
if (unknown !== undefined) {
  console.error(`bench: expected one of ${QUESTIONS.join(', ')}, got ${JSON.stringify(unknown)}`)
  process.exit(2)
}

const start = performance.now()
const context = machine()
if (!values.json) {
  for (const [what, value] of Object.entries(context)) console.log(`${what.padEnd(8)} ${value}`)
  console.log(`${'data'.padEnd(8)} ${count(ENTRIES)} entries, keys of 16 bytes, values of 64`)
  console.log(`\n${`median of ${ROUNDS} rounds`.padStart(61)}   least .. most`)
}
const results: Result[] = []
for (const question of questions) {
  const answered = await ask(question)
  results.push(...answered)
  if (!values.json) answered.forEach(printResult)
}
const took = (performance.now() - start) / 1000
if (values.json) console.log(JSON.stringify({ ...context, entries: ENTRIES, results, seconds: took }, null, 2))
else console.log(`\n${took.toFixed(0)} s in all`)
