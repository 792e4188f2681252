/**
 * A secret key as the one line of its file:
 *
 *     coppice-secret-key/1 <role> <seed, 64 hex digits> <public key, 64 hex digits>
 *
 * The first word is the version and lets scanners find leaked keys. The role keeps a network identity from being taken for an author
 * key and the other way round; the public key finds damage. Reading and writing the file (mode 0600) is done elsewhere.
 * No error message here holds any part of the line.
 */
import { bytesToHex, equalBytes, hexToBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { createSigner, SEED_BYTES, type Signer } from './keys.ts'

/** `author` signs roots (the first authority or a rotated one), `signer` is granted epochs, `peer` is a network identity. */
export type KeyRole = 'author' | 'signer' | 'peer'

const VERSION = 'coppice-secret-key/1'
const FAMILY = /^coppice-secret-key\/[0-9]+$/
const ROLES: readonly KeyRole[] = ['author', 'signer', 'peer']
/** What is taken for a key file, by how it begins. */
const FOREIGN: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^\s*(-----BEGIN AGE ENCRYPTED|age-encryption\.org\/)/, 'an age file; coppice key import makes a key file of it'],
  [/^\s*-----BEGIN OPENSSH PRIVATE KEY/, 'a key of OpenSSH, which signs no roots; coppice key new makes one that does'],
  [/^\s*-----BEGIN /, 'a PEM file, which coppice does not read; coppice key new makes a key'],
  [/^\s*(#.*\n\s*)*AGE-SECRET-KEY-/, 'an age identity, which is no signing key'],
  [/^coppice-(grant|rotations|unsigned-root|signed-root)\//, 'a file of another kind, which holds no key'],
  [/^\s*\{/, 'JSON, which coppice reads no keys from; coppice key new makes a key'],
]
/** No key file is longer; anything else is refused unread. */
export const KEY_FILE_BYTES_MAX = 1024

/** The line, with its newline. `seed` is 32 random bytes of the caller's. */
export function encodeKeyFile(role: KeyRole, seed: Uint8Array): string {
  return `${VERSION} ${role} ${bytesToHex(seed)} ${bytesToHex(createSigner(seed).publicKey)}\n`
}

/**
 * The role in the line.
 * @throws {CoppiceError} `KEY_FILE_INVALID` as {@link decodeKeyFile}.
 */
export function keyRoleOf(text: string): KeyRole {
  return readWords(text).role
}

/**
 * The signer and its seed (which a network identity is built from). `role` is what the key is to be used as.
 * @throws {CoppiceError} `KEY_FILE_INVALID` for another version, another role, a damaged line or anything else; `details.reason` is
 *   'foreign' for the file of another program or kind.
 */
export function decodeKeyFile(text: string, role: KeyRole): { readonly signer: Signer; readonly seed: Uint8Array } {
  const { role: heldRole, seedText, publicText } = readWords(text)
  if (heldRole !== role) throw invalid(`a key with the role ${role}`, `one with the role ${heldRole}`)
  const seed = hexToBytes(seedText)
  const publicKey = hexToBytes(publicText)
  if (seed?.length !== SEED_BYTES || publicKey === undefined) throw invalid('64 hex digits twice', 'something else')
  const signer = createSigner(seed)
  if (!equalBytes(signer.publicKey, publicKey))
    throw invalid('the public key of the secret one', 'another: the file is damaged')
  return { signer, seed }
}

function readWords(text: string): { readonly role: KeyRole; readonly seedText: string; readonly publicText: string } {
  const foreign = FOREIGN.find(([pattern]) => pattern.test(text))
  if (foreign !== undefined) throw invalid(VERSION, foreign[1], { reason: 'foreign' })
  if (text.length > KEY_FILE_BYTES_MAX) throw invalid('one line', 'something longer')
  const words = text.replace(/\r?\n$/, '').split(' ')
  const [version, role, seedText = '', publicText = ''] = words
  if (version !== VERSION) throw invalid(VERSION, FAMILY.test(version ?? '') ? 'another version' : 'something else')
  if (words.length !== 4) throw invalid('4 words', `${words.length}`)
  const known = ROLES.find((each) => each === role)
  if (known === undefined) throw invalid('a role', 'something else')
  return { role: known, seedText, publicText }
}

function invalid(expected: string, got: string, details: Readonly<Record<string, unknown>> = {}): CoppiceError {
  return new CoppiceError('KEY_FILE_INVALID', `key file: expected ${expected}, got ${got}`, { details })
}
