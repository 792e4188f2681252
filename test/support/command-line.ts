/**
 * The command `coppice` as tests run it. Most ask for what a command prints and how it exits: {@link coppice} runs these in one
 * process for the whole file (processes/command-host.ts), because to start Node costs ten times what a command does. What is about
 * the process itself (signals, pipes, two at a time) is a process of its own: {@link start}, `ownProcess`.
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import * as assert from 'uvu/assert'

const BIN: string = join(import.meta.dirname, '../../bin/coppice.js')
const HOST: string = join(import.meta.dirname, 'processes/command-host.ts')
/** For what hangs: the runner's own limit would leave it running. */
const TIME_LIMIT_MS = 200_000

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** For what only a process has: descriptors, or to show that it does the same. */
  readonly ownProcess?: true
}

/** What the host of commands is asked, and what it answers. */
export interface HostedCommand {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly input: Uint8Array
}
export type HostedOutcome = Outcome

/** Runs one command to its end; in the process that this file's commands share, one at a time, unless it asks for its own. */
export async function coppice(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  if (options.ownProcess === true) {
    const running = start(args, options)
    running.child.stdin.end(options.input)
    return await running.ended
  }
  const outcome = last.then(() => runHosted(args, options))
  last = outcome.catch(() => {})
  return await outcome
}

let last: Promise<unknown> = Promise.resolve()
let host: ChildProcess | undefined

async function runHosted(args: readonly string[], options: RunOptions): Promise<Outcome> {
  host ??= startHost()
  const { cwd = process.cwd(), input = '' } = options
  const command: HostedCommand = { args, cwd, env: environment(options), input: Buffer.from(input) }
  const { promise, resolve, reject } = Promise.withResolvers<HostedOutcome>()
  const onExit = (code: number | null, signal: string | null): void => {
    host = undefined
    reject(new Error(`coppice ${args.join(' ')}: ended its process (${code ?? signal})`))
  }
  host.once('message', resolve).once('exit', onExit).ref()
  host.channel?.ref()
  host.send(command)
  try {
    return await promise
  } finally {
    host?.off('message', resolve).off('exit', onExit).unref()
    host?.channel?.unref()
  }
}

function startHost(): ChildProcess {
  return fork(HOST, { serialization: 'advanced', execArgv: ['--disable-warning=ExperimentalWarning'] })
}

/** The file is over when its host is: it must not be left running. */
process.on('beforeExit', () => {
  if (host?.connected !== true) return
  host.ref()
  host.disconnect()
})
process.on('exit', () => host?.kill('SIGKILL'))

function environment(options: RunOptions): Record<string, string> {
  const { FORCE_COLOR: _, DEBUG: __, ...env } = process.env
  return { ...(env as Record<string, string>), NO_COLOR: '1', ...options.env }
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
  /** What it has said so far on standard error. */
  readonly stderr: string
  /** Resolves with the first match in what it prints, from now or before. */
  line(pattern: RegExp): Promise<string>
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Outcome>
}

export function start(args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: environment(options),
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
    get stderr() {
      return stderr
    },
    line,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
    },
  }
}
