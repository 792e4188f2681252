/**
 * Standard output. Text goes out escaped by whoever renders it; JSON is escaped here: control and bidi characters of the
 * data become JSON's own `\u` escapes, so the same bytes are exact data for a pipe and harmless on a terminal.
 */
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { stringifyJson } from '../formats/json-text.ts'

/** Whoever read our output is gone, as `head` is after ten lines: no error, but the end. */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe'
}

/** One value on one line: exact, and fit for a terminal. */
export function renderJson(value: FieldValue): string {
  return escapeText(stringifyJson(value))
}

export class Output {
  readonly #stream: NodeJS.WriteStream
  readonly #signal: AbortSignal
  #failure: Error | undefined

  /** `onBroken` is called when the reader is gone, so that work for nobody ends. */
  constructor(stream: NodeJS.WriteStream, signal: AbortSignal, onBroken: (reason: BrokenPipe) => void) {
    this.#stream = stream
    this.#signal = signal
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#failure !== undefined) return
      const broken = error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED'
      this.#failure = broken ? new BrokenPipe('the reader of the output is gone', { cause: error }) : error
      if (this.#failure instanceof BrokenPipe) onBroken(this.#failure)
    })
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true
  }

  /** Resolves when there is room for more. @throws {BrokenPipe} */
  async write(data: string | Uint8Array): Promise<void> {
    this.#throwIfFailed()
    if (data.length === 0 || this.#stream.write(data)) return
    await this.#drained()
    this.#throwIfFailed()
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }

  async json(value: FieldValue): Promise<void> {
    await this.line(renderJson(value))
  }

  /** Resolves when all of it has left the process. */
  async flush(): Promise<void> {
    this.#throwIfFailed()
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()))
    this.#throwIfFailed()
  }

  /** A reader that does not read (a pager, a stopped job) must not keep an interrupt waiting. */
  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const events = ['drain', 'error', 'close'] as const
    for (const event of events) this.#stream.once(event, resolve)
    const onAbort = (): void => resolve()
    this.#signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (!this.#signal.aborted) await promise
      this.#signal.throwIfAborted()
    } finally {
      for (const event of events) this.#stream.off(event, resolve)
      this.#signal.removeEventListener('abort', onAbort)
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}
