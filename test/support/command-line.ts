/** The real command `coppice`, as child processes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import * as assert from 'uvu/assert'

const BIN: string = join(import.meta.dirname, '../../bin/coppice.js')
const TIME_LIMIT_MS = 30_000
/** Compiled modules of the first child serve the others of this file: a third of the time. */
const COMPILE_CACHE: string = mkdtempSync(join(tmpdir(), 'coppice-compile-cache-'))
process.on('exit', () => rmSync(COMPILE_CACHE, { recursive: true, force: true }))

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
}

/** Runs one command to its end. */
export async function coppice(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const running = start(args, options)
  running.child.stdin.end(options.input)
  return await running.ended
}

/** As {@link coppice} for what must succeed; gives standard output. */
export async function succeed(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await coppice(args, options)
  assert.is(status, 0, `coppice ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** The JSON that a command prints, one value. */
export async function succeedJson(args: readonly string[], options: RunOptions = {}): Promise<Record<string, unknown>> {
  return JSON.parse(await succeed([...args, '--json'], options)) as Record<string, unknown>
}

/** The JSON that a command prints, one value to a line. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Runs what must fail with this code: one line on standard error, exit 2, no stack. Gives the line. */
export async function fail(code: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await coppice(args, options)
  assert.is(status, 2, `coppice ${args.join(' ')}: ${stdout}${stderr}`)
  assert.ok(stderr.startsWith(`coppice: ${code}: `), `expected ${code}, got ${stderr}`)
  assert.is(stderr.indexOf('\n'), stderr.length - 1, `expected one line, got ${stderr}`)
  return stderr.trimEnd()
}

/** A command that goes on until it is told to end. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Outcome>
  /** Resolves with the first match in what it prints, from now or before. */
  line(pattern: RegExp): Promise<string>
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Outcome>
}

export function start(args: readonly string[], options: RunOptions = {}): Running {
  const { FORCE_COLOR: _, DEBUG: __, ...env } = process.env
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...env, NO_COLOR: '1', NODE_COMPILE_CACHE: COMPILE_CACHE, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => {})
  const timer = setTimeout(() => child.kill('SIGKILL'), TIME_LIMIT_MS)
  const ended = once(child, 'close').then(([status]): Outcome => {
    clearTimeout(timer)
    return { status: status as number | null, stdout, stderr }
  })
  const line = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(stdout)
      if (found !== null) return found[0]
      const over = await Promise.race([once(child.stdout, 'data').then(() => false), ended.then(() => true)])
      if (over && pattern.exec(stdout) === null) throw new Error(`ended without ${pattern}: ${stdout}${stderr}`)
    }
  }
  const end = (signal: NodeJS.Signals = 'SIGTERM'): Promise<Outcome> => {
    child.kill(signal)
    return ended
  }
  return {
    child,
    ended,
    line,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
    },
  }
}
