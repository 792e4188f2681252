/**
 * The demo's processes: commands that run to their end and servers that go on, in one directory. Each has a time limit,
 * and none survives the demo, however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('../bin/coppice.js', import.meta.url))
const COMMAND_TIMEOUT_MS = 60_000
const SERVER_TIMEOUT_MS = 300_000
const FIRST_LINE_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 5_000

/** What a command did. */
export interface Run {
  readonly stdout: string
  readonly exitCode: number
  readonly seconds: number
  /** `performance.now()` at its first output. */
  readonly outputAt: number
}

export class Processes {
  readonly #directory: string
  readonly #running = new Set<Process>()

  /** All processes run in `directory`. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * Runs `coppice` with `args` to its end. @throws where it exits with another code than `exitCode`, with what it said.
   */
  async coppice(args: readonly string[], exitCode: number = 0): Promise<Run> {
    const startedAt = performance.now()
    const child = this.#spawn([COMMAND, ...args], COMMAND_TIMEOUT_MS)
    const ended = await child.ended
    if (ended.exitCode !== exitCode) throw new Error(`coppice ${args[0]}: ${child.describeEnd(ended)}`)
    return { stdout: child.stdout, exitCode, seconds: (performance.now() - startedAt) / 1000, outputAt: child.outputAt }
  }

  /** Starts `coppice` with `args`, which serves until it is stopped. Resolves with its first output. */
  async startCoppice(args: readonly string[]): Promise<Process> {
    return await this.#start([COMMAND, ...args])
  }

  /** As {@link startCoppice}, for a script beside this file. */
  async startScript(name: string, args: readonly string[]): Promise<Process> {
    return await this.#start([fileURLToPath(new URL(name, import.meta.url)), ...args])
  }

  /** Asks all that still run to end, and waits for that. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((child) => child.stop()))
  }

  /** For the very end, when there is no time to wait. */
  kill(): void {
    for (const child of this.#running) child.kill()
  }

  async #start(args: readonly string[]): Promise<Process> {
    const child = this.#spawn(args, SERVER_TIMEOUT_MS)
    const late = AbortSignal.timeout(FIRST_LINE_TIMEOUT_MS)
    await child.line(() => true, late)
    return child
  }

  #spawn(args: readonly string[], timeoutMs: number): Process {
    const child = new Process(this.#directory, args, timeoutMs)
    this.#running.add(child)
    void child.ended.then(() => this.#running.delete(child))
    return child
  }
}

interface End {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

/** A child process and all it has said. */
export class Process {
  /** Settles when it is gone; never rejects. */
  readonly ended: Promise<End>
  /** `performance.now()` at its first output. */
  outputAt = 0
  stdout = ''
  #stderr = ''
  readonly #child: ChildProcess
  #wake: () => void = () => {}

  constructor(directory: string, args: readonly string[], timeoutMs: number) {
    const child = spawn(process.execPath, args, {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    })
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (this.stdout === '') this.outputAt = performance.now()
      this.stdout += text
      this.#wake()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-2000)))
    this.ended = new Promise((resolve) => {
      child.once('error', () => resolve({ exitCode: null, signal: null }))
      child.once('close', (exitCode, signal) => resolve({ exitCode, signal }))
    })
    void this.ended.then(() => this.#wake())
  }

  /** The first whole line that `isWanted`. @throws where it ends before, or when `signal` aborts. */
  async line(isWanted: (line: string) => boolean, signal: AbortSignal): Promise<string> {
    for (;;) {
      const found = this.stdout.split('\n').slice(0, -1).find(isWanted)
      if (found !== undefined) return found
      const end = await Promise.race([this.ended, this.#moreOutput(signal)])
      if (end !== undefined) throw new Error(this.describeEnd(end))
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT_MS)
    await this.ended
    clearTimeout(timer)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  describeEnd({ exitCode, signal }: End): string {
    const said = this.#stderr.trim() || 'it said nothing'
    return `ended with ${signal ?? `exit code ${exitCode}`}: ${said}`
  }

  async #moreOutput(signal: AbortSignal): Promise<undefined> {
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve
      signal.addEventListener('abort', () => reject(new Error('a process said nothing in time')), { once: true })
    })
  }
}
