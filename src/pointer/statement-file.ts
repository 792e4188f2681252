/**
 * What the online and the offline machine hand each other, as files of one line (record.md, 6):
 *
 *     coppice-<kind>/1 <the bytes, multibase base64url>
 *
 * None of it is secret. Text, so that it may also be mailed, pasted or shown; one form, so that equal statements are equal files.
 */
import { base64url } from 'multiformats/bases/base64'
import { CoppiceError } from '../errors.ts'
import { ROTATIONS_MAX } from './authority.ts'
import { SIGNED_ROOT_BYTES_MAX } from './signed-root.ts'
import { STATEMENT_BYTES_MAX } from './statement.ts'

/** `rotations`: the whole chain of an author. `unsigned-root`: what is to be signed, `signed-root`: what came of it. */
export type StatementKind = 'grant' | 'rotations' | 'unsigned-root' | 'signed-root'

const VERSION = 1
/** Each rotation with the head of its byte string, and the head of the array. */
const ROTATIONS_BYTES_MAX: number = ROTATIONS_MAX * (STATEMENT_BYTES_MAX + 3) + 3
/** The chain of rotations, and beside it the new payload, the last signed root and the state of the history. */
const UNSIGNED_ROOT_BYTES_MAX: number = ROTATIONS_BYTES_MAX + 8192

const BYTES_MAX: Readonly<Record<StatementKind, number>> = {
  grant: STATEMENT_BYTES_MAX,
  rotations: ROTATIONS_BYTES_MAX,
  'unsigned-root': UNSIGNED_ROOT_BYTES_MAX,
  'signed-root': SIGNED_ROOT_BYTES_MAX,
}
/** No such file is longer. Characters are bytes. */
export const STATEMENT_FILE_BYTES_MAX: number = fileBytesMax('unsigned-root')

function fileBytesMax(kind: StatementKind): number {
  return `coppice-${kind}/${VERSION} u`.length + Math.ceil((BYTES_MAX[kind] * 4) / 3) + 2
}

/** The line, with its newline. */
export function encodeStatementFile(kind: StatementKind, bytes: Uint8Array): string {
  return `coppice-${kind}/${VERSION} ${base64url.encode(bytes)}\n`
}

/** What a file's first word says it is; undefined for anything else. Says nothing about the rest. */
export function statementKindOf(text: string): StatementKind | undefined {
  const word = /^coppice-([a-z-]{1,20})\/[0-9]{1,6} /.exec(text)?.[1]
  return word !== undefined && Object.hasOwn(BYTES_MAX, word) ? (word as StatementKind) : undefined
}

/**
 * The bytes in a file of `kind`.
 * @throws {CoppiceError} `INPUT_SYNTAX` for another kind, another form or too many bytes, `FORMAT_NEWER`. No message holds any of the file:
 *   it may be a key file that was taken for another.
 */
export function decodeStatementFile(kind: StatementKind, text: string): Uint8Array {
  const [, word = '', version = '', digits = ''] = /^coppice-([a-z-]{1,20})\/([0-9]{1,6}) (\S+)\r?\n?$/.exec(text) ?? []
  if (word !== kind) throw invalid(kind, describeOther(text))
  if (version !== String(VERSION)) {
    throw new CoppiceError(
      'FORMAT_NEWER',
      `${kind} file: expected version ${VERSION}, got another; update coppice to use it`,
    )
  }
  if (text.length > fileBytesMax(kind)) throw invalid(kind, 'a longer one')
  const bytes = tryDecode(digits)
  if (bytes === undefined || bytes.length > BYTES_MAX[kind]) throw invalid(kind, 'damage')
  return bytes
}

/** Undefined unless it is the one text of those bytes. */
function tryDecode(digits: string): Uint8Array | undefined {
  try {
    const bytes = base64url.decode(digits)
    return base64url.encode(bytes) === digits ? bytes : undefined
  } catch {
    return undefined
  }
}

function describeOther(text: string): string {
  const kind = statementKindOf(text)
  if (kind !== undefined) return `one of kind ${kind}`
  return text.startsWith('coppice-secret-key/') ? 'a key file, which nobody else may see' : 'something else'
}

function invalid(kind: StatementKind, got: string): CoppiceError {
  return new CoppiceError(
    'INPUT_SYNTAX',
    `${kind} file: expected one line, coppice-${kind}/${VERSION} u..., got ${got}`,
  )
}
