/**
 * What the online and the offline machine hand each other, as files of one line (record.md, 6):
 *
 *     coppice-<kind>/1 <the bytes, multibase base64url>
 *
 * Behind a grant, rotations or a signed root a line of kind `envelopes` may follow for each database. None of it is secret. Text, so that it may also be mailed, pasted or shown; one form, so that equal statements are equal files.
 */
import { base64url } from 'multiformats/bases/base64'
import { CoppiceError } from '../errors.ts'
import { ROTATIONS_BYTES_MAX } from './authority.ts'
import { EVIDENCE_BYTES_MAX } from './evidence.ts'
import { SIGNED_ROOT_BYTES_MAX } from './signed-root.ts'
import { STATEMENT_BYTES_MAX } from './statement.ts'

/**
 * `envelopes`: by which others put the statement before it on carriers (carriers/envelopes.ts). `rotations`: the whole chain of an author. `unsigned-root`: what is to be signed, `signed-root`: what came of it. `evidence`: of a fork,
 * see evidence-file.ts.
 */
export type StatementKind = 'grant' | 'rotations' | 'unsigned-root' | 'signed-root' | 'evidence' | 'envelopes'

const VERSION = 1
/** The chain of rotations, and beside it the new payload, the last signed root and the state of the history. */
const UNSIGNED_ROOT_BYTES_MAX: number = ROTATIONS_BYTES_MAX + 8192

/** An IPNS record, eight more that lead to it, and as many items of BEP44. */
const ENVELOPES_BYTES_MAX: number = 41 * 1024
/** Of one key: an IPNS record has no more entries. */
const DATABASES_MAX = 64

const BYTES_MAX: Readonly<Record<StatementKind, number>> = {
  grant: STATEMENT_BYTES_MAX,
  rotations: ROTATIONS_BYTES_MAX,
  'unsigned-root': UNSIGNED_ROOT_BYTES_MAX,
  'signed-root': SIGNED_ROOT_BYTES_MAX,
  evidence: ROTATIONS_BYTES_MAX + EVIDENCE_BYTES_MAX + 16,
  envelopes: ENVELOPES_BYTES_MAX,
}
const HAVE_ENVELOPES: readonly StatementKind[] = ['grant', 'rotations', 'signed-root']
/** No such file is longer: 1,024 rotations take 223 KB, envelopes of forty databases that share one record 560. Characters are bytes. */
export const STATEMENT_FILE_BYTES_MAX: number = 1024 * 1024 - 1

function fileBytesMax(kind: StatementKind): number {
  return `coppice-${kind}/${VERSION} u`.length + Math.ceil((BYTES_MAX[kind] * 4) / 3) + 2
}

/** The line, with its newline, and one for each of `envelopes`. @throws {CoppiceError} `USAGE` for more envelopes than a file has. */
export function encodeStatementFile(
  kind: StatementKind,
  bytes: Uint8Array,
  envelopes: readonly Uint8Array[] = [],
): string {
  const text = encodeLine(kind, bytes) + envelopes.map((each) => encodeLine('envelopes', each)).join('')
  if (envelopes.length === 0 || (text.length <= STATEMENT_FILE_BYTES_MAX && envelopes.length <= DATABASES_MAX))
    return text
  throw new CoppiceError('USAGE', `${kind} file: expected fewer databases in one, got ${envelopes.length}; name fewer`)
}

function encodeLine(kind: StatementKind, bytes: Uint8Array): string {
  return `coppice-${kind}/${VERSION} ${base64url.encode(bytes)}\n`
}

/** What a file's first word says it is; undefined for anything else. Says nothing about the rest. */
export function statementKindOf(text: string): StatementKind | undefined {
  const word = /^coppice-([a-z-]{1,20})\/[0-9]{1,6} /.exec(text)?.[1]
  return word !== undefined && Object.hasOwn(BYTES_MAX, word) ? (word as StatementKind) : undefined
}

/**
 * The bytes in a file of `kind`; {@link decodeStatementEnvelopes} has what is behind it.
 * @throws {CoppiceError} `INPUT_SYNTAX` for another kind, another form or too many bytes, `FORMAT_NEWER`. No message holds any of the file:
 *   it may be a key file that was taken for another.
 */
export function decodeStatementFile(kind: StatementKind, text: string): Uint8Array {
  if (!HAVE_ENVELOPES.includes(kind)) return decodeLine(kind, text)
  const bytes = decodeLine(kind, /^[^\n]*\n?/.exec(text)?.[0] ?? '')
  decodeStatementEnvelopes(text)
  return bytes
}

/** The bytes of the envelopes behind a grant, rotations or a signed root. @throws as {@link decodeStatementFile}. */
export function decodeStatementEnvelopes(text: string): Uint8Array[] {
  const [, ...lines] = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.length > DATABASES_MAX) throw invalid('envelopes', `more than ${DATABASES_MAX}`)
  return lines.map((line) => decodeLine('envelopes', line))
}

function decodeLine(kind: StatementKind, text: string): Uint8Array {
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
