/**
 * Signing what another machine prepared, with a key file. What a key has signed so stands beside its file, in `<file>.signed`, so that no
 * restored backup and no machine that was taken over gets two roots of one place out of it (record.md, 6).
 */
import { type FileHandle, open } from 'node:fs/promises'
import { equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import {
  assertMaySign,
  decodeSignedRecord,
  decodeUnsignedRoot,
  encodeSignedRecord,
  lastSigned,
  SIGNED_RECORD_BYTES_MAX,
  type SignedRecord,
  type SignedRoot,
  signUnsignedRoot,
  type UnsignedRoot,
  withSigned,
} from '../pointer/index.ts'
import { toFileError } from './file-errors.ts'
import { replaceFile } from './new-file.ts'
import { readSignerFile } from './signer-files.ts'

export interface SignOptions {
  /** The clock, milliseconds since 1970. */
  readonly now: number
  /** Called before anything is signed, when nothing is against it; false ends it. */
  readonly confirm?: ((unsigned: UnsignedRoot, last: SignedRoot | undefined) => Promise<boolean>) | undefined
}

/**
 * Signs a prepared root with the key in the file at `path`; undefined where `confirm` said no. The record of it is on the disk before
 * the signature leaves. Asked again for the same it gives the same.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID`, `PUBLISH_REFUSED` as `signUnsignedRoot`, `KEY_FILE_INVALID`; `INPUT_SYNTAX` where the
 *   record is damaged; `STORE_*`.
 */
export async function signFile(
  path: string,
  bytes: Uint8Array,
  { now, confirm }: SignOptions,
): Promise<SignedRoot | undefined> {
  const { role, signer } = await readSignerFile(path)
  if (role === 'peer') {
    throw new CoppiceError(
      'KEY_FILE_INVALID',
      `${path}: expected the key of an author or signer, got a network identity`,
    )
  }
  const unsigned = decodeUnsignedRoot(bytes)
  const recordPath = recordPathOf(path)
  const record = await readRecord(recordPath)
  const last = lastSigned(record, unsigned.next.payload)
  const context = { now: Math.floor(now / 1000), last }
  assertMaySign(unsigned, signer.publicKey, context)
  if (confirm !== undefined && !(await confirm(unsigned, last))) return undefined
  const signed = await signUnsignedRoot(unsigned, signer, context)
  if (last === undefined || !equalBytes(last.bytes, signed.bytes))
    await replaceFile(recordPath, encodeSignedRecord(withSigned(record, signed)), 'writing what the key has signed')
  return signed
}

/** What the key in the file at `path` has signed for others: of each database the last root. @throws {CoppiceError} `INPUT_SYNTAX`, `STORE_IO`. */
export async function readSignedRecord(path: string): Promise<SignedRecord> {
  return await readRecord(recordPathOf(path))
}

function recordPathOf(path: string): string {
  return `${path}.signed`
}

async function readRecord(path: string): Promise<SignedRecord> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw toFileError(error, 'reading what the key has signed', path)
  }
  try {
    const { size } = await file.stat()
    if (size > SIGNED_RECORD_BYTES_MAX) {
      throw new CoppiceError('INPUT_SYNTAX', `${path}: expected at most ${SIGNED_RECORD_BYTES_MAX} bytes, got ${size}`)
    }
    return decodeSignedRecord(await file.readFile('utf8'))
  } catch (error) {
    throw toFileError(error, 'reading what the key has signed', path)
  } finally {
    await file.close()
  }
}
