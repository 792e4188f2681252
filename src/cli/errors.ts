/** Errors as lines on standard error, `coppice: CODE: what: expected X, got Y; what to do`, and as exit codes. */
import process from 'node:process'
import { CoppiceError, type ErrorCode } from '../errors.ts'
import { escapeText } from '../escape.ts'
import type { PeerReport } from '../sync/report.ts'
import { renderBytes, renderCounted } from './render.ts'

/** What to do about it, in the words of the command line; the library's messages know nothing of options. */
const ADVICE: Partial<Readonly<Record<ErrorCode, string>>> = {
  ADDRESS_INVALID: 'coppice serve prints addresses: coppice:k51.../NAME?peer=/ip4/.../tcp/.../p2p/...',
  COLLECTION_UNKNOWN: 'coppice status lists the collections; a new one needs --key FIELD,...',
  DATABASE_KIND: 'change the database itself, and publish it there; a replica follows with coppice pull',
  DOCUMENT_INVALID: 'nothing was written; correct the document',
  INPUT_DUPLICATE_KEY: 'nothing was imported; keep one of the two, or choose another --key',
  INPUT_NOT_FOUND: 'check the path; - reads standard input',
  INPUT_SYNTAX: 'nothing was written; correct the input, or name its format with --format',
  INPUT_TYPE_UNKNOWN: 'with --format ndjson, json or csv',
  KEY_INVALID: 'nothing was written; coppice status shows the key of each collection',
  KEY_TOO_LONG: 'nothing was written; choose shorter keys',
  NO_PEER_LEFT: 'check that a peer serves it and can be reached; what is here already stays',
  PEER_UNREACHABLE: 'check the address and that coppice serve runs there',
  SCHEMA_MISMATCH: 'a key never changes: leave --key and --types out, or import into another collection',
  TOO_MANY_CHANGES: 'check the input; if it is right, raise --max-changes or leave it out',
  TREE_MALFORMED: 'its author published a broken tree: tell the author; the last complete state stays',
  EQUIVOCATION: 'its author signed two different histories: tell the author; the last complete state stays',
  VALUE_TOO_LARGE: 'nothing was written; split the value',
}

export function isDebugging(): boolean {
  return /(^|[\s,])(\*|coppice)/.test(process.env['DEBUG'] ?? '')
}

/** The lines for an error, each escaped. A stack only for those who debug. */
export function renderError(error: unknown): string[] {
  const lines = [`coppice: ${codeOf(error)}: ${messageOf(error)}`]
  if (isDebugging() && error instanceof Error) lines.push(...stackLines(error))
  return lines.map(escapeText)
}

/** A code for each kind of error; the system's own where it is the system's. */
function codeOf(error: unknown): string {
  if (error instanceof CoppiceError) return error.code
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) ? code : 'INTERNAL'
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof CoppiceError) {
    const advice = ADVICE[error.code]
    return advice === undefined ? message : `${message}; ${advice}`
  }
  return codeOf(error) === 'INTERNAL'
    ? `${message}; this is a bug in coppice, please report it with what DEBUG=coppice:* prints`
    : message
}

/** "used /ip4/.../p2p/12D3..., 120 blocks, 1.2 MB received"; escaped. */
export function renderPeer(peer: PeerReport): string {
  const what = peer.blocks > 0 ? `, ${renderCounted(peer.blocks, 'block')}` : ''
  const traffic = peer.bytesReceived > 0 ? `, ${renderBytes(peer.bytesReceived)} received` : ''
  const reason = peer.reason === undefined ? '' : `: ${peer.reason}`
  return escapeText(`${peer.outcome} ${peer.name}${what}${traffic}${reason}`)
}

function stackLines(error: Error): string[] {
  const lines = (error.stack ?? '').split('\n').slice(1)
  return error.cause instanceof Error
    ? [...lines, `  caused by ${error.cause.stack ?? ''}`.replaceAll('\n', ' ')]
    : lines
}
