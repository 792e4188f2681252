/** Which keys a directory has, whether one of them may sign the next root, and if not, why: for status, publish and key show. */
import { equalBytes } from '../bytes.ts'
import { directoryPaths, keyCodec, readKeyFile } from '../directory/index.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import type { Database } from '../index.ts'
import {
  chooseEpoch,
  decodeGrant,
  type EpochChoice,
  type EpochWish,
  formatAuthor,
  type Authority,
  type KeyRole,
  type SignedRoot,
} from '../pointer/index.ts'
import { renderTime } from './render.ts'

/** What can be said of a key file in the directory. */
export interface HeldKey {
  readonly path: string
  readonly role: KeyRole
  /** Undefined where it is damaged, or not this user's to read. */
  readonly publicKey: Uint8Array | undefined
  /** Why not; escaped. */
  readonly problem: string | undefined
}

/**
 * Why nobody can publish with the keys in the directory. Escaped.
 * `absent`: there is none. `other`: none is the one that is to sign. `expired`: its grant is over. `unreadable`: damaged, or not this user's
 * to read.
 */
export interface KeyProblem {
  readonly reason: 'absent' | 'other' | 'expired' | 'unreadable'
  readonly message: string
}

/** What the next root will be signed by, with the keys at hand. */
export interface Signing {
  readonly last: SignedRoot | undefined
  readonly authority: Authority
  readonly choice: EpochChoice
  readonly keys: readonly HeldKey[]
  readonly problem: KeyProblem | undefined
}

export async function readSigning(dir: string, db: Database, wish: Omit<EpochWish, 'keys'> = {}): Promise<Signing> {
  const { authorKey, signerKey } = directoryPaths(dir)
  const found = await Promise.all([readHeld(authorKey, 'author'), readHeld(signerKey, 'signer')])
  const keys = found.filter((key) => key !== undefined)
  const last = await db.published()
  const authority = await db.authority()
  const choice = chooseEpoch(last ?? null, authority, {
    ...wish,
    keys: keys.map(({ publicKey }) => publicKey).filter((key) => key !== undefined),
  })
  const now = Math.floor(db.state.clock.now() / 1000)
  return { last, authority, choice, keys, problem: problemOf(authorKey, keys, choice, authority, now) }
}

/** @throws {CoppiceError} `KEY_FILE_INVALID`, before anything is written or signed. */
export async function requireKey(dir: string, db: Database, wish: Omit<EpochWish, 'keys'>): Promise<void> {
  const { problem } = await readSigning(dir, db, wish)
  // Told by publishing itself, which knows the time of the root.
  if (problem === undefined || problem.reason === 'expired') return
  throw new CoppiceError('KEY_FILE_INVALID', problem.message, { details: { reason: problem.reason } })
}

/** Undefined where there is none. */
async function readHeld(path: string, role: KeyRole): Promise<HeldKey | undefined> {
  try {
    const { signer } = await readKeyFile(path, keyCodec(role))
    return { path, role, publicKey: signer.publicKey, problem: undefined }
  } catch (error) {
    if (!(error instanceof CoppiceError)) throw error
    if (isCoppiceError(error, 'KEY_FILE_INVALID') && error.details['reason'] === 'absent') return undefined
    return { path, role, publicKey: undefined, problem: escapeText(error.message) }
  }
}

function problemOf(
  authorKey: string,
  keys: readonly HeldKey[],
  choice: EpochChoice,
  authority: Authority,
  now: number,
): KeyProblem | undefined {
  const { key, epoch, grant } = choice
  const expires = grant === null ? null : decodeGrant(grant).expires
  if (keys.some(({ publicKey }) => publicKey !== undefined && equalBytes(publicKey, key))) {
    if (expires === null || now < expires) return undefined
    const when = renderTime(expires)
    return {
      reason: 'expired',
      message: `the grant of its signer expired at ${when}: ask the authority for another (coppice key grant)`,
    }
  }
  const unreadable = keys.find(({ publicKey }) => publicKey === undefined)
  if (unreadable?.problem !== undefined) return { reason: 'unreadable', message: unreadable.problem }
  const [held] = keys
  if (held === undefined)
    return { reason: 'absent', message: `${escapeText(authorKey)} is missing: restore it from a copy` }
  const paths = keys.map(({ path }) => escapeText(path)).join(', ')
  const signs = `${formatAuthor(key)} signs epoch ${epoch}`
  if (keys.some(({ role }) => role === 'signer')) {
    const over = epoch === 0 ? '' : ', and grants for earlier ones are over'
    return {
      reason: 'other',
      message: `${paths}: no grant to sign: ${signs}${over}; ask for one with coppice key grant`,
    }
  }
  const isFirst = epoch === 0 && grant === null && equalBytes(key, authority.author)
  const message = isFirst
    ? `${paths} is the key of another author: put back the one of this database`
    : `${paths}: it may not sign: ${signs}; with the authority, --new-epoch takes over`
  return { reason: 'other', message }
}
