/**
 * Key files under a passphrase: an age file (https://age-encryption.org/v1, scrypt, armored) with the key file's line in it, which
 * `age -d` opens, too. The package is loaded at first use.
 */
import { CoppiceError } from '../errors.ts'
import { encodeKeyFile, KEY_FILE_BYTES_MAX } from '../pointer/index.ts'
import { createKeyFile } from './key-files.ts'
import { keyCodec, readSignerFile, type StoredKey } from './signer-files.ts'

/** The largest age file of a key file: its header, tags and armor take some 400 bytes. */
const AGE_FILE_BYTES_MAX: number = 2 * KEY_FILE_BYTES_MAX

/** The key of a file as an age file under `passphrase`, as text. Takes a second: scrypt. */
export async function exportKeyFile(path: string, passphrase: string): Promise<string> {
  const { role, seed } = await readSignerFile(path)
  requirePassphrase(passphrase)
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  return armor.encode(await encrypter.encrypt(encodeKeyFile(role, seed)))
}

/**
 * Writes the key in an age file (armored or not) to a new key file.
 * @throws {CoppiceError} `KEY_FILE_INVALID` where it is none, holds no key, or has another passphrase; as `createKeyFile`.
 */
export async function importKeyFile(age: Uint8Array, passphrase: string, path: string): Promise<StoredKey> {
  requirePassphrase(passphrase)
  const key = await decryptKey(age, passphrase)
  await createKeyFile(path, key, keyCodec(key.role))
  return key
}

async function decryptKey(age: Uint8Array, passphrase: string): Promise<StoredKey> {
  if (age.length > AGE_FILE_BYTES_MAX) throw invalidAge(`at most ${AGE_FILE_BYTES_MAX} bytes, got ${age.length}`)
  const { armor, Decrypter } = await import('age-encryption')
  const head = new TextDecoder().decode(age.subarray(0, 64))
  const isArmored = head.trimStart().startsWith('-----BEGIN AGE ENCRYPTED FILE-----')
  if (!isArmored && !head.startsWith('age-encryption.org/v1\n')) throw invalidAge('an age file, got something else')
  const decrypter = new Decrypter()
  decrypter.addPassphrase(passphrase)
  let text: string
  try {
    text = await decrypter.decrypt(isArmored ? armor.decode(new TextDecoder().decode(age)) : age, 'text')
  } catch {
    // No cause: what a library says of a secret it could read is not for a log.
    throw invalidAge('a passphrase that opens it, and no damage, got another passphrase, or damage')
  }
  return keyCodec().decode(text) as StoredKey
}

function requirePassphrase(passphrase: string): void {
  if (passphrase === '') throw new CoppiceError('USAGE', 'passphrase: expected one, got an empty one')
}

function invalidAge(expected: string): CoppiceError {
  return new CoppiceError('KEY_FILE_INVALID', `age file: expected ${expected}`, { details: { reason: 'age' } })
}
