/** Files that appear whole or not at all: new ones never in the place of another, and those that take the place of their last state. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { syncDirectory, toFileError } from './file-errors.ts'

/**
 * Writes `text` to a new file, and flushes it and its directory entry to the disk; false where `path` exists. `what`: "the key file".
 * @throws {CoppiceError} `STORE_FULL`, `STORE_READ_ONLY`, `STORE_IO`.
 */
export async function createNewFile(path: string, text: string, mode: number, what: string): Promise<boolean> {
  const directory = dirname(path)
  // Written aside and linked: the name appears with the whole content or not at all, and link() never replaces.
  const temporary = join(directory, `.${basename(path)}.${randomBytes(8).toString('hex')}`)
  try {
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw toFileError(error, `writing ${what}`, path)
  } finally {
    await unlink(temporary).catch(() => {})
  }
  await syncDirectory(directory)
  return true
}

/** For its owner only. Written aside, flushed, renamed. @throws {CoppiceError} `STORE_FULL`, `STORE_READ_ONLY`, `STORE_IO`. */
export async function replaceFile(path: string, content: string | Uint8Array, action: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw toFileError(error, action, path)
  }
  await syncDirectory(dirname(path))
}
