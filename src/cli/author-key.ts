/** Whether a database can be published from this directory, and if not, why: for status and for publish. */
import { equalBytes } from '../bytes.ts'
import { directoryPaths, type KeyCodec, readKeyFile } from '../directory/index.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import type { Database } from '../index.ts'
import { decodeKeyFile } from '../pointer/index.ts'

/** Only read here. */
const PUBLIC_KEY: Pick<KeyCodec<Uint8Array>, 'decode'> = {
  decode: (text) => decodeKeyFile(text, 'author').signer.publicKey,
}

/**
 * Why nobody can publish `db` with the key file in `dir`; undefined where one can. Escaped.
 * `absent`: there is none. `other`: it is another author's. `unreadable`: damaged, or not this user's to read.
 */
export interface AuthorKeyProblem {
  readonly reason: 'absent' | 'other' | 'unreadable'
  readonly message: string
}

export async function findAuthorKeyProblem(dir: string, db: Database): Promise<AuthorKeyProblem | undefined> {
  const { authorKey } = directoryPaths(dir)
  const shown = escapeText(authorKey)
  let publicKey: Uint8Array
  try {
    publicKey = await readKeyFile(authorKey, PUBLIC_KEY)
  } catch (error) {
    if (!(error instanceof CoppiceError)) throw error
    if (isCoppiceError(error, 'KEY_FILE_INVALID') && error.details['reason'] === 'absent') {
      return { reason: 'absent', message: `${shown} is missing: restore it from a copy` }
    }
    return { reason: 'unreadable', message: escapeText(error.message) }
  }
  const entitled = (await db.published())?.key ?? db.author
  if (equalBytes(publicKey, entitled)) return undefined
  return { reason: 'other', message: `${shown} is the key of another author: put back the one of this database` }
}

/** @throws {CoppiceError} `KEY_FILE_INVALID`, before anything is written or signed. */
export async function requireAuthorKey(dir: string, db: Database): Promise<void> {
  const problem = await findAuthorKeyProblem(dir, db)
  if (problem !== undefined) {
    throw new CoppiceError('KEY_FILE_INVALID', problem.message, { details: { reason: problem.reason } })
  }
}
