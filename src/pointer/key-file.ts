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
const ROLES: readonly string[] = ['author', 'signer', 'peer'] satisfies KeyRole[]
/** No key file is longer; anything else is refused unread. */
export const KEY_FILE_BYTES_MAX = 1024

/** The line, with its newline. `seed` is 32 random bytes of the caller's. */
export function encodeKeyFile(role: KeyRole, seed: Uint8Array): string {
  return `${VERSION} ${role} ${bytesToHex(seed)} ${bytesToHex(createSigner(seed).publicKey)}\n`
}

/**
 * The signer and its seed (which a network identity is built from). `role` is what the key is to be used as.
 * @throws {CoppiceError} `KEY_FILE_INVALID` for another version, another role, a damaged line or anything else.
 */
export function decodeKeyFile(text: string, role: KeyRole): { readonly signer: Signer; readonly seed: Uint8Array } {
  if (text.length > KEY_FILE_BYTES_MAX) throw invalid('one line', 'something longer')
  const words = text.replace(/\r?\n$/, '').split(' ')
  const [version, heldRole, seedText, publicText] = words
  if (version !== VERSION) throw invalid(VERSION, FAMILY.test(version ?? '') ? 'another version' : 'something else')
  if (words.length !== 4) throw invalid('4 words', `${words.length}`)
  if (heldRole === undefined || !ROLES.includes(heldRole)) throw invalid('a role', 'something else')
  if (heldRole !== role) throw invalid(`a key with the role ${role}`, `one with the role ${heldRole}`)
  const seed = hexToBytes(seedText ?? '')
  const publicKey = hexToBytes(publicText ?? '')
  if (seed?.length !== SEED_BYTES || publicKey === undefined) throw invalid('64 hex digits twice', 'something else')
  const signer = createSigner(seed)
  if (!equalBytes(signer.publicKey, publicKey))
    throw invalid('the public key of the secret one', 'another: the file is damaged')
  return { signer, seed }
}

function invalid(expected: string, got: string): CoppiceError {
  return new CoppiceError('KEY_FILE_INVALID', `key file: expected ${expected}, got ${got}`)
}
