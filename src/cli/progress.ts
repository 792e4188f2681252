/** One line that tells how far a thing is, on terminals only and only for what takes over a second. */

const SHOWN_AFTER_MS = 1000
const REPAINT_MS = 200

export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #render: (seconds: number) => string
  readonly #startedAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #isPainted = false

  /** `render` gives escaped text for the seconds so far. */
  constructor(stream: NodeJS.WriteStream, render: (seconds: number) => string) {
    this.#stream = stream
    this.#render = render
    if (!stream.isTTY || process.env['TERM'] === 'dumb') return
    this.#timer = setInterval(() => this.#paint(), REPAINT_MS)
    this.#timer.unref()
  }

  /** Takes the line away; further calls do nothing. */
  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#isPainted) this.#stream.write('\r\u001b[K')
    this.#isPainted = false
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  #paint(): void {
    if (this.seconds * 1000 < SHOWN_AFTER_MS) return
    // A longer line would wrap, and stay behind.
    const text = this.#render(this.seconds).slice(0, (this.#stream.columns || 80) - 1)
    this.#stream.write(`\r${text}\u001b[K`)
    this.#isPainted = true
  }
}
