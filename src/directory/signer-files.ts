/** Key files (key-files.ts) as signers: the keys of authors, signers and peers, each with its role. */
import { randomBytes } from 'node:crypto'
import { decodeKeyFile, encodeKeyFile, type KeyRole, keyRoleOf, SEED_BYTES, type Signer } from '../pointer/index.ts'
import { createKeyFile, type KeyCodec, readKeyFile } from './key-files.ts'

/** A key as it is kept: the seed to write, the signer to use. */
export interface StoredKey {
  readonly role: KeyRole
  readonly seed: Uint8Array
  readonly signer: Signer
}

/** `role`: what the key is to be used as; any without. */
export function keyCodec(role?: KeyRole): KeyCodec<StoredKey> {
  return {
    encode: (key) => encodeKeyFile(key.role, key.seed),
    decode: (text) => {
      const found = role ?? keyRoleOf(text)
      return { ...decodeKeyFile(text, found), role: found }
    },
  }
}

export function newKey(role: KeyRole): StoredKey {
  return keyCodec(role).decode(encodeKeyFile(role, randomBytes(SEED_BYTES))) as StoredKey
}

/** Makes a key in a new file. @throws {CoppiceError} as `createKeyFile`. */
export async function createSignerFile(path: string, role: KeyRole): Promise<Signer> {
  const key = newKey(role)
  await createKeyFile(path, key, keyCodec(role))
  return key.signer
}

/** The key in a file, of any role. @throws {CoppiceError} as `readKeyFile`. */
export async function readSignerFile(path: string): Promise<StoredKey> {
  return await readKeyFile(path, keyCodec())
}
