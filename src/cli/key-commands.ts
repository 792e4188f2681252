/** What the commands of `coppice key` do, but for grants and rotations (key-statements.ts). */
import { stat } from 'node:fs/promises'
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { createSignerFile, exportKeyFile, importKeyFile, readSignerFile } from '../directory/index.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { formatAuthor, type SignedRoot, statementKindOf, type UnsignedRoot } from '../pointer/index.ts'
import { signWithKey } from '../keys.ts'
import { type Cli, EXIT_DIFFERENT } from './cli.ts'
import type { JsonOption } from './command.ts'
import { envelopesJson } from './envelopes-text.ts'
import { showDatabaseKeys, showKeyFile, type Shown, showStatement } from './key-show.ts'
import { reading } from './open.ts'
import { type PassphraseOptions, readPassphrase } from './passphrase.ts'
import { describeLastSigned, describeUnsigned, unsignedRootJson } from './root-review.ts'
import {
  namingInput,
  readSmallFile,
  readStatement,
  readStatementText,
  tellerBeside,
  writeNewText,
  writeStatement,
} from './statement-files.ts'

export interface NewCommandOptions extends JsonOption {
  readonly role?: 'author' | 'signer'
}

export async function newKeyFile(cli: Cli, file: string, { role = 'author', json }: NewCommandOptions): Promise<void> {
  const { publicKey } = await createSignerFile(file, role)
  await tellKey(cli, `new ${role} key`, file, role, publicKey, json === true)
}

async function tellKey(
  cli: Cli,
  what: string,
  file: string,
  role: string,
  key: Uint8Array,
  isJson: boolean,
): Promise<void> {
  const publicKey = formatAuthor(key)
  if (isJson) return await cli.out.json({ kind: 'key', role, publicKey, file })
  await cli.out.line(`${what} in ${escapeText(file)}`)
  await cli.out.line(`public key ${publicKey}`)
}

export async function show(cli: Cli, what: string, { json }: JsonOption): Promise<void> {
  const { json: value, lines } = await findShown(cli, what)
  if (json === true) return await cli.out.json(value)
  for (const line of lines) await cli.out.line(line)
}

async function findShown(cli: Cli, what: string): Promise<Shown> {
  const stats = what === '-' ? undefined : await stat(what).catch(() => undefined)
  if (stats?.isDirectory() === true) {
    return await reading(what, async (opened) => {
      if (opened.kind === 'author') return await showDatabaseKeys(what, opened.db)
      throw new CoppiceError(
        'DATABASE_KIND',
        `${escapeText(what)}: expected a database of one's own, got a replica, which nobody signs`,
        { details: { path: what, kind: 'replica' } },
      )
    })
  }
  const text = await readStatementText(cli, what)
  const kind = statementKindOf(text)
  // Read again as a key file: with its checks of who else may read it.
  return kind === undefined ? await showKeyFile(what) : namingInput(what, () => showStatement(kind, text))
}

export interface SignCommandOptions extends JsonOption {
  readonly yes?: true
}

export async function sign(
  cli: Cli,
  keyFile: string,
  unsignedFile: string,
  file: string,
  options: SignCommandOptions,
): Promise<void> {
  const isJson = options.json === true
  const teller = tellerBeside(cli, file, isJson)
  const bytes = await readStatement(cli, unsignedFile, 'unsigned-root')
  let shown: UnsignedRoot | undefined
  const confirm = async (unsigned: UnsignedRoot, last: SignedRoot | undefined): Promise<boolean> => {
    shown = unsigned
    if (!isJson) for (const line of [...describeUnsigned(unsigned), describeLastSigned(last)]) await teller.line(line)
    return options.yes === true || (await askToSign(cli))
  }
  const signed = await signWithKey(keyFile, bytes, confirm)
  if (signed === undefined || shown === undefined) {
    cli.exitCode = EXIT_DIFFERENT
    await teller.line('not signed')
    return
  }
  const { envelopes, problems } = signed
  await writeStatement(cli, file, 'signed-root', signed.bytes, envelopes)
  const found = envelopesJson(signed.payload.author, envelopes, signed.key)
  const json = { ...unsignedRootJson(shown), kind: 'signed-root', envelopes: found, problems, file }
  if (isJson) return await cli.out.json(json)
  for (const problem of problems) await teller.line(`not found by it: ${escapeText(problem)}`)
  const where = file === '-' ? '' : `, in ${escapeText(file)}`
  await teller.line(
    `signed @${signed.payload.sequence}${where}; where the database is: coppice publish DIR --signed FILE`,
  )
}

/** @throws {CoppiceError} `USAGE` where there is nobody to ask; the signal's reason. */
async function askToSign(cli: Cli): Promise<boolean> {
  if (process.stdin.isTTY !== true) {
    throw new CoppiceError('USAGE', 'sign: expected a terminal to ask on, got none; --yes signs without asking')
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  try {
    return /^y(es)?$/i.test((await lines.question('Sign it? [y/N] ', { signal: cli.signal })).trim())
  } finally {
    lines.close()
  }
}

export interface TransferCommandOptions extends JsonOption, PassphraseOptions {}

const KEY_FILE_MODE = 0o600
/** Far above any age file of a key. */
const AGE_FILE_BYTES_MAX: number = 64 * 1024

export async function exportTo(
  cli: Cli,
  keyFile: string,
  file: string,
  options: TransferCommandOptions,
): Promise<void> {
  const teller = tellerBeside(cli, file, options.json === true)
  const { role, signer } = await readSignerFile(keyFile)
  const passphrase = await readPassphrase(options, true, cli.signal)
  await writeNewText(cli, file, await exportKeyFile(keyFile, passphrase), KEY_FILE_MODE)
  const publicKey = formatAuthor(signer.publicKey)
  if (options.json === true) return await cli.out.json({ kind: 'key', role, publicKey, file })
  await teller.line(`${role} key ${publicKey}${file === '-' ? '' : ` in ${escapeText(file)}`}, under the passphrase`)
}

export async function importFrom(
  cli: Cli,
  file: string,
  keyFile: string,
  options: TransferCommandOptions,
): Promise<void> {
  const age = await readSmallFile(cli, file, AGE_FILE_BYTES_MAX)
  const passphrase = await readPassphrase(options, false, cli.signal)
  const { role, signer } = await naming(file, () => importKeyFile(age, passphrase, keyFile))
  await tellKey(cli, `${role} key`, keyFile, role, signer.publicKey, options.json === true)
}

async function naming<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isCoppiceError(error, 'KEY_FILE_INVALID') && error.details['path'] === undefined
      ? new CoppiceError(error.code, `${escapeText(path)}: ${error.message}`, { details: { ...error.details, path } })
      : error
  }
}
