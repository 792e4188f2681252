/** Benchmarks' processes: each question is measured in processes of its own, so that none warms up or burdens another. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { anonymousBytes, anonymousTreeBytes } from './usage.ts'

const SAMPLE_INTERVAL_MS = 10
/** Finding what a process started takes a look at every process. */
const TREE_SAMPLE_INTERVAL_MS = 100

const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

export class Child {
  readonly #process: ChildProcess
  readonly #measured: (pid: number | undefined) => number
  readonly #lines: AsyncIterator<string>
  readonly #exited: Promise<void>
  #peakBytes = 0
  #errors = ''

  /**
   * Starts `script`, a file of ../rounds. `timeoutMs` is for all of its life. What it says on its standard error is shown
   * only where it fails. With `startsOthers` its memory is also that of what it starts.
   */
  constructor(script: string, args: readonly string[], timeoutMs: number, startsOthers: boolean = false) {
    const path = fileURLToPath(new URL(`../rounds/${script}`, import.meta.url))
    const child = spawn(process.execPath, ['--expose-gc', path, ...args], { stdio: 'pipe' })
    running.add(child)
    this.#process = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    child.stderr.on('data', (text: Buffer) => (this.#errors = (this.#errors + text.toString()).slice(-ERROR_CHARS_MAX)))
    this.#measured = startsOthers ? anonymousTreeBytes : anonymousBytes
    const interval = startsOthers ? TREE_SAMPLE_INTERVAL_MS : SAMPLE_INTERVAL_MS
    const sampling = setInterval(() => this.#sample(), interval)
    // Told something after its end: why it ended is what its next line fails with.
    child.stdin.on('error', () => {})
    let isLate = false
    // By force: a native module in a loop would not notice a gentler signal.
    const patience = setTimeout(() => (isLate = child.kill('SIGKILL')), timeoutMs)
    this.#exited = new Promise((resolve, reject) => {
      child.once('close', (code, signal) => {
        clearInterval(sampling)
        clearTimeout(patience)
        running.delete(child)
        if (code === 0) resolve()
        else if (isLate) reject(new Error(`timed out after ${timeoutMs / 1000} s`))
        else reject(new Error(`ended with ${signal ?? `exit code ${code}`}: ${lastLine(this.#errors)}`))
      })
    })
    this.#exited.catch(() => {})
  }

  /** The next line of its standard output. */
  async line(): Promise<string> {
    const next = await this.#lines.next()
    if (next.done !== true) return next.value
    await this.#exited
    throw new Error('its process ended and printed nothing more')
  }

  /** Gives it a line to read. */
  tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  /** Ends its standard input, upon which it ends, and waits for that. */
  async end(): Promise<void> {
    this.#process.stdin?.end()
    await this.#exited
  }

  /** Ends it at once; nothing where it has ended. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** The most anonymous memory seen since the last call, of it and what it started. 0 outside Linux. */
  takePeakBytes(): number {
    this.#sample()
    const peak = this.#peakBytes
    this.#peakBytes = 0
    return peak
  }

  #sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, this.#measured(this.#process.pid))
  }
}

const ERROR_CHARS_MAX = 4_000

/** The line that names an error, of what Node prints for one that nobody caught. */
function lastLine(errors: string): string {
  const lines = errors.split('\n').filter((line) => line.trim() !== '')
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? 'it said nothing'
}
