/** Grants, rotations and roots on their way between machines: small files of one line, or standard input and output. */
import { escapeText } from '../escape.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import type { StatementKind } from '../pointer/index.ts'
import type { Cli } from './cli.ts'
import { withInputName } from './metadata.ts'

const STATEMENT_MODE = 0o644

/** @throws {CoppiceError} `INPUT_NOT_FOUND`, `INPUT_SYNTAX`, `FORMAT_NEWER`, with the name of the file. */
export async function readStatement(cli: Cli, path: string, kind: StatementKind): Promise<Uint8Array> {
  const { decodeStatementFile } = await import('../pointer/index.ts')
  const text = await readStatementText(cli, path)
  return namingInput(path, () => decodeStatementFile(kind, text))
}

/** A statement, and envelopes by which it is put on carriers. */
export interface Enveloped {
  readonly bytes: Uint8Array
  readonly envelopes: readonly Uint8Array[]
}

/** As {@link readStatement}, of a kind that has them. */
export async function readEnveloped(cli: Cli, path: string, kind: StatementKind): Promise<Enveloped> {
  const { decodeStatementEnvelopes, decodeStatementFile } = await import('../pointer/index.ts')
  const text = await readStatementText(cli, path)
  return namingInput(path, () => ({
    bytes: decodeStatementFile(kind, text),
    envelopes: decodeStatementEnvelopes(text),
  }))
}

/** Any of them, or whatever else is in the file, bounded. */
export async function readStatementText(cli: Cli, path: string): Promise<string> {
  const { STATEMENT_FILE_BYTES_MAX } = await import('../pointer/index.ts')
  return new TextDecoder().decode(await readSmallFile(cli, path, STATEMENT_FILE_BYTES_MAX))
}

/** @throws {CoppiceError} `INPUT_NOT_FOUND`, `INPUT_SYNTAX` for more than `bytesMax`. */
export async function readSmallFile(cli: Cli, path: string, bytesMax: number): Promise<Uint8Array> {
  const { readFileChunks } = await import('../formats/index.ts')
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of path === '-' ? cli.input(true) : readFileChunks(path, cli.signal)) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > bytesMax) {
      throw withInputName(new CoppiceError('INPUT_SYNTAX', `expected at most ${bytesMax} bytes, got more`), path)
    }
  }
  return Buffer.concat(chunks)
}

/** What is in a statement, with the name of its file in every error. */
export function namingInput<T>(path: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw isCoppiceError(error) ? withInputName(error, path) : error
  }
}

/**
 * Writes a new file, or standard output. One that is there already with the same content is as good.
 * @throws {CoppiceError} `USAGE` where another file is there, `STORE_*`.
 */
export async function writeStatement(
  cli: Cli,
  path: string,
  kind: StatementKind,
  bytes: Uint8Array,
  envelopes: readonly Uint8Array[] = [],
): Promise<void> {
  const { encodeStatementFile } = await import('../pointer/index.ts')
  await writeNewText(cli, path, encodeStatementFile(kind, bytes, envelopes), STATEMENT_MODE)
}

export async function writeNewText(cli: Cli, path: string, text: string, mode: number): Promise<void> {
  if (path === '-') return await cli.out.write(text)
  const { createNewFile } = await import('../directory/index.ts')
  if (await createNewFile(path, text, mode, 'the file')) return
  const held = await readSmallFile(cli, path, text.length).catch(() => undefined)
  if (held !== undefined && new TextDecoder().decode(held) === text) return
  throw new CoppiceError('USAGE', `${escapeText(path)}: it exists already, and is not replaced; name another file`)
}

/** Lines for people, or JSON: on standard error where standard output is the file that is made. */
export interface Teller {
  line(text: string): Promise<void>
}

/** @throws {CoppiceError} `USAGE` where standard output is to be the file and JSON at once. */
export function tellerBeside(cli: Cli, path: string, isJson: boolean): Teller {
  if (path !== '-') return cli.out
  if (isJson) throw new CoppiceError('USAGE', '--json: expected a file to write to, got standard output')
  return {
    line: (text) => {
      cli.note(text)
      return Promise.resolve()
    },
  }
}
