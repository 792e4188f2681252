/**
 * Key files of this machine: made, opened as signers, taken to other machines, and used for what those prepared. Loaded by index.ts at
 * first use.
 */
import { EMPTY_BYTES, equalBytes } from './bytes.ts'
import type { EnvelopeKey, MadeEnvelopes } from './carriers/index.ts'
import {
  createSignerFile,
  damagedRecord,
  exportKeyFile,
  importKeyFile,
  readKeyRecord,
  readSignedRecord,
  readSignerFile,
  signFile,
  type SignOptions,
  writeKeyRecord,
} from './directory/index.ts'
import { isCoppiceError } from './errors.ts'
import { decodeGrant, decodeRotation, type KeyRole, type SignedRoot, type Signer } from './pointer/index.ts'
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

/** A root that was signed where its key is. */
export type SignedElsewhere = SignedRoot & {
  /** By which others put it on carriers without the key: for `completePublish`. */
  readonly envelopes: readonly Uint8Array[]
  /** Why some could not be made, for people. */
  readonly problems: readonly string[]
}

/** See `KeyFile.sign` of index.ts. */
export async function signWithKey(
  path: string,
  unsignedRoot: Uint8Array,
  confirm: SignOptions['confirm'],
): Promise<SignedElsewhere | undefined> {
  const signed = await signFile(path, unsignedRoot, { now: surroundings.clock.now(), confirm })
  if (signed === undefined) return undefined
  const { envelopeRoot } = await import('./carriers/index.ts')
  const { envelopes, problems } = await makeEnvelopes(path, (key) => envelopeRoot(key, signed))
  return { ...signed, envelopes, problems }
}

/** Envelopes as they stand in files. */
export interface StatementEnvelopes {
  readonly envelopes: readonly Uint8Array[]
  readonly problems: readonly string[]
}

/**
 * Of a grant that the key in the file at `path` signed: what leads readers from the author's key on to the one that it names. `before`: the
 * envelopes of the rotations that made the key the authority.
 */
export async function envelopeGrant(
  path: string,
  grant: Uint8Array,
  before: readonly Uint8Array[],
): Promise<StatementEnvelopes> {
  const { decodeEnvelopes, envelopeLead } = await import('./carriers/index.ts')
  const { author, name } = decodeGrant(grant)
  const way = before.map(decodeEnvelopes)
  return await makeEnvelopes(path, (key) => envelopeLead(key, grant, author, [name], way))
}

/** As {@link envelopeGrant}, of a rotation, for `names` and all databases that the key has signed for where its file is. */
export async function envelopeRotation(
  path: string,
  rotation: Uint8Array,
  names: readonly string[],
  before: readonly Uint8Array[],
): Promise<StatementEnvelopes> {
  const { decodeEnvelopes, envelopeLead, namesInRecord } = await import('./carriers/index.ts')
  const { author } = decodeRotation(rotation)
  const signed = (await readSignedRecord(path)).filter(({ payload }) => equalBytes(payload.author, author))
  const way = before.map(decodeEnvelopes)
  return await makeEnvelopes(path, async (key) => {
    const granted = namesInRecord(key.signer.publicKey, key.lastRecord ?? EMPTY_BYTES, author)
    const all = new Set([...names, ...granted, ...signed.map(({ payload }) => payload.name)])
    return await envelopeLead(key, rotation, author, [...all], way)
  })
}

/** With what the key remembers, which is kept on where it can be. @throws {CoppiceError} `INPUT_SYNTAX` where that is damaged; `STORE_IO`. */
async function makeEnvelopes(
  path: string,
  make: (key: EnvelopeKey) => Promise<MadeEnvelopes>,
): Promise<StatementEnvelopes> {
  const { encodeEnvelopes, openIpnsRecord } = await import('./carriers/index.ts')
  const { signer } = await readSignerFile(path)
  const lastRecord = await readKeyRecord(path)
  if (lastRecord !== undefined && openIpnsRecord(signer.publicKey, lastRecord) === undefined) throw damagedRecord(path)
  const made = await make({ signer, lastRecord, now: surroundings.clock.now() })
  const problems = [...made.problems]
  if (made.record !== undefined && !equalBytes(made.record, lastRecord ?? EMPTY_BYTES)) {
    try {
      await writeKeyRecord(path, made.record)
    } catch (error) {
      if (!isCoppiceError(error)) throw error
      problems.push(`${error.message}; the next grant of this key will not lead to this database by IPNS`)
    }
  }
  return { envelopes: made.envelopes.map(encodeEnvelopes), problems }
}
