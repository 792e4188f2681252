/**
 * What has been measured, into the documentation: the tables of bench/results/sync.json between their marks in
 * docs/BENCHMARKS.md, as they were printed.
 *
 *     npm run bench -- report
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { COURIER_NAMES } from '../parts/profile.ts'
import type { PartName, SyncResults } from '../parts/results.ts'
import { machineText } from '../report/machine.ts'
import { partTables, syncBarTable } from '../report/sync-report.ts'
import { courierTable } from '../report/sync-tables.ts'
import { markdownOf } from '../report/table.ts'

const RESULTS = new URL('../results/sync.json', import.meta.url)
const PAGE = fileURLToPath(new URL('../../docs/BENCHMARKS.md', import.meta.url))
const BEGIN = '<!-- sync: written by `npm run bench -- report` -->'
const END = '<!-- sync: end -->'

/** Headings of the page, in its order. */
const HEADINGS: Readonly<Record<PartName, string>> = {
  copies: 'First copies, and what changed since',
  latency: 'Far away',
  history: 'After a long history',
  compat: 'Real documents',
  swarm: 'Several peers',
  crowd: 'Many replicas at once',
}

export async function askReport(): Promise<void> {
  const results = JSON.parse(readFileSync(RESULTS, 'utf8')) as SyncResults
  const page = readFileSync(PAGE, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${PAGE}: expected the marks ${BEGIN} and ${END}`)
  writeFileSync(PAGE, `${page.slice(0, begin + BEGIN.length)}\n\n${sectionsOf(results)}\n${page.slice(end)}`)
  // The page is formatted as every other one.
  execFileSync('prettier', ['--write', '--log-level', 'warn', PAGE], { stdio: 'inherit' })
}

function sectionsOf(results: SyncResults): string {
  const names = (Object.keys(HEADINGS) as PartName[]).filter((name) => results[name] !== undefined)
  const parts = names.flatMap((name) => [
    `### ${HEADINGS[name]}\n`,
    ...partTables(results, name).map(markdownOf),
    measuredLine(results, name),
  ])
  const versions = Object.assign({}, ...names.map((name) => results[name]?.versions)) as Record<string, string>
  const bars = syncBarTable(results)
  return [
    ...(bars === undefined ? [] : ['### Bars of syncing\n', markdownOf(bars)]),
    '### The couriers\n',
    markdownOf(courierTable(COURIER_NAMES, versions)),
    ...parts,
  ].join('\n')
}

function measuredLine(results: SyncResults, name: PartName): string {
  const part = results[name]
  if (part === undefined) return ''
  const { at, seconds, machine } = part
  const what = machineText(machine).replaceAll(/ {2,}/g, ' ').replaceAll('\n', ', ')
  return `Measured on ${at.slice(0, 10)} in ${seconds.toFixed(0)} s: ${what}.\n`
}
