/** Errors as lines on standard error, `coppice: CODE: what: expected X, got Y; what to do`, and as exit codes. */
import process from 'node:process'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { adviceFor } from './advice.ts'
import { describeNoPeer } from './peers.ts'

function isDebugging(): boolean {
  return /(^|[\s,])(\*|coppice)/.test(process.env['DEBUG'] ?? '')
}

/** The lines for an error of `command`, each escaped. A stack only for those who debug. */
export function renderError(error: unknown, command: string): string[] {
  const lines = [`coppice: ${codeOf(error)}: ${messageOf(error, command)}`]
  if (isDebugging() && error instanceof Error) lines.push(...stackLines(error))
  return lines.map(escapeText)
}

/** A code for each kind of error; the system's own where it is the system's. */
function codeOf(error: unknown): string {
  if (error instanceof CoppiceError) return error.code
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) ? code : 'INTERNAL'
}

function messageOf(error: unknown, command: string): string {
  if (error instanceof CoppiceError) {
    const message = error.code === 'NO_PEER_LEFT' ? describeNoPeer(error) : error.message
    const advice = adviceFor(error, command)
    return advice === undefined ? message : `${message}; ${advice}`
  }
  const message = error instanceof Error ? error.message : String(error)
  return codeOf(error) === 'INTERNAL'
    ? `${message}; this is a bug in coppice, please report it with what DEBUG=coppice:* prints`
    : message
}

function stackLines(error: Error): string[] {
  const lines = (error.stack ?? '').split('\n').slice(1)
  return error.cause instanceof Error
    ? [...lines, `  caused by ${error.cause.stack ?? ''}`.replaceAll('\n', ' ')]
    : lines
}
