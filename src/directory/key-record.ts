/**
 * The last IPNS record that a key made on its own machine, in `<file>.ipns` beside its file (record.md, 6): a key has one for all its
 * databases, so the next one has to say again what this one said. It is as it is put, and no secret; lost, the others are signed for again.
 */
import { readFile, stat } from 'node:fs/promises'
import { CoppiceError } from '../errors.ts'
import { toFileError } from './file-errors.ts'
import { replaceFile } from './new-file.ts'

/** No IPNS record is larger. */
const BYTES_MAX: number = 10 * 1024

/** Undefined where there is none. @throws {CoppiceError} `INPUT_SYNTAX` where it is too large, `STORE_IO`. */
export async function readKeyRecord(keyPath: string): Promise<Uint8Array | undefined> {
  const path = recordPathOf(keyPath)
  try {
    const { size } = await stat(path)
    if (size > BYTES_MAX) throw damagedRecord(keyPath)
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw toFileError(error, "reading the key's last IPNS record", path)
  }
}

/** @throws {CoppiceError} `STORE_*`. */
export async function writeKeyRecord(keyPath: string, record: Uint8Array): Promise<void> {
  await replaceFile(recordPathOf(keyPath), record, "writing the key's last IPNS record")
}

export function damagedRecord(keyPath: string): CoppiceError {
  const path = recordPathOf(keyPath)
  return new CoppiceError(
    'INPUT_SYNTAX',
    `${path}: expected the last IPNS record of its key, got damage; restore it, or remove it and give the grants of other databases again`,
    { details: { path } },
  )
}

function recordPathOf(keyPath: string): string {
  return `${keyPath}.ipns`
}
