/**
 * A database's directory:
 *
 *     data.mdb  lock.mdb    the LMDB store: blocks, completeness records, meta values
 *     author.key            the private key of the author, or of an authority after it, where it is kept here
    signer.key            the private key of a signer that is granted epochs
 *     peer.key              the private key of this machine's network identity, never an author key
 *
 * It is a database from the moment its store has the meta value 'format', which creation writes last, durably and
 * together with 'kind'. A creation that was killed leaves no database, and running it again finishes it: it takes
 * over the same files and no others.
 */
import { readdir, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import type { Store } from '../store/interface.ts'
import { LOCK_FILE_TEMPORARY, makeDirectory } from '../store/lmdb-file.ts'
import { LmdbStore, type StoreAccess } from '../store/lmdb.ts'
import { syncDirectory, toFileError } from './file-errors.ts'
import { KEY_FILE_TEMPORARY } from './key-files.ts'

/** Of what the store holds, not of the tree: a higher one is for a newer coppice. */
export const DATABASE_FORMAT = 1

export type DatabaseKind = 'author' | 'replica'

export interface DirectoryPaths {
  readonly path: string
  readonly authorKey: string
  readonly signerKey: string
  readonly peerKey: string
}

/** An open database directory. Disposal closes the store and gives the writer lock back. */
export interface DatabaseDirectory extends DirectoryPaths, AsyncDisposable {
  readonly kind: DatabaseKind
  readonly access: StoreAccess
  readonly store: Store
  close(): Promise<void>
}

export interface CreateOptions {
  readonly kind: DatabaseKind
  /**
   * Makes key files and the first meta values, which are written in one batch with 'format'. Runs with the writer lock
   * held; may run again after a kill, so it takes what it finds (`ensureKeyFile`). Where it throws there is no database.
   */
  readonly prepare?: (paths: DirectoryPaths, store: Store) => Promise<ReadonlyMap<string, Uint8Array> | undefined>
}

const KEY_FILES: ReadonlySet<string> = new Set(['author.key', 'signer.key', 'peer.key'])
const OWN_FILES: ReadonlySet<string> = new Set(['data.mdb', 'lock.mdb', ...KEY_FILES])
const META_FORMAT = 'format'
const META_KIND = 'kind'

/**
 * Makes a database in the directory `path`, which is absent, empty, or was left by a creation that did not finish; it
 * comes back open for writing.
 * @throws {CoppiceError} `DATABASE_EXISTS` where it is one or holds other files, `STORE_LOCKED` while another process
 * creates it, `STORE_READ_ONLY`, `STORE_FULL`, `STORE_IO`.
 */
export async function createDatabaseDirectory(path: string, options: CreateOptions): Promise<DatabaseDirectory> {
  const paths = directoryPaths(path)
  await requireFree(paths.path)
  const store = await LmdbStore.open(paths.path, 'write')
  try {
    await store.lockWriter()
    if (store.getMeta(META_FORMAT) !== undefined) throw existsError(paths.path)
    await removeTemporaryFiles(paths.path)
    const prepared = await options.prepare?.(paths, store)
    const meta = new Map(prepared)
    meta.set(META_FORMAT, encodeText(String(DATABASE_FORMAT)))
    meta.set(META_KIND, encodeText(options.kind))
    await syncDirectory(paths.path)
    await syncDirectory(dirname(paths.path))
    await store.write({ meta }, { durable: true })
    return openedDirectory(paths, store, options.kind)
  } catch (error) {
    await store.close()
    throw error
  }
}

/** What is to be written where a database becomes one of another kind, together with what else that takes. */
export function kindMeta(kind: DatabaseKind): readonly [name: string, value: Uint8Array] {
  return [META_KIND, encodeText(kind)]
}

/**
 * Opens the database in the directory `path`. Access 'write' holds the writer lock until it is closed.
 * @throws {CoppiceError} `NOT_A_DATABASE` (`details.unfinished` where a creation was killed), `FORMAT_NEWER`,
 * `STORE_LOCKED` with `details.pid`, `STORE_READ_ONLY`, `STORE_CORRUPT`, `STORE_IO`.
 */
export async function openDatabaseDirectory(path: string, access: StoreAccess): Promise<DatabaseDirectory> {
  const paths = directoryPaths(path)
  await requireDirectory(paths.path)
  const store = await openStore(paths.path, access)
  try {
    requireFormat(paths.path, store.getMeta(META_FORMAT))
    const kind = requireKind(paths.path, store.getMeta(META_KIND))
    if (access === 'write') await store.lockWriter()
    return openedDirectory(paths, store, kind)
  } catch (error) {
    await store.close()
    throw error
  }
}

/**
 * Removes the files of a database in `path`, which nobody has open: one that was just made and holds nothing. The
 * directory goes too where `isOwn` says that it was made with it, and nothing else is in it. Key files that were there
 * `before` stay.
 */
export async function removeDatabaseDirectory(path: string, isOwn: boolean, before: readonly string[]): Promise<void> {
  for (const name of OWN_FILES) {
    if (!KEY_FILES.has(name) || !before.includes(name)) await rm(join(path, name), { force: true })
  }
  if (isOwn) await rmdir(path).catch(() => {})
}

/** Where the files of the database in `path` are; nothing is opened. */
export function directoryPaths(path: string): DirectoryPaths {
  const absolute = resolve(path)
  return {
    path: absolute,
    authorKey: join(absolute, 'author.key'),
    signerKey: join(absolute, 'signer.key'),
    peerKey: join(absolute, 'peer.key'),
  }
}

function openedDirectory(paths: DirectoryPaths, store: LmdbStore, kind: DatabaseKind): DatabaseDirectory {
  const close = (): Promise<void> => store.close()
  return { ...paths, kind, access: store.access, store, close, [Symbol.asyncDispose]: close }
}

/** Makes the directory where it is absent; whoever finds foreign files in it meant another one. */
async function requireFree(path: string): Promise<void> {
  let names: string[]
  try {
    makeDirectory(path)
    names = await readdir(path)
  } catch (error) {
    if (await liesBelowFile(path)) {
      throw new CoppiceError(
        'DATABASE_EXISTS',
        `${path}: it is a file, or lies below one; choose a directory for the database`,
        {
          details: { path },
        },
      )
    }
    throw toFileError(error, 'creating the directory', path)
  }
  const foreign = names.find((name) => !OWN_FILES.has(name) && !isTemporary(name))
  if (foreign !== undefined) {
    throw new CoppiceError(
      'DATABASE_EXISTS',
      `${path}: expected an empty or absent directory, got one that holds ${JSON.stringify(foreign)}; choose another`,
      { details: { path, found: foreign } },
    )
  }
}

/** Whether a name along `path`, the last one included, is that of a file. */
async function liesBelowFile(path: string): Promise<boolean> {
  for (let at = path; at !== dirname(at); at = dirname(at)) {
    try {
      return !(await stat(at)).isDirectory()
    } catch {
      // Absent: the directory above it decides.
    }
  }
  return false
}

function isTemporary(name: string): boolean {
  return KEY_FILE_TEMPORARY.test(name) || LOCK_FILE_TEMPORARY.test(name)
}

/** What killed creations left: nothing uses them. */
async function removeTemporaryFiles(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (isTemporary(name)) await unlink(join(path, name)).catch(() => {})
  }
}

async function requireDirectory(path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) return
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw notADatabase(
        path,
        'there is no such directory',
        'check the path, or make a database there with: coppice init',
      )
    }
    throw toFileError(error, 'opening the directory', path)
  }
  throw notADatabase(path, 'it is a file', 'name the directory of a database')
}

async function openStore(path: string, access: StoreAccess): Promise<LmdbStore> {
  try {
    // Opened for reading first: a directory that is no database stays as it is.
    const reader = await LmdbStore.open(path, 'read')
    if (access === 'read') return reader
    try {
      return await LmdbStore.open(path, 'write')
    } finally {
      await reader.close()
    }
  } catch (error) {
    if (isCoppiceError(error, 'NOT_A_DATABASE')) {
      throw notADatabase(
        path,
        `it holds no store (${basename(path)}/data.mdb)`,
        'check the path, or make a database there with: coppice init',
      )
    }
    throw error
  }
}

function requireFormat(path: string, value: Uint8Array | undefined): void {
  if (value === undefined) {
    throw notADatabase(path, 'its creation did not finish', 'run the same coppice init, clone or fork again', {
      unfinished: true,
    })
  }
  const text = decodeText(value)
  const format = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined
  if (format === undefined) throw corruptMeta(path, META_FORMAT)
  if (format > DATABASE_FORMAT) {
    throw new CoppiceError(
      'FORMAT_NEWER',
      `${path}: expected database format ${DATABASE_FORMAT} or older, got ${format}; update coppice to use it`,
      { details: { path, format, supported: DATABASE_FORMAT } },
    )
  }
}

function requireKind(path: string, value: Uint8Array | undefined): DatabaseKind {
  const text = value === undefined ? '' : decodeText(value)
  if (text !== 'author' && text !== 'replica') throw corruptMeta(path, META_KIND)
  return text
}

function existsError(path: string): CoppiceError {
  return new CoppiceError('DATABASE_EXISTS', `${path}: it is a database already; use it, or choose another directory`, {
    details: { path },
  })
}

function notADatabase(
  path: string,
  reason: string,
  advice: string,
  details: Record<string, unknown> = {},
): CoppiceError {
  return new CoppiceError('NOT_A_DATABASE', `${path}: not a database, ${reason}; ${advice}`, {
    details: { path, ...details },
  })
}

function corruptMeta(path: string, name: string): CoppiceError {
  return new CoppiceError(
    'STORE_CORRUPT',
    `${path}: the meta value '${name}' is damaged; restore a backup, or clone again`,
    {
      details: { path, name },
    },
  )
}

function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
