/**
 * Files that hold one private key as text. A key file is made whole or not at all, for its owner only (0600), and never
 * replaced: a lost author key is a lost database. The text never appears in an error.
 */
import { readFile, stat } from 'node:fs/promises'
import process from 'node:process'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { toFileError } from './file-errors.ts'
import { createNewFile } from './new-file.ts'

/** How a kind of key is written, its line end included: src/pointer knows. */
export interface KeyCodec<Key> {
  encode(key: Key): string
  /** undefined where `text` is no such key. May throw `KEY_FILE_INVALID`, whose message then holds nothing of `text`. */
  decode(text: string): Key | undefined
}

const KEY_FILE_MODE = 0o600
/** Group and others, read, write or execute. */
const OTHERS_MODE = 0o077
/** Any codec's text is far smaller; a larger file is something else. */
const KEY_FILE_BYTES_MAX = 4096

/** Unfinished key files of {@link createKeyFile}, left by a kill: they name no key anybody used. */
export const KEY_FILE_TEMPORARY: RegExp = /^\.[a-z]+\.key\.[0-9a-f]{16}$/

/**
 * Writes `key` to a new file and flushes it and its directory entry to the disk.
 * @throws {CoppiceError} `KEY_FILE_INVALID` where `path` exists already (`details.reason` 'exists'), `STORE_FULL`, `STORE_READ_ONLY`, `STORE_IO`.
 */
export async function createKeyFile<Key>(path: string, key: Key, codec: KeyCodec<Key>): Promise<void> {
  if (await createNewFile(path, codec.encode(key), KEY_FILE_MODE, 'the key file')) return
  throw new CoppiceError(
    'KEY_FILE_INVALID',
    `key file ${path}: it exists already, and keys are never replaced; move it away first`,
    { details: { path, reason: 'exists' } },
  )
}

/**
 * The key in the file at `path`.
 * @throws {CoppiceError} `KEY_FILE_INVALID` where it is absent (`details.reason` 'absent'), where others may read or
 * write it ('permissions'), or where it holds no such key ('content'); `STORE_IO`.
 */
export async function readKeyFile<Key>(path: string, codec: Pick<KeyCodec<Key>, 'decode'>): Promise<Key> {
  let text: string
  try {
    const stats = await stat(path)
    if (!stats.isFile() || stats.size > KEY_FILE_BYTES_MAX) throw contentError(path)
    // Windows keeps access lists instead of modes.
    if (process.platform !== 'win32' && (stats.mode & OTHERS_MODE) !== 0) throw permissionsError(path, stats.mode)
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw absentError(path)
    throw toFileError(error, 'reading the key file', path)
  }
  return decodeKey(path, text, codec)
}

/**
 * The key in the file, made by `generate` and written first where the file is absent: for creation that can be run
 * again. Of processes that make it at the same time one wins, and all have its key.
 */
export async function ensureKeyFile<Key>(path: string, codec: KeyCodec<Key>, generate: () => Key): Promise<Key> {
  try {
    return await readKeyFile(path, codec)
  } catch (error) {
    if (reasonOf(error) !== 'absent') throw error
  }
  const key = generate()
  try {
    await createKeyFile(path, key, codec)
    return key
  } catch (error) {
    if (reasonOf(error) !== 'exists') throw error
    return await readKeyFile(path, codec)
  }
}

function reasonOf(error: unknown): unknown {
  return error instanceof CoppiceError ? error.details['reason'] : undefined
}

/** Only a coded error of the decoder is passed on, never as a cause: any other may quote what it was given. */
function decodeKey<Key>(path: string, text: string, codec: Pick<KeyCodec<Key>, 'decode'>): Key {
  let key: Key | undefined
  try {
    key = codec.decode(text)
  } catch (error) {
    if (!isCoppiceError(error, 'KEY_FILE_INVALID')) throw contentError(path)
    const advice = error.details['reason'] === 'foreign' ? '' : RESTORE
    throw contentError(path, `${error.message}${advice}`)
  }
  if (key === undefined) throw contentError(path)
  return key
}

function absentError(path: string): CoppiceError {
  return new CoppiceError('KEY_FILE_INVALID', `key file ${path}: there is none; copy it back from where it was kept`, {
    details: { path, reason: 'absent' },
  })
}

const RESTORE = '; restore it from a copy'

function contentError(path: string, reason = `it does not hold a key of this kind${RESTORE}`): CoppiceError {
  return new CoppiceError('KEY_FILE_INVALID', `${path}: ${reason}`, {
    details: { path, reason: 'content' },
  })
}

function permissionsError(path: string, mode: number): CoppiceError {
  const found = (mode & 0o777).toString(8).padStart(4, '0')
  return new CoppiceError(
    'KEY_FILE_INVALID',
    `key file ${path}: expected mode 0600, got ${found}, so others on this machine may have the key; run: chmod 600 ${path}`,
    { details: { path, reason: 'permissions' } },
  )
}
