/** Files that appear when they are complete: written aside, flushed, renamed. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { toFileError } from '../directory/file-errors.ts'
import { CoppiceError } from '../errors.ts'

/**
 * Writes `chunks` to `path`, replacing a file that is there; gives the number of bytes. On any error the old file is as it
 * was. What is no plain file, as /dev/null or a named pipe, is written to directly.
 * @throws {CoppiceError} `STORE_FULL`, `STORE_READ_ONLY`, `STORE_IO` about the file; what `chunks` throws.
 */
export async function writeFileWhole(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const isSpecial = await stat(path).then(
    (stats) => !stats.isFile(),
    () => false,
  )
  if (isSpecial) return await writeTo(path, 'w', chunks, onBytes)
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`)
  try {
    const bytes = await writeTo(temporary, 'wx', chunks, onBytes, path)
    await rename(temporary, path).catch(failed(path))
    return bytes
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}

async function writeTo(
  path: string,
  flags: string,
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
  named: string = path,
): Promise<number> {
  const file: FileHandle = await open(path, flags).catch(failed(named))
  let bytes = 0
  try {
    for await (const chunk of chunks) {
      await file.writeFile(chunk).catch(failed(named))
      bytes += chunk.length
      onBytes(bytes)
    }
    if (flags === 'wx') await file.sync().catch(failed(named))
  } finally {
    await file.close()
  }
  return bytes
}

/** Node's errors name the temporary file; ours the one that was asked for. */
function failed(path: string): (error: unknown) => never {
  return (error) => {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      throw new CoppiceError('STORE_IO', `${path}: there is no such directory; make it first`, {
        cause: error,
        details: { path },
      })
    }
    throw toFileError(error, 'writing the file', path)
  }
}
