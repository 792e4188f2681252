/**
 * LMDB's and the system's error numbers as coded errors. lmdb reports both in `code`: positive ones are the system's
 * errno, those around -30790 are LMDB's own.
 */
import { statfsSync } from 'node:fs'
import { constants } from 'node:os'
import { CoppiceError, isCoppiceError, type ErrorCode } from '../errors.ts'

/** LMDB's numbers, as in its lmdb.h. */
const MDB_PAGE_NOTFOUND = -30797
const MDB_CORRUPTED = -30796
const MDB_VERSION_MISMATCH = -30794
const MDB_INVALID = -30793
const MDB_MAP_FULL = -30792
/** Of a commit: the transaction is invalid. */
export const MDB_BAD_TXN = -30782

const CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [MDB_PAGE_NOTFOUND, 'STORE_CORRUPT'],
  [MDB_CORRUPTED, 'STORE_CORRUPT'],
  [MDB_VERSION_MISMATCH, 'STORE_CORRUPT'],
  [MDB_INVALID, 'STORE_CORRUPT'],
  [MDB_MAP_FULL, 'STORE_FULL'],
  [constants.errno.ENOSPC, 'STORE_FULL'],
  [constants.errno.EDQUOT, 'STORE_FULL'],
  [constants.errno.EFBIG, 'STORE_FULL'],
  [constants.errno.EROFS, 'STORE_READ_ONLY'],
])

/** Free space under which a short write is put down to a full disk. */
const NEARLY_FULL_BYTES = 1024 * 1024

const ADVICE: Partial<Record<ErrorCode, string>> = {
  STORE_FULL: 'no space left on the disk; nothing of this was written: free some space and try again',
  STORE_READ_ONLY: 'it cannot be written to; open it for reading, or make the directory writable',
  STORE_CORRUPT: 'its data is damaged or not of this program; restore a backup, or clone again',
  STORE_IO: 'the disk or the system reported an error; check it, then open the store again',
}

/**
 * The coded error for `error`, met while `action` ("writing", "opening") on the store at `path`.
 * @param writing bytes that were to be written, 0 for a read
 */
export function toStoreError(error: unknown, action: string, path: string, writing = 0): CoppiceError {
  if (isCoppiceError(error)) return error
  const number = errorNumber(error)
  const code = (number === undefined ? undefined : CODES.get(number)) ?? codeOfUnclear(number, path, writing)
  const reason = error instanceof Error ? error.message : String(error)
  return storeError(code, action, path, reason, error)
}

/** The coded error for an error number of LMDB's writing thread, which comes without an Error. */
export function toStoreErrorOfNumber(number: number, action: string, path: string, writing: number): CoppiceError {
  return storeError(
    CODES.get(number) ?? codeOfUnclear(number, path, writing),
    action,
    path,
    `error ${number}`,
    undefined,
  )
}

function storeError(code: ErrorCode, action: string, path: string, reason: string, cause: unknown): CoppiceError {
  const number = errorNumber(cause)
  const denied = number === constants.errno.EACCES || number === constants.errno.EPERM
  const advice = denied ? 'this user may not; check the permissions of the directory and its files' : ADVICE[code]
  return new CoppiceError(code, `store ${path}: ${action} failed (${reason}): ${advice ?? 'see the reason'}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { path, action },
  })
}

/**
 * A write cut short by a full disk is reported as EIO: LMDB sees fewer bytes written than asked for. A transaction that only
 * reads is invalid where LMDB met a page that cannot be one.
 */
function codeOfUnclear(number: number | undefined, path: string, writing: number): ErrorCode {
  if (number === MDB_BAD_TXN && writing === 0) return 'STORE_CORRUPT'
  if (number !== constants.errno.EIO || writing === 0) return 'STORE_IO'
  try {
    const disk = statfsSync(path)
    return disk.bavail * disk.bsize < NEARLY_FULL_BYTES + 2 * writing ? 'STORE_FULL' : 'STORE_IO'
  } catch {
    return 'STORE_IO'
  }
}

/** The number in `code`, `errno` of a Node error included (which is negative there). */
function errorNumber(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { code, errno } = error as { code?: unknown; errno?: unknown }
  if (typeof code === 'number') return code
  return typeof errno === 'number' ? Math.abs(errno) : undefined
}
