/**
 * How far a thing is: on a terminal one line that is painted again and again, for what takes over a second; elsewhere, of
 * what takes long, a line of JSON now and then, for logs and for programs.
 */

const SHOWN_AFTER_MS = 1000
const REPAINT_MS = 200
/** Into a log the first line after so long, or as long again while there is nothing to say yet, and another one each time. */
const LOGGED_AFTER_MS = 10_000
const LOGGED_EVERY_MS = 60_000

export interface ProgressTimes {
  readonly loggedAfterMs: number
  readonly loggedEveryMs: number
}

export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #render: (seconds: number) => string
  readonly #startedAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #isPainted = false

  /** `render` gives escaped text for the seconds so far; `log` a line for where there is no terminal, undefined for none yet. */
  constructor(
    stream: NodeJS.WriteStream,
    render: (seconds: number) => string,
    log?: () => string | undefined,
    times: ProgressTimes = { loggedAfterMs: LOGGED_AFTER_MS, loggedEveryMs: LOGGED_EVERY_MS },
  ) {
    this.#stream = stream
    this.#render = render
    if (stream.isTTY && process.env['TERM'] !== 'dumb') {
      this.#timer = setInterval(() => this.#paint(), REPAINT_MS)
      this.#timer.unref()
    } else if (log !== undefined) this.#logLater(log, times.loggedAfterMs, times)
  }

  /** Takes the line away; further calls do nothing. */
  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#isPainted) this.#stream.write('\r\u001b[K')
    this.#isPainted = false
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  #logLater(log: () => string | undefined, ms: number, times: ProgressTimes): void {
    this.#timer = setTimeout(() => {
      const line = log()
      if (line !== undefined) this.#stream.write(`${line}\n`)
      this.#logLater(log, line === undefined ? times.loggedAfterMs : times.loggedEveryMs, times)
    }, ms)
    this.#timer.unref()
  }

  #paint(): void {
    if (this.seconds * 1000 < SHOWN_AFTER_MS) return
    // A longer line would wrap, and stay behind.
    const text = this.#render(this.seconds).slice(0, (this.#stream.columns || 80) - 1)
    this.#stream.write(`\r${text}\u001b[K`)
    this.#isPainted = true
  }
}
