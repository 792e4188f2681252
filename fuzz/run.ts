/**
 * The fuzz runner: `npm run fuzz -- NAME [--seed S] [--time T] [--cases N]`, `npm run fuzz -- --list`.
 *
 * Runs a target over the seeds S, S+1, ... until the time is up or N cases are done; NAME `all` is every target but the canary, each
 * for T. A case that throws, hangs, kills its process or leaves it is a failure: its seed is printed with the command that replays
 * that one case. Exit 0: every case held; 1: one did not; 2: it was called wrongly. README.md tells how to write a target.
 */

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { decodeProgress, type Progress } from './support/progress.ts'
import { type FuzzTarget } from './support/target.ts'

const USAGE = `usage: npm run fuzz -- NAME|all [--seed S] [--time 60s|5m|1h] [--cases N] [--case-limit 60s]
       npm run fuzz -- --list`
/** Fails on purpose, so it is no part of `all`. */
const CANARY = 'canary'
const POLL_MS = 100
const WORKER: string = join(import.meta.dirname, 'support/worker.ts')

interface Options {
  readonly seed: number
  readonly timeMs: number
  readonly cases: number
  /** A case that takes longer hangs. */
  readonly caseLimitMs: number
}

interface Outcome extends Progress {
  /** Undefined when every case held. */
  readonly failure: string | undefined
}

class UsageError extends Error {}

function parseDuration(text: string, option: string): number {
  const [, count = '', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? []
  if (count === '')
    throw new UsageError(`${option}: expected a duration such as 30s, 5m or 1h, got ${JSON.stringify(text)}`)
  const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN
  return Number(count) * unitMs
}

function parseCount(text: string, option: string, max: number): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count > max)
    throw new UsageError(`${option}: expected 0..${max}, got ${JSON.stringify(text)}`)
  return count
}

async function findTargets(): Promise<Map<string, string>> {
  const names = await readdir(import.meta.dirname)
  const files = names.filter((name) => name.endsWith('.ts') && name !== 'run.ts').sort()
  return new Map(files.map((name) => [basename(name, '.ts'), join(import.meta.dirname, name)]))
}

async function loadTarget(path: string): Promise<FuzzTarget> {
  const target = (await import(pathToFileURL(path).href)) as Partial<FuzzTarget>
  if (typeof target.summary !== 'string' || typeof target.run !== 'function') {
    throw new TypeError(`${path}: expected the exports \`summary\` and \`run\` of a fuzz target`)
  }
  return { summary: target.summary, run: target.run }
}

async function runTarget(path: string, options: Options): Promise<Outcome> {
  const dir = await mkdtemp(join(tmpdir(), 'coppice-fuzz-'))
  const progressFile = join(dir, 'progress')
  const readProgress = async (): Promise<Progress> =>
    decodeProgress(await readFile(progressFile).catch(() => new Uint8Array()))
  const numbers = [options.seed, options.cases, options.timeMs].map(String)
  const child = spawn(process.execPath, [WORKER, path, progressFile, ...numbers], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : `the process ended with ${code ?? signal}`))
  })
  try {
    const stopWatching = new AbortController()
    const hung = waitForHang(readProgress, options.caseLimitMs, stopWatching.signal)
    const failure = await Promise.race([ended, hung])
    stopWatching.abort()
    const progress = await readProgress()
    return {
      ...progress,
      failure: failure ?? (progress.done ? undefined : 'the process was left in the middle of a case'),
    }
  } finally {
    child.kill('SIGKILL')
    await ended
    await rm(dir, { recursive: true, force: true })
  }
}

/** Gives a description once a case takes longer than the limit; never, when `signal` aborts before. */
async function waitForHang(read: () => Promise<Progress>, limitMs: number, signal: AbortSignal): Promise<string> {
  let cases = -1
  let since = performance.now()
  while (!signal.aborted) {
    const progress = await read()
    // Until the first case the process starts, which is no case.
    if (progress.cases !== cases || cases === 0) {
      cases = progress.cases
      since = performance.now()
    }
    if (performance.now() - since > limitMs) return `the case took longer than ${limitMs / 1000} s`
    await delay(POLL_MS)
  }
  return new Promise(() => {})
}

async function runNamed(name: string, path: string, options: Options): Promise<boolean> {
  const started = performance.now()
  await loadTarget(path)
  const outcome = await runTarget(path, options)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (outcome.failure === undefined) {
    console.log(`ok   ${name}: ${outcome.cases} cases from seed ${options.seed} in ${seconds} s`)
    return true
  }
  console.log(`FAIL ${name}: seed ${outcome.seed}, case ${outcome.cases}, after ${seconds} s: ${outcome.failure}`)
  console.log(`     replay: npm run fuzz -- ${name} --seed ${outcome.seed} --cases 1`)
  return false
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      seed: { type: 'string' },
      time: { type: 'string' },
      cases: { type: 'string' },
      'case-limit': { type: 'string', default: '60s' },
    },
  })
  const targets = await findTargets()
  if (values.list) {
    for (const [name, path] of targets) console.log(`${name.padEnd(12)} ${(await loadTarget(path)).summary}`)
    return 0
  }
  const [name, ...rest] = positionals
  if (name === undefined || rest.length > 0) throw new UsageError('expected the name of one target, or all')
  const chosen = [...targets].filter(([target]) => (name === 'all' ? target !== CANARY : target === name))
  if (chosen.length === 0) throw new UsageError(`no such target: ${name}; there are ${[...targets.keys()].join(', ')}`)
  const seedText = values.seed ?? process.env['FUZZ_SEED']
  const cases = values.cases === undefined ? Infinity : parseCount(values.cases, '--cases', 2 ** 32)
  const options: Options = {
    seed: seedText === undefined ? randomInt(2 ** 32) : parseCount(seedText, '--seed', 2 ** 32 - 1),
    timeMs: parseDuration(values.time ?? (values.cases === undefined ? '60s' : '24h'), '--time'),
    cases,
    caseLimitMs: parseDuration(values['case-limit'], '--case-limit'),
  }
  let allHeld = true
  for (const [target, path] of chosen) allHeld = (await runNamed(target, path, options)) && allHeld
  return allHeld ? 0 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true
  console.error(isUsage ? `${(error as Error).message}\n${USAGE}` : error)
  process.exitCode = isUsage ? 2 : 1
}
