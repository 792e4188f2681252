/**
 * What does it take to get a copy of a database and to keep up with it, beside what people use instead? Authors and replicas
 * in processes of their own, over TCP, into durable copies; what is kept of a part that has ended is not lost with the next.
 *
 *     npm run bench -- sync [PART...] [--quick] [--couriers coppice,rsync] [--sizes N,N] [--rounds N] [--shapes one,all]
 *                           [--links far,lossy] [--upload KIB] [--json FILE] [--svg FILE] [--markdown]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { COURIERS, courierNamed } from '../couriers/index.ts'
import { programVersion } from '../couriers/programs.ts'
import { peerVersion } from '../engines/load-peer.ts'
import { measureCompat } from '../parts/compat.ts'
import { liveOnce } from '../parts/life.ts'
import {
  ALL_SHAPES,
  COURIER_NAMES,
  copyLives,
  FULL,
  historyLives,
  latencyLives,
  LINK_NAMES,
  type Lives,
  type Profile,
  QUICK,
  SMOKE,
} from '../parts/profile.ts'
import { type Life, type LinkName, type Part, type PartName, PARTS, type SyncResults } from '../parts/results.ts'
import { measureCrowd, measureSwarm } from '../parts/swarm.ts'
import { requireRoom } from '../process/disk.ts'
import { installPeers } from '../process/install-peers.ts'
import { describeMachine, type Machine, machineText } from '../report/machine.ts'
import { readableReason } from '../report/reason.ts'
import { syncPlot } from '../report/sync-plot.ts'
import { partTables, syncBarTable } from '../report/sync-report.ts'
import { markdownOf, type Table, textOf } from '../report/table.ts'
import { countOption, listOption } from './options.ts'

/** Author and replica, and what changing every row leaves behind. */
const DISK_BYTES_PER_ROW = 800

interface Plan {
  readonly parts: readonly PartName[]
  readonly profile: Profile
  readonly couriers: readonly string[]
  readonly shapes: typeof ALL_SHAPES
  readonly links: readonly LinkName[]
  readonly json: string | undefined
  readonly svg: string | undefined
  readonly isMarkdown: boolean
}

/** @returns everything, what the file had before included */
export async function askSync(args: string[], usual: Profile = FULL): Promise<SyncResults> {
  const plan = parsePlan(args, usual)
  const packages = plan.couriers.flatMap((name) => courierNamed(name).packages)
  if (packages.length > 0) installPeers()
  requireRoom(Math.max(...plan.profile.sizes.map(([size]) => size)) * DISK_BYTES_PER_ROW)
  const machine = describeMachine()
  const versions = versionsOf(plan.couriers)
  const [able, absent] = installed(plan.couriers)
  console.log(`${machineText(machine)}\n`)
  const results = readResults(plan.json)
  for (const name of plan.parts) {
    const start = performance.now()
    let measured: Measured
    try {
      measured = await measure(name, { ...plan, couriers: able })
    } catch (error) {
      // The other parts are worth having all the same.
      console.error(`${name} failed: ${readableReason(error)}`)
      process.exitCode = 1
      continue
    }
    const part: Part<unknown> = {
      at: new Date().toISOString(),
      seconds: (performance.now() - start) / 1000,
      machine,
      versions,
      skipped: [...new Set([...absent, ...measured.skipped])],
      results: measured.results,
    }
    Object.assign(results, { [name]: part })
    for (const table of partTables(results, name)) print(table, plan)
    console.log(`${name}: ${part.seconds.toFixed(0)} s\n`)
    save(results, machine, plan)
  }
  const bars = syncBarTable(results)
  if (bars !== undefined) print(bars, plan)
  requireSuccess(results, plan, usual === SMOKE)
  return results
}

function parsePlan(args: string[], usual: Profile): Plan {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      couriers: { type: 'string' },
      sizes: { type: 'string' },
      rounds: { type: 'string' },
      shapes: { type: 'string' },
      links: { type: 'string' },
      upload: { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      markdown: { type: 'boolean', default: false },
    },
  })
  const profile = values.quick ? QUICK : usual
  const sizes = values.sizes?.split(',').map((size) => [countOption('--sizes', size, 0), 1] as const)
  const rounds = values.rounds === undefined ? undefined : countOption('--rounds', values.rounds, 1)
  const upload = values.upload === undefined ? undefined : countOption('--upload', values.upload, 1)
  const chosen = (sizes ?? profile.sizes).map(([size, usually]) => [size, rounds ?? usually] as const)
  return {
    parts: listOption('part', positionals.length > 0 ? positionals.join(',') : undefined, PARTS),
    profile: {
      ...profile,
      sizes: chosen,
      crowdBytesPerSecond: upload === undefined ? profile.crowdBytesPerSecond : upload * 1024,
    },
    couriers: listOption('--couriers', values.couriers, COURIER_NAMES),
    shapes: listOption('--shapes', values.shapes, ALL_SHAPES),
    links: values.links === undefined ? profile.links : listOption('--links', values.links, LINK_NAMES),
    json: values.json,
    svg: values.svg,
    isMarkdown: values.markdown,
  }
}

interface Measured {
  readonly results: readonly unknown[]
  /** What was left out, and why. */
  readonly skipped: readonly string[]
}

async function measure(part: PartName, { profile, couriers, shapes, links }: Plan): Promise<Measured> {
  switch (part) {
    case 'copies':
      return await runLives(copyLives(profile, couriers, shapes))
    case 'latency':
      return await runLives(latencyLives(profile, couriers, links))
    case 'history':
      return await runLives(historyLives(profile, couriers))
    case 'compat':
      return { results: [await measureCompat(profile.compatDocuments)], skipped: [] }
    case 'swarm':
      return { results: [await measureSwarm(profile)], skipped: [] }
    case 'crowd':
      return { results: [await measureCrowd(profile)], skipped: [] }
  }
}

async function runLives({ plans, skipped }: Lives): Promise<{ results: Life[]; skipped: string[] }> {
  const results: Life[] = []
  for (const plan of plans) {
    const life = await liveOnce(plan)
    results.push(life)
    console.error(lifeLine(life))
  }
  const failures = results.flatMap(({ courier, size, failure }) =>
    failure === undefined ? [] : [`${courier} at ${size.toLocaleString('en-US')} rows: failed, ${failure}`],
  )
  return { results, skipped: [...skipped, ...failures] }
}

/** What was measured just now: a run that is interrupted has said as much. */
function lifeLine({ courier, size, link, depth, steps, failure }: Life): string {
  const figures = steps.map(({ name, seconds, wireBytes }) => `${name} ${seconds.toFixed(2)} s ${wireBytes} B`)
  const after = depth > 0 ? ` ${depth} deep` : ''
  return `${courier} ${size} ${link}${after}: ${[...figures, ...(failure === undefined ? [] : [failure])].join(', ')}`
}

/** Those that can run here, and why the others cannot. */
function installed(couriers: readonly string[]): readonly [able: string[], absent: string[]] {
  const lacks = (name: string): string | undefined => {
    const { packages, programs } = courierNamed(name)
    return (
      programs.find((each) => programVersion(each) === undefined) ??
      packages.find((each) => peerVersion(each) === 'absent')
    )
  }
  return [
    couriers.filter((name) => lacks(name) === undefined),
    couriers.filter((name) => lacks(name) !== undefined).map((name) => `${name}: ${lacks(name)} is not installed`),
  ]
}

function versionsOf(couriers: readonly string[]): Record<string, string> {
  const own = COURIERS.filter(({ name }) => couriers.includes(name))
  return Object.fromEntries([
    ...own.flatMap(({ packages }) => packages.map((name) => [name, `${name} ${peerVersion(name)}`] as const)),
    ...own.flatMap(({ programs }) => programs.map((name) => [name, programVersion(name) ?? 'absent'] as const)),
  ])
}

/** What an earlier run kept in the same file: parts that are not measured now stay as they are. */
function readResults(path: string | undefined): SyncResults {
  if (path === undefined) return {}
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as SyncResults
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

function save(results: SyncResults, machine: Machine, { json, svg }: Plan): void {
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, undefined, 2)}\n`)
  const plot = svg === undefined ? undefined : syncPlot(results, machine)
  if (svg !== undefined && plot !== undefined) writeFileSync(svg, plot)
}

/** A peer that fails is a line. coppice may not fail, nor anybody in a run whose purpose is to find that out. */
function requireSuccess({ copies, latency, history }: SyncResults, { parts }: Plan, isSmoke: boolean): void {
  const lives = Object.entries({ copies, latency, history })
    .filter(([name]) => parts.includes(name as PartName))
    .flatMap(([, part]) => part?.results ?? [])
  const failed = lives.filter(({ courier, failure }) => failure !== undefined && (isSmoke || courier === 'coppice'))
  for (const { courier, failure } of failed) console.error(`${courier} failed: ${failure}`)
  if (failed.length > 0) process.exitCode = 1
}

function print(table: Table, { isMarkdown }: Plan): void {
  console.log(isMarkdown ? markdownOf(table) : textOf(table))
}
