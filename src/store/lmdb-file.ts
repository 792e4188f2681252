/**
 * What must hold of a directory before LMDB may open it. lmdb 3.5.6 crashes the process on some files it cannot open,
 * so nothing is handed to it that would fail: the header, the permissions and the disk are looked at first.
 */
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
  type Stats,
} from 'node:fs'
import { endianness } from 'node:os'
import { dirname, join } from 'node:path'
import { CoppiceError } from '../errors.ts'
import { toStoreError } from './lmdb-errors.ts'
import { isCutShort } from './lmdb-length.ts'

export const DATA_FILE = 'data.mdb'
const LOCK_FILE = 'lock.mdb'

/** The first page is a meta page: flags at 18, magic at 24, data version at 28 (mdb.c, MDB_page and MDB_meta). */
const HEADER_BYTES = 32
const FLAGS_AT = 18
const META_PAGE_FLAG = 0x08
const MAGIC_AT = 24
const MAGIC = 0xbeefc0de
const VERSION_AT = 28
const DATA_VERSION = 2

/** LMDB's first pages, the three tables and the lock file, with room to spare. */
const ROOM_BYTES_MIN = 1024 * 1024
/** LMDB's header and 64 bytes for each reader: about a thousand. */
const LOCK_FILE_BYTES = 64 * 1024

/** Unfinished lock files of {@link allocateLockFile}. */
export const LOCK_FILE_TEMPORARY: RegExp = /^\.lock\.mdb\.[0-9a-f]{16}$/

export type EnvFileState = 'absent' | 'writable' | 'read-only'

/**
 * How the environment in `directory` may be opened. An empty data file counts as absent: LMDB was killed before its
 * first write.
 * @throws {CoppiceError} `STORE_CORRUPT` where the data file is something else, `STORE_IO` where it cannot be read.
 */
export function inspectEnvFile(directory: string): EnvFileState {
  const path = join(directory, DATA_FILE)
  let stats: Stats
  try {
    stats = statSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent'
    throw toStoreError(error, 'opening', directory)
  }
  if (!stats.isFile()) throw notLmdb(directory, 'it is not a file')
  if (stats.size === 0) return 'absent'
  checkHeader(directory, path)
  const lock = join(directory, LOCK_FILE)
  return isWritable(directory) && isWritable(path) && (isWritable(lock) || !exists(lock)) ? 'writable' : 'read-only'
}

/**
 * Makes the directory `path` and those above it where they are absent.
 * @throws {CoppiceError} `STORE_READ_ONLY` where the directory to make them in cannot be written to, `STORE_FULL`, `STORE_IO`.
 */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    let above = dirname(path)
    while (!exists(above) && above !== dirname(above)) above = dirname(above)
    // On a read-only disk a recursive mkdir says that there is no such directory.
    if (isWritable(above)) throw toStoreError(error, 'creating the directory', path)
    throw new CoppiceError(
      'STORE_READ_ONLY',
      `${path}: the directory cannot be made, ${above} cannot be written to; choose another place`,
      {
        cause: error,
        details: { path },
      },
    )
  }
}

/**
 * Makes the lock file with all its bytes on the disk, where there is none yet. LMDB would make it with holes, and a hole
 * that a full disk cannot fill kills every process that touches it.
 * @throws {CoppiceError} `STORE_FULL` where the disk has less than 1 MiB left, `STORE_READ_ONLY`, `STORE_IO`.
 */
export function allocateLockFile(directory: string): void {
  const path = join(directory, LOCK_FILE)
  if (exists(path)) return
  // Linked into place, so that it is never written to once another process may have mapped it.
  const temporary = join(directory, `.${LOCK_FILE}.${randomBytes(8).toString('hex')}`)
  try {
    const disk = statfsSync(directory)
    if (disk.bavail * disk.bsize < ROOM_BYTES_MIN) {
      throw new CoppiceError(
        'STORE_FULL',
        `store ${directory}: the disk has less than 1 MiB left; free some space and try again`,
        {
          details: { path: directory },
        },
      )
    }
    writeFileSync(temporary, new Uint8Array(LOCK_FILE_BYTES), { flag: 'wx', mode: 0o664 })
    linkSync(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw toStoreError(error, 'opening', directory)
  } finally {
    if (exists(temporary)) unlinkSync(temporary)
  }
}

/** Whether this process may write to `path`, a read-only disk considered. */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function exists(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch {
    return false
  }
}

function checkHeader(directory: string, path: string): void {
  const header = new Uint8Array(HEADER_BYTES)
  try {
    const file = openSync(path, 'r')
    try {
      if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) throw notLmdb(directory, 'it is cut short')
      checkVersion(directory, header)
      if (isCutShort(file)) throw notLmdb(directory, 'it is cut short, like a copy that was interrupted')
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw toStoreError(error, 'opening', directory)
  }
}

function checkVersion(directory: string, header: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(header.buffer)
  const little = endianness() === 'LE'
  if ((view.getUint16(FLAGS_AT, little) & META_PAGE_FLAG) === 0 || view.getUint32(MAGIC_AT, little) !== MAGIC) {
    throw notLmdb(directory, 'it is not an LMDB file')
  }
  const version = view.getUint32(VERSION_AT, little) & 0xffff
  if (version !== DATA_VERSION) throw notLmdb(directory, `LMDB data version ${DATA_VERSION} expected, got ${version}`)
}

function notLmdb(directory: string, reason: string): CoppiceError {
  return new CoppiceError(
    'STORE_CORRUPT',
    `store ${directory}: ${DATA_FILE} cannot be used, ${reason}; restore a backup, or clone again`,
    {
      details: { path: join(directory, DATA_FILE) },
    },
  )
}
