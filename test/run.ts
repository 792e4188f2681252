/**
 * The test runner: `node test/run.ts [PATTERN...]`, which is `npm test`.
 *
 * Finds `test/**\/*.test.ts` (a PATTERN keeps the files whose path contains it), runs each in a process of its own on the Node that
 * runs this, and ends with the plain line `N passed, N failed`, plus `, N skipped` when some were. Exit 0: everything passed;
 * 1: something failed, or nothing ran; 2: it was called wrongly. What counts as failed is decided in support/test-file.ts.
 *
 * The first line names the seed of all random choices; every file gets the same one. `FUZZ_SEED=<seed>` brings a run back.
 */

import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { chooseSeed } from './support/fuzz-seed.ts'
import { killRunningFiles, runTestFile, type Verdict } from './support/test-file.ts'

const USAGE = `usage: node test/run.ts [--jobs N] [--time-limit SECONDS] [--root DIRECTORY] [--verbose] [PATTERN...]`
/** Test files of the tests themselves: run only when --root names their directory. */
const SUPPORT_DIRECTORY: string = join(import.meta.dirname, 'support')
/** One more than there are cores: many files wait a lot, for sockets, processes, timers. */
const JOBS: number = Math.min(4, availableParallelism()) + 1
const PROJECT: string = resolve(import.meta.dirname, '..')

interface Options {
  readonly root: string
  readonly jobs: number
  readonly timeLimitMs: number
  readonly verbose: boolean
  /** What every file gets as FUZZ_SEED. */
  readonly seed: number
  readonly patterns: readonly string[]
}

class UsageError extends Error {}

function parseOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      jobs: { type: 'string', default: String(JOBS) },
      'time-limit': { type: 'string', default: '300' },
      root: { type: 'string', default: import.meta.dirname },
      verbose: { type: 'boolean', default: false },
    },
  })
  const jobs = Number(values.jobs)
  const timeLimitMs = Number(values['time-limit']) * 1000
  if (!Number.isInteger(jobs) || jobs < 1) throw new UsageError('--jobs: expected a count of at least 1')
  if (!(timeLimitMs > 0)) throw new UsageError('--time-limit: expected seconds above 0')
  const { root, verbose } = values
  return { root: resolve(root), jobs, timeLimitMs, verbose, seed: requireSeed(), patterns: positionals }
}

function requireSeed(): number {
  try {
    return chooseSeed()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

async function findTestFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => root.startsWith(SUPPORT_DIRECTORY) || !path.startsWith(SUPPORT_DIRECTORY))
    .sort()
}

/** A pattern that matches nothing is an error: a typing mistake must not look like success. */
function selectFiles(files: readonly string[], patterns: readonly string[]): string[] {
  const matches = (path: string, pattern: string): boolean =>
    relative(PROJECT, path).includes(pattern.replace(/^\.\//, ''))
  for (const pattern of patterns) {
    if (!files.some((path) => matches(path, pattern)))
      throw new UsageError(`no test file matches ${JSON.stringify(pattern)}`)
  }
  return patterns.length === 0 ? [...files] : files.filter((path) => patterns.some((pattern) => matches(path, pattern)))
}

async function runAll(files: readonly string[], workDir: string, options: Options): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  const queue = files.entries()
  const runNext = async (): Promise<void> => {
    for (const [index, path] of queue) {
      const fileDir = join(workDir, String(index))
      await mkdir(fileDir)
      const verdict = await runTestFile(path, {
        root: PROJECT,
        workDir: fileDir,
        timeLimitMs: options.timeLimitMs,
        allowOnly: options.patterns.length > 0,
        seed: options.seed,
      })
      printVerdict(verdict, options.verbose)
      verdicts.push(verdict)
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, runNext))
  return verdicts
}

function printVerdict(verdict: Verdict, verbose: boolean): void {
  const failed = verdict.problems.length > 0
  const counts = describeCounts(verdict.passed, verdict.failed, verdict.skipped.length)
  console.log(`${failed ? 'FAIL' : 'ok  '} ${verdict.file}: ${counts} (${verdict.seconds.toFixed(1)} s)`)
  for (const problem of verdict.problems) console.log(`     problem: ${problem}`)
  if (failed || verbose) console.log(verdict.output.trimEnd().replaceAll(/^/gm, '     | '))
}

function describeCounts(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

function printTotal(verdicts: readonly Verdict[], seconds: number, seed: number): boolean {
  const sum = (count: (verdict: Verdict) => number): number =>
    verdicts.reduce((total, verdict) => total + count(verdict), 0)
  const passed = sum((verdict) => verdict.passed)
  const failed = sum((verdict) => verdict.failed)
  console.log('')
  for (const { file, skipped } of verdicts) for (const name of skipped) console.log(`skipped: ${file}: ${name}`)
  for (const { file, problems } of verdicts) {
    if (problems.length > 0) console.log(`failed: ${file} (again: FUZZ_SEED=${seed} node test/run.ts ${file})`)
  }
  console.log(`${verdicts.length} files in ${seconds.toFixed(1)} s on Node ${process.version}`)
  console.log(
    describeCounts(
      passed,
      failed,
      sum((verdict) => verdict.skipped.length),
    ),
  )
  return failed === 0 && passed > 0
}

async function main(): Promise<number> {
  const started = performance.now()
  const options = parseOptions(process.argv.slice(2))
  const files = selectFiles(await findTestFiles(options.root), options.patterns)
  if (files.length === 0) throw new UsageError(`no test file under ${options.root}`)
  console.log(`seed: FUZZ_SEED=${options.seed}`)
  const workDir = await mkdtemp(join(tmpdir(), 'coppice-tests-'))
  // What one file compiles serves the others and the commands they start: a process loads in two thirds of the time.
  process.env['NODE_COMPILE_CACHE'] = join(workDir, 'compiled')
  try {
    const verdicts = await runAll(files, workDir, options)
    return printTotal(verdicts, (performance.now() - started) / 1000, options.seed) ? 0 : 1
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killRunningFiles()
    process.exit(130)
  })
}

try {
  process.exitCode = await main()
} catch (error) {
  killRunningFiles()
  const isUsage =
    error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true
  console.error(isUsage ? `${(error as Error).message}\n${USAGE}` : error)
  process.exitCode = isUsage ? 2 : 1
}
