/** Errors of the file system as coded errors, and flushing a directory's entries. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { CoppiceError, type ErrorCode } from '../errors.ts'

const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['ENOSPC', 'STORE_FULL'],
  ['EDQUOT', 'STORE_FULL'],
  ['EROFS', 'STORE_READ_ONLY'],
])

/** `action` reads "writing the key file". Coded errors pass through. */
export function toFileError(error: unknown, action: string, path: string): CoppiceError {
  if (error instanceof CoppiceError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') {
    // Node's message names the system call, and for files that are written aside a path nobody knows.
    return new CoppiceError(
      'STORE_IO',
      `${path}: ${action} failed: no permission for this user; run as the user it belongs to`,
      { cause: error, details: { path, action } },
    )
  }
  return new CoppiceError(CODES.get(code ?? '') ?? 'STORE_IO', `${path}: ${action} failed: ${message}`, {
    cause: error,
    details: { path, action },
  })
}

/** After this a power cut no longer undoes the creation or the renaming of a file in `path`. Systems without it are left alone. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, constants.O_RDONLY)
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  } catch {
    // Windows and some network file systems cannot flush a directory: the entry is written when they choose to.
  }
}
