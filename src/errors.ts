/**
 * The one error class of coppice. Codes and `details` are API; messages are for people and may change.
 *
 * A code says whose fault it is, because that decides what happens next: the caller's (bad input),
 * the environment's (`STORE_*`, `PEER_*`), the author's (`TREE_MALFORMED`, `SIGNED_ROOT_INVALID`,
 * `EQUIVOCATION`). Programming errors of the caller are `TypeError` and `RangeError`, cancellation is the
 * signal's own reason (`AbortError`), untouched. Absence, `stale` and conflict are values, not errors.
 */

export type ErrorCode =
  // input of the caller
  | 'USAGE'
  | 'KEY_INVALID'
  | 'KEY_TOO_LONG'
  | 'VALUE_TOO_LARGE'
  | 'DOCUMENT_INVALID'
  | 'INPUT_UNSORTED'
  | 'INPUT_DUPLICATE_KEY'
  | 'INPUT_SYNTAX'
  | 'INPUT_TYPE_UNKNOWN'
  | 'INPUT_NOT_FOUND'
  | 'INPUT_EMPTY'
  | 'TOO_MANY_CHANGES'
  | 'ADDRESS_INVALID'
  | 'COLLECTION_UNKNOWN'
  | 'SCHEMA_MISMATCH'
  // databases and roots
  | 'NOT_A_DATABASE'
  | 'DATABASE_EXISTS'
  | 'DATABASE_KIND'
  | 'FORMAT_NEWER'
  | 'ROOT_NOT_FOUND'
  | 'NO_COMMON_BASE'
  | 'KEY_FILE_INVALID'
  | 'PUBLISH_REFUSED'
  // proofs
  | 'PROOF_INVALID'
  | 'PROOF_TOO_LARGE'
  // archives
  | 'CAR_INVALID'
  // the store and the machine
  | 'STORE_IO'
  | 'STORE_FULL'
  | 'STORE_READ_ONLY'
  | 'STORE_LOCKED'
  | 'STORE_CORRUPT'
  | 'BLOCK_MISSING'
  | 'LISTEN_FAILED'
  | 'BLOCK_MISMATCH'
  // the author
  | 'TREE_MALFORMED'
  | 'SIGNED_ROOT_INVALID'
  | 'EQUIVOCATION'
  // peers
  | 'PEER_UNREACHABLE'
  | 'PEER_PROTOCOL'
  | 'PEER_LIED'
  | 'PEER_TIMEOUT'
  | 'NO_PEER_LEFT'
  | 'QUORUM_MISSED'

export interface ErrorOptions {
  readonly cause?: unknown
  /** Evidence: CID, level, key range, peer, line and column, pid: whatever names the place. */
  readonly details?: Readonly<Record<string, unknown>>
}

export class CoppiceError extends Error {
  override readonly name = 'CoppiceError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  /** `message` reads `what: expected X, got Y (where); what to do`. */
  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }
}

/** Whether `error` is a {@link CoppiceError}, of that code when one is given. */
export function isCoppiceError(error: unknown, code?: ErrorCode): error is CoppiceError {
  return error instanceof CoppiceError && (code === undefined || error.code === code)
}

/** Checks an invariant of ours: a failure is a bug in coppice, never bad input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`coppice bug: ${message}`)
}
