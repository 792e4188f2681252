/**
 * Passphrases: from a file descriptor, from the environment, or typed on a terminal unseen; never from the command line, which everybody on
 * the machine may read.
 */
import { readSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CoppiceError } from '../errors.ts'

export const PASSPHRASE_VARIABLE = 'COPPICE_PASSPHRASE'
const PASSPHRASE_BYTES_MAX = 1024

export const PASSPHRASE_NOTES: string = `
The passphrase is the first line read from --passphrase-fd, else ${PASSPHRASE_VARIABLE}, else asked for on the terminal.`

export interface PassphraseOptions {
  readonly passphraseFd?: number
}

/** A terminal, or what stands for one in tests. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
}

/**
 * `isNew`: it is chosen now, so it is typed twice.
 * @throws {CoppiceError} `USAGE` where there is none, it is empty, too long, or typed differently; the signal's reason.
 */
export async function readPassphrase(
  { passphraseFd }: PassphraseOptions,
  isNew: boolean,
  signal: AbortSignal,
  terminal?: Terminal,
): Promise<string> {
  const passphrase = await findPassphrase(passphraseFd, isNew, signal, terminal)
  if (passphrase === '') throw usage('one', 'an empty one')
  if (Buffer.byteLength(passphrase) > PASSPHRASE_BYTES_MAX) throw usage(`at most ${PASSPHRASE_BYTES_MAX} bytes`, 'more')
  return passphrase
}

async function findPassphrase(
  fd: number | undefined,
  isNew: boolean,
  signal: AbortSignal,
  given: Terminal | undefined,
): Promise<string> {
  if (fd !== undefined) return readLine(fd)
  const inherited = process.env[PASSPHRASE_VARIABLE]
  if (inherited !== undefined) {
    // Not for the processes that this one may start.
    delete process.env[PASSPHRASE_VARIABLE]
    return inherited
  }
  // Looked at only now: it would begin to read what --passphrase-fd 0 is to read.
  const terminal = given ?? { input: process.stdin, output: process.stderr }
  if (terminal.input.isTTY !== true) {
    throw usage(`--passphrase-fd, ${PASSPHRASE_VARIABLE} or a terminal to ask on`, 'none of them')
  }
  const typed = await ask('Passphrase: ', signal, terminal)
  if (isNew && typed !== '' && (await ask('The same again: ', signal, terminal)) !== typed)
    throw usage('the same twice', 'two')
  return typed
}

/** The first line that comes out of a descriptor. Blocks until it is there: nothing else is to be done. */
function readLine(fd: number): string {
  const buffer = Buffer.alloc(PASSPHRASE_BYTES_MAX + 2)
  let length = 0
  try {
    for (;;) {
      const end = buffer.subarray(0, length).indexOf(0x0a)
      if (end >= 0) return decodeLine(buffer.subarray(0, end))
      const read = length < buffer.length ? readSync(fd, buffer, length, buffer.length - length, null) : 0
      if (read === 0) return decodeLine(buffer.subarray(0, length))
      length += read
    }
  } catch (error) {
    if (error instanceof CoppiceError) throw error
    throw usage(`a descriptor that can be read, as in 3< FILE`, `${fd} (${(error as NodeJS.ErrnoException).code})`)
  } finally {
    buffer.fill(0)
  }
}

function decodeLine(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r$/, '')
  } catch {
    throw usage('UTF-8', 'something else')
  }
}

/** What is typed up to Enter; not shown. Ctrl-C ends the command, Ctrl-D gives nothing. */
async function ask(prompt: string, signal: AbortSignal, { input, output }: Terminal): Promise<string> {
  signal.throwIfAborted()
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: unseen, terminal: true, historySize: 0 })
  // After the terminal stopped to show what is typed.
  output.write(prompt)
  try {
    return await new Promise<string>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      // The terminal is raw here: the key is no signal to the process unless it is made one.
      lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
      lines.once('line', resolve)
      lines.once('close', () => resolve(''))
    })
  } finally {
    lines.close()
    output.write('\n')
  }
}

function usage(expected: string, got: string): CoppiceError {
  return new CoppiceError('USAGE', `passphrase: expected ${expected}, got ${got}`)
}
