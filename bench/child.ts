/** Benchmarks' processes: each question is measured in processes of its own, so that none warms up or burdens another. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SAMPLE_INTERVAL_MS = 10

const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

export class Child {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #exited: Promise<void>
  #peakBytes = 0

  /** Starts `script`, a file beside this one. `timeoutMs` is for all of its life. */
  constructor(script: string, args: readonly string[], timeoutMs: number) {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'], timeout: timeoutMs })
    running.add(child)
    this.#process = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const sampling = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS)
    this.#exited = new Promise((resolve, reject) => {
      child.once('exit', (code, signal) => {
        clearInterval(sampling)
        running.delete(child)
        if (code === 0) resolve()
        else reject(new Error(`${script}: ended with ${signal ?? `exit code ${code}`}`))
      })
    })
    this.#exited.catch(() => {})
  }

  /** The next line of its standard output. */
  async line(): Promise<string> {
    const next = await this.#lines.next()
    if (next.done !== true) return next.value
    await this.#exited
    throw new Error('benchmark: its process ended and printed nothing more')
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

  /** The most anonymous memory seen since the last call (heap, buffers, stacks; not pages of mapped files). 0 outside Linux. */
  takePeakBytes(): number {
    this.#sample()
    const peak = this.#peakBytes
    this.#peakBytes = 0
    return peak
  }

  #sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, anonymousBytes(this.#process.pid))
  }
}

/** Resident anonymous memory of a process, from Linux' /proc. */
function anonymousBytes(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
