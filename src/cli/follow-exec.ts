/**
 * `coppice follow --exec CMD`: runs a command for what a replica completes, one after the other, with the changes on its
 * standard input. What it ended well with is confirmed on the disk; whatever it did not end well with it gets again. The
 * command line is the user's own and goes to the shell as it is written; data goes to standard input and the environment
 * alone, where no shell reads it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import process from 'node:process'
import type { Delivery } from '../db/index.ts'
import type { Replica } from '../index.ts'
import { formatLink } from '../link.ts'
import { changeJson } from './diff.ts'
import { renderJson } from './output.ts'
import { Pacer } from './pacer.ts'

export interface ExecOptions {
  readonly command: string
  readonly dir: string
  /** What the command prints goes to standard error: standard output is for JSON. */
  readonly isJson: boolean
  readonly signal: AbortSignal
  readonly note: (line: string) => void
}

const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 60_000
/** From the signal that asks the command to end to the one that ends it. */
const GRACE_MS = 5_000
/** Text handed to the command at once. */
const WRITE_CHARS = 64 * 1024

export class FollowExec {
  readonly #replica: Replica
  readonly #options: ExecOptions
  readonly #over = new AbortController()
  readonly #signal: AbortSignal
  #wake: () => void = () => {}
  /** What was told last of a command that fails. */
  #told: string | undefined

  constructor(replica: Replica, options: ExecOptions) {
    this.#replica = replica
    this.#options = options
    this.#signal = AbortSignal.any([options.signal, this.#over.signal])
  }

  /** There may be something to hand on. */
  wake(): void {
    this.#wake()
  }

  /** Ends what runs; {@link run} resolves then. */
  stop(): void {
    this.#over.abort()
  }

  /** Until it is stopped, or the signal aborts. @throws {CoppiceError} `STORE_*`, where changes cannot be read. */
  async run(): Promise<void> {
    let retryMs = RETRY_MS_MIN
    while (!this.#signal.aborted) {
      const news = new Promise<void>((wake) => (this.#wake = wake))
      const delivery = await this.#replica.delivery()
      const failure = delivery === undefined ? undefined : await this.#hand(delivery)
      if (this.#signal.aborted) return
      if (failure === undefined) {
        retryMs = RETRY_MS_MIN
        this.#told = undefined
        // What was completed while the command ran is looked for at once.
        if (delivery === undefined) await this.#pause(news)
        continue
      }
      this.#tell(failure, delivery?.from?.payload.sequence)
      await this.#pause(news, retryMs)
      retryMs = Math.min(RETRY_MS_MAX, 2 * retryMs)
    }
  }

  /** Once for each way of failing: it may be tried for days. */
  #tell(failure: string, from: number | undefined): void {
    if (failure === this.#told) return
    this.#told = failure
    const again = from === undefined ? 'the whole state' : `the changes since @${from}`
    this.#options.note(
      `coppice: --exec: the command ${failure}; it gets ${again} again, and nothing more is said until that changes`,
    )
  }

  /** Until there is news, or for `ms`. */
  async #pause(news: Promise<void>, ms?: number): Promise<void> {
    const ended = Promise.withResolvers<void>()
    const end = (): void => ended.resolve()
    const timer = ms === undefined ? undefined : setTimeout(end, ms)
    this.#signal.addEventListener('abort', end, { once: true })
    if (!this.#signal.aborted) await Promise.race([news, ended.promise])
    this.#signal.removeEventListener('abort', end)
    clearTimeout(timer)
  }

  /** Undefined where the command ended well, which is on the disk then; else how it ended. */
  async #hand(delivery: Delivery): Promise<string | undefined> {
    const child = spawn(this.#options.command, {
      shell: true,
      // A group of its own, so that all of a pipeline can be told to end.
      detached: process.platform !== 'win32',
      stdio: ['pipe', this.#options.isJson ? 2 : 'inherit', 'inherit'],
      env: { ...process.env, ...this.#environment(delivery) },
    })
    const ended = endOf(child)
    const onAbort = (): void => endGroup(child, ended)
    this.#signal.addEventListener('abort', onAbort, { once: true })
    try {
      await this.#feed(child, delivery, ended)
      const failure = await ended
      if (failure === undefined && !this.#signal.aborted) await delivery.confirm()
      return failure
    } catch (error) {
      // Input that just stopped would look like all of it.
      endGroup(child, ended)
      await ended
      if (!this.#signal.aborted) throw error
      return 'was interrupted'
    } finally {
      this.#signal.removeEventListener('abort', onAbort)
      child.stdin?.destroy()
    }
  }

  #environment({ from, to }: Delivery): Record<string, string> {
    return {
      COPPICE_NAME: this.#replica.name,
      COPPICE_DIR: resolve(this.#options.dir),
      COPPICE_SEQUENCE: String(to.payload.sequence),
      COPPICE_ROOT: formatLink(to.payload.root),
      COPPICE_FROM: from === undefined ? '' : String(from.payload.sequence),
    }
  }

  /** Writes at the speed at which the command reads. One that ends before it has read all is judged by how it ended. */
  async #feed({ stdin }: ChildProcess, delivery: Delivery, ended: Promise<unknown>): Promise<void> {
    if (stdin === null) return
    let isOver = false
    void ended.then(() => (isOver = true))
    stdin.on('error', () => (isOver = true))
    const closed = new Promise<void>((resolve) => stdin.once('close', () => resolve()))
    let text = ''
    const write = async (): Promise<void> => {
      if (!stdin.write(text)) await Promise.race([new Promise((room) => stdin.once('drain', room)), ended, closed])
      text = ''
    }
    for await (const change of new Pacer(this.#signal).over(delivery.changes())) {
      text += `${renderJson(changeJson(change))}\n`
      if (text.length >= WRITE_CHARS) await write()
      if (isOver) return
      this.#signal.throwIfAborted()
    }
    if (text !== '') await write()
    stdin.end()
  }
}

/** How the command ended; undefined: well. */
async function endOf(child: ChildProcess): Promise<string | undefined> {
  return await new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started (${error.message})`))
    child.once('exit', (code, signal) => {
      if (signal !== null) resolve(`was ended by ${signal}`)
      else resolve(code === 0 ? undefined : `ended with exit code ${code}`)
    })
  })
}

/** Asks the command and all it started to end; one that does not is ended. */
function endGroup(child: ChildProcess, ended: Promise<unknown>): void {
  signalGroup(child, 'SIGTERM')
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS)
  void ended.then(() => clearTimeout(timer))
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch {
    // It has ended.
  }
}
