/**
 * Key files of this machine: made, opened as signers, taken to other machines, and used for what those prepared. Loaded by index.ts at
 * first use.
 */
import {
  createSignerFile,
  exportKeyFile,
  importKeyFile,
  readSignerFile,
  signFile,
  type SignOptions,
} from './directory/index.ts'
import { type KeyRole, type SignedRoot, type Signer } from './pointer/index.ts'
import { surroundings } from './surroundings.ts'

/** A key file, opened. It shows its public key and never its secret one. */
export interface OpenedKey {
  readonly role: KeyRole
  readonly signer: Signer
}

/** See `KeyFile.create` of index.ts. */
export async function createKey(path: string, role: KeyRole): Promise<OpenedKey> {
  return { role, signer: await createSignerFile(path, role) }
}

/** See `KeyFile.open` of index.ts. */
export async function openKey(path: string): Promise<OpenedKey> {
  const { role, signer } = await readSignerFile(path)
  return { role, signer }
}

/** See `KeyFile.export` of index.ts. */
export async function exportKey(path: string, passphrase: string): Promise<string> {
  return await exportKeyFile(path, passphrase)
}

/** See `KeyFile.import` of index.ts. */
export async function importKey(age: Uint8Array, passphrase: string, path: string): Promise<OpenedKey> {
  const { role, signer } = await importKeyFile(age, passphrase, path)
  return { role, signer }
}

/** See `KeyFile.sign` of index.ts. */
export async function signWithKey(
  path: string,
  unsignedRoot: Uint8Array,
  confirm: SignOptions['confirm'],
): Promise<SignedRoot | undefined> {
  return await signFile(path, unsignedRoot, { now: surroundings.clock.now(), confirm })
}
