/**
 * Runs one test file in a process of its own and decides whether it may count as passed.
 *
 * The invariant: a file passes only if uvu finished, once, as the last thing the process said; if every test that was registered
 * was run; and if the process then ended by itself, in time, with exit code 0 and no process left behind. Anything else is a
 * problem, named in the verdict.
 *
 * Standard output and error go to one file and not through pipes: their order is exact, and a stray grandchild that holds them
 * cannot keep the runner waiting. Each file leads a process group (POSIX), which is what a time limit ends.
 */

import { spawn } from 'node:child_process'
import { open, readFile, readdir, type FileHandle } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { type SuiteTally } from './uvu-guard.ts'

/** Of a longer output only the end is kept. */
const OUTPUT_BYTES_MAX = 1024 * 1024
/** How long processes which a test has just ended may take to disappear. */
const LEFTOVER_GRACE_MS = 5000
const GUARD_URL: string = new URL('uvu-guard.ts', import.meta.url).href
const SUMMARY = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n {2}Duration: .*\n/gm

export interface TestFileOptions {
  /** The directory the file is run in; the verdict names the file relative to it. */
  readonly root: string
  /** An existing directory for the captured output, unique to this file. */
  readonly workDir: string
  readonly timeLimitMs: number
  /** Whether `.only` may hide other tests: yes when somebody works on one file, never when all of them run. */
  readonly allowOnly: boolean
  /** Of all random choices in the file: it stands in FUZZ_SEED. */
  readonly seed: number
}

export interface Verdict {
  readonly file: string
  readonly passed: number
  /** Tests that failed, and one more when the file itself has a problem. */
  readonly failed: number
  readonly skipped: readonly string[]
  readonly seconds: number
  /** Empty iff the file passed. */
  readonly problems: readonly string[]
  readonly output: string
}

interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly timedOut: boolean
  readonly leftover: boolean
}

const running = new Set<number>()

/** Ends every test file that is running now, with what it started. For an interrupted run. */
export function killRunningFiles(): void {
  for (const pid of running) killGroup(pid)
}

export async function runTestFile(path: string, options: TestFileOptions): Promise<Verdict> {
  const started = performance.now()
  const tallyFile = join(options.workDir, 'tally.json')
  const log = await open(join(options.workDir, 'output'), 'a+')
  try {
    const ending = await runProcess(path, log, tallyFile, options)
    const output = await readEnd(log)
    const judged = judge(output, await readTally(tallyFile), ending, options)
    return { file: relative(options.root, path), seconds: (performance.now() - started) / 1000, output, ...judged }
  } finally {
    await log.close()
  }
}

async function runProcess(path: string, log: FileHandle, tally: string, options: TestFileOptions): Promise<Ending> {
  const { FORCE_COLOR: _, ...env } = process.env
  const child = spawn(process.execPath, ['--import', GUARD_URL, path], {
    cwd: options.root,
    env: { ...env, NO_COLOR: '1', TEST_TALLY_FILE: tally, FUZZ_SEED: String(options.seed) },
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  })
  const { promise, resolve, reject } = Promise.withResolvers<[number | null, NodeJS.Signals | null]>()
  child.once('error', reject)
  child.once('exit', (code, signal) => resolve([code, signal]))
  const pid = child.pid
  if (pid === undefined) return promise.then(() => Promise.reject(new Error('the process did not start')))
  running.add(pid)
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    killGroup(pid)
  }, options.timeLimitMs)
  try {
    const [code, signal] = await promise
    const leftover = !timedOut && (await hasLeftover(pid))
    return { code, signal, timedOut, leftover }
  } finally {
    clearTimeout(timer)
    killGroup(pid)
    running.delete(pid)
  }
}

function judge(
  output: string,
  tally: readonly SuiteTally[] | undefined,
  ending: Ending,
  options: TestFileOptions,
): Pick<Verdict, 'passed' | 'failed' | 'skipped' | 'problems'> {
  const text = stripVTControlCharacters(output)
  const summaries = [...text.matchAll(SUMMARY)]
  const summary = summaries.at(-1)
  const total = Number(summary?.[1] ?? 0)
  const passed = Number(summary?.[2] ?? 0)
  const after = summary === undefined ? '' : text.slice(summary.index + summary[0].length).trim()
  const problems: string[] = []
  if (ending.timedOut) {
    const state =
      summary === undefined ? 'before its tests were done' : 'although its tests were done: something is still open'
    problems.push(`it ran into the time limit of ${options.timeLimitMs / 1000} s, ${state}`)
  } else if (summary === undefined) {
    problems.push(
      `no summary of uvu (exit ${ending.code ?? ending.signal}): did the file forget .run(), crash or exit early?`,
    )
  }
  if (summaries.length > 1) problems.push('uvu finished more than once: one suite per file')
  if (summary !== undefined && after !== '') problems.push('it wrote something after uvu had finished')
  if (ending.leftover) problems.push('it left processes running')
  if (!ending.timedOut) problems.push(...judgeTally(tally, summary === undefined ? undefined : total, options))
  const failedTests = total - passed
  if (!ending.timedOut && ending.code !== 0 && failedTests === 0 && problems.length === 0) {
    problems.push(`it ended with ${ending.code ?? ending.signal} although no test failed`)
  }
  const failed = failedTests + (problems.length > 0 ? 1 : 0)
  if (failedTests > 0) problems.push(`${failedTests} of ${total} tests failed`)
  return { passed, failed, skipped: tally?.flatMap((suite) => suite.skipped) ?? [], problems }
}

/** What the books say; `total` is undefined when uvu did not finish, which is a problem of its own. */
function judgeTally(
  tally: readonly SuiteTally[] | undefined,
  total: number | undefined,
  options: TestFileOptions,
): string[] {
  if (tally === undefined) return total === undefined ? [] : ['it left no tally: it did not end by itself']
  const problems: string[] = []
  if (tally.length === 0) problems.push('it registers no suite')
  for (const suite of tally) {
    if (suite.pending > 0) problems.push(`suite "${suite.name}" has ${suite.pending} tests that no .run() runs`)
    if (suite.tests + suite.only + suite.skipped.length === 0) problems.push(`suite "${suite.name}" has no test`)
    if (suite.only > 0 && !options.allowOnly) problems.push(`suite "${suite.name}" has a .only left in it`)
  }
  const registered = tally.reduce((sum, suite) => sum + (suite.only > 0 ? suite.only : suite.tests), 0)
  if (total !== undefined && problems.length === 0 && total !== registered) {
    problems.push(`${registered} tests were registered and uvu counted ${total}`)
  }
  return problems
}

async function readTally(path: string): Promise<SuiteTally[] | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as SuiteTally[]
  } catch {
    return undefined
  }
}

async function readEnd(log: FileHandle): Promise<string> {
  const { size } = await log.stat()
  const start = Math.max(0, size - OUTPUT_BYTES_MAX)
  const { bytesRead, buffer } = await log.read(Buffer.alloc(size - start), 0, size - start, start)
  const text = buffer.toString('utf8', 0, bytesRead)
  return start === 0 ? text : `[${start} bytes left out]\n${text}`
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Whether processes of the group are alive, once those that were told to end had time to. */
async function hasLeftover(pid: number): Promise<boolean> {
  const deadline = performance.now() + LEFTOVER_GRACE_MS
  while (await isGroupAlive(pid)) {
    if (performance.now() > deadline) return true
    await delay(20)
  }
  return false
}

async function isGroupAlive(group: number): Promise<boolean> {
  try {
    process.kill(-group, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  // A zombie answers the signal too, and where nobody reaps orphans (a container without init) it does so for ever.
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (pgrp === String(group) && state !== 'Z' && state !== 'X') return true
  }
  return false
}
