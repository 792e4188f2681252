/** What an authority signs beside roots: `coppice key grant` and `coppice key rotate`. */
import { equalBytes } from '../bytes.ts'
import { readSignerFile, type StoredKey } from '../directory/index.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import {
  addRotation,
  type Authority,
  authorityKeyAt,
  createAuthority,
  decodeChain,
  decodeRotation,
  encodeRotations,
  EPOCH_MAX,
  formatAuthor,
  parseAddress,
  parseAuthor,
  SEQUENCE_MAX,
  signGrant,
  signRotation,
} from '../pointer/index.ts'
import { surroundings } from '../surroundings.ts'
import type { Cli } from './cli.ts'
import type { JsonOption } from './command.ts'
import { envelopeGrant, envelopeRotation } from '../keys.ts'
import { describeEnvelopes, envelopesJson } from './envelopes-text.ts'
import { showGrant } from './key-show.ts'
import { renderTime } from './render.ts'
import { namingInput, readEnveloped, type Teller, tellerBeside, writeStatement } from './statement-files.ts'

export interface GrantCommandOptions extends JsonOption {
  readonly epoch: number
  /** Seconds from now. */
  readonly expires: number | 'never'
  readonly first?: number
  readonly rotations?: string
}

export async function grant(
  cli: Cli,
  keyFile: string,
  addressText: string,
  signerText: string,
  file: string,
  options: GrantCommandOptions,
): Promise<void> {
  const teller = tellerBeside(cli, file, options.json === true)
  const { author, name } = parseAddress(addressText)
  const signer = parseAuthor(signerText)
  const { epoch, first: firstSequence = 1 } = options
  requireWithin('--epoch', epoch, 0, EPOCH_MAX)
  requireWithin('--first', firstSequence, 1, SEQUENCE_MAX)
  const key = await readAuthorityKey(keyFile)
  const { authority, envelopes: way } = await readChain(cli, options.rotations, author)
  requireAuthority(key, authority, epoch)
  const now = Math.floor(surroundings.clock.now() / 1000)
  const expires = options.expires === 'never' ? null : now + options.expires
  const bytes = await signGrant(key.signer, { author, name, epoch, signer, firstSequence, expires })
  const { envelopes, problems } = await envelopeGrant(keyFile, bytes, way)
  await writeStatement(cli, file, 'grant', bytes, envelopes)
  if (options.json === true) return await cli.out.json({ ...showGrant(bytes, envelopes).json, problems, file })
  const until = expires === null ? 'without an end' : `until ${renderTime(expires)}`
  await teller.line(`granted epoch ${epoch} from @${firstSequence} on to ${signerText}, ${until}`)
  await tellEnvelopes(teller, author, envelopes, problems)
  await teller.line('where the database is: coppice publish DIR --grant FILE')
}

export interface RotateCommandOptions extends JsonOption {
  readonly epoch: number
  readonly rotations?: string
  /** Names of databases. */
  readonly database?: readonly string[]
}

export async function rotate(
  cli: Cli,
  keyFile: string,
  newText: string,
  file: string,
  options: RotateCommandOptions,
): Promise<void> {
  const { epoch, json } = options
  const teller = tellerBeside(cli, file, json === true)
  const newKey = parseAuthor(newText)
  requireWithin('--epoch', epoch, 1, EPOCH_MAX)
  const key = await readAuthorityKey(keyFile)
  const { authority, envelopes: way } = await readChain(
    cli,
    options.rotations,
    options.rotations === undefined ? key.signer.publicKey : undefined,
  )
  requireAuthority(key, authority, epoch - 1)
  if (equalBytes(newKey, key.signer.publicKey)) {
    throw new CoppiceError('USAGE', 'new key: expected another one, got that of KEY')
  }
  const { author } = authority
  const rotation = decodeRotation(await signRotation(key.signer, { author, epoch, newKey }))
  const result = addRotation(authority, rotation)
  // The same again; the chain stays as it is.
  const chain = result.outcome === 'added' ? result.authority : result.outcome === 'same' ? authority : undefined
  if (chain === undefined) {
    const last = authority.rotations.at(-1)?.epoch ?? 0
    throw new CoppiceError(
      'PUBLISH_REFUSED',
      `--epoch: expected one above ${last}, which was rotated already, got ${epoch}`,
      {
        details: { reason: 'epoch' },
      },
    )
  }
  const bytes = encodeRotations(chain)
  const { envelopes, problems } = await envelopeRotation(keyFile, rotation.bytes, options.database ?? [], way)
  await writeStatement(cli, file, 'rotations', bytes, envelopes)
  const rotations = chain.rotations.map((each) => ({ epoch: each.epoch, key: formatAuthor(each.newKey) }))
  if (json === true) {
    const found = envelopesJson(author, envelopes)
    const shown = { kind: 'rotations', author: formatAuthor(author), rotations, envelopes: found }
    return await cli.out.json({ ...shown, problems, file })
  }
  await teller.line(`from epoch ${epoch} on the authority is ${newText}`)
  await tellEnvelopes(teller, author, envelopes, problems)
  await teller.line('where the databases are: coppice publish DIR --rotations FILE')
}

/** On which carriers readers will be led by it: an IPNS record has an end, and is made anew by the same command. */
async function tellEnvelopes(
  teller: Teller,
  author: Uint8Array,
  envelopes: readonly Uint8Array[],
  problems: readonly string[],
): Promise<void> {
  for (const line of describeEnvelopes(envelopesJson(author, envelopes))) await teller.line(`found by it: ${line}`)
  for (const problem of problems) await teller.line(`not found by it: ${escapeText(problem)}`)
}

/** The key of an authority: an author's. */
async function readAuthorityKey(path: string): Promise<StoredKey> {
  const key = await readSignerFile(path)
  if (key.role === 'author') return key
  throw new CoppiceError(
    'KEY_FILE_INVALID',
    `${escapeText(path)}: expected a key with the role author, got one with the role ${key.role}`,
    { details: { path, reason: 'role' } },
  )
}

/** The chain in a file; without one the author's own authority. @throws {CoppiceError} `SIGNED_ROOT_INVALID` also where it is another author's. */
async function readChain(
  cli: Cli,
  path: string | undefined,
  author: Uint8Array | undefined,
): Promise<{ readonly authority: Authority; readonly envelopes: readonly Uint8Array[] }> {
  if (path === undefined) return { authority: createAuthority(author ?? new Uint8Array()), envelopes: [] }
  const { bytes, envelopes } = await readEnveloped(cli, path, 'rotations')
  const authority = namingInput(path, () => decodeChain(bytes))
  if (author === undefined || equalBytes(authority.author, author)) return { authority, envelopes }
  throw new CoppiceError(
    'SIGNED_ROOT_INVALID',
    `${escapeText(path)}: expected rotations of ${formatAuthor(author)}, got those of ${formatAuthor(authority.author)}`,
  )
}

function requireAuthority({ signer }: StoredKey, authority: Authority, epoch: number): void {
  const expected = authorityKeyAt(authority, epoch)
  if (equalBytes(expected, signer.publicKey)) return
  throw new CoppiceError(
    'PUBLISH_REFUSED',
    `key: expected ${formatAuthor(expected)}, which has the authority of epoch ${epoch}, got ${formatAuthor(signer.publicKey)}; ` +
      'after a rotation, --rotations FILE says who has it',
    { details: { reason: 'signer' } },
  )
}

function requireWithin(option: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return
  throw new CoppiceError('USAGE', `${option}: expected ${min} to ${max}, got ${value}`)
}
