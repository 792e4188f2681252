/** What a command is given: where results go, what ends it early, how it shows progress. One per process. */
import process from 'node:process'
import { addAbortSignal } from 'node:stream'
import { CoppiceError } from '../errors.ts'
import { Output } from './output.ts'
import { Progress } from './progress.ts'

export const EXIT_DIFFERENT = 1
export const EXIT_TROUBLE = 2

/** Why a run ends early. */
export interface Ending {
  readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGPIPE'
}

export class Cli {
  readonly out: Output
  /** Set by a command that has more to say than success: 1 for "no" and "different". */
  exitCode = 0
  /** The name of the one that runs; '' before the command line was understood. */
  command = ''
  readonly #controller = new AbortController()
  #ending: Ending | undefined
  #isInputUsed = false

  constructor() {
    this.out = new Output(process.stdout, this.signal, () => this.#end('SIGPIPE'))
    // Once each: a second Ctrl-C ends the process at once, which the store survives too.
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => this.#end(name))
    process.stderr.on('error', () => {})
  }

  /** Aborts on Ctrl-C, SIGTERM, or when nobody reads the output any more. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get ending(): Ending | undefined {
    return this.#ending
  }

  /** A line for people, on standard error. */
  note(line: string): void {
    process.stderr.write(`${line}\n`)
  }

  /** Shows `render()` on a terminal once a second has passed, elsewhere `log()` now and then; to be ended. */
  progress(render: (seconds: number) => string, log?: () => string | undefined): Progress {
    return new Progress(process.stderr, render, log)
  }

  /** Standard input as chunks; ends with the signal. @throws {CoppiceError} `USAGE` where it is a terminal and nobody said `-`. */
  input(isAsked: boolean): AsyncIterable<Uint8Array> {
    if (process.stdin.isTTY && !isAsked) {
      throw new CoppiceError(
        'USAGE',
        'input: expected a file, - or a pipe, got a terminal; name a file, or say - to type',
      )
    }
    this.#isInputUsed = true
    // Interrupted before anybody reads it, it fails with nobody listening; who reads it later is told all the same.
    process.stdin.on('error', () => {})
    return addAbortSignal(this.signal, process.stdin)
  }

  /** A terminal or pipe that is no longer read must not keep the process alive. */
  releaseInput(): void {
    if (this.#isInputUsed) process.stdin.destroy()
  }

  #end(signal: Ending['signal']): void {
    this.#ending ??= { signal }
    this.#controller.abort()
  }
}
