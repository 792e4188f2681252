/**
 * What a key remembers of having signed: for each database the last root, so that it never contradicts itself, whatever it is handed
 * (record.md, 6). Lines of the form of signed root files, in the order of author and name.
 */
import { compareBytes, equalBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { decodeSignedRoot, type SignedRoot } from './signed-root.ts'
import { decodeStatementFile, encodeStatementFile } from './statement-file.ts'

/** Far more than anybody has under one key; about 1.4 MB. */
const DATABASES_MAX = 1024
/** No record is longer. */
export const SIGNED_RECORD_BYTES_MAX: number = DATABASES_MAX * 1400

export type SignedRecord = readonly SignedRoot[]

/** @throws {CoppiceError} `INPUT_SYNTAX` for damage, `FORMAT_NEWER`. */
export function decodeSignedRecord(text: string): SignedRecord {
  const lines = text.split('\n').filter((line) => line !== '')
  if (lines.length > DATABASES_MAX) throw damaged(`at most ${DATABASES_MAX} lines, got ${lines.length}`)
  return lines.map((line) => {
    try {
      const root = decodeSignedRoot(decodeStatementFile('signed-root', line))
      if (root.state !== 'newer-format') return root
    } catch (error) {
      if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
    }
    throw damaged('signed roots, got something else')
  })
}

export function encodeSignedRecord(record: SignedRecord): string {
  return record.map(({ bytes }) => encodeStatementFile('signed-root', bytes)).join('')
}

/** The last root of that database. */
export function lastSigned(
  record: SignedRecord,
  { author, name }: { readonly author: Uint8Array; readonly name: string },
): SignedRoot | undefined {
  return record.find(({ payload }) => payload.name === name && equalBytes(payload.author, author))
}

/** @throws {CoppiceError} `PUBLISH_REFUSED` where it is full. */
export function withSigned(record: SignedRecord, root: SignedRoot): SignedRecord {
  const last = lastSigned(record, root.payload)
  const others = record.filter((each) => each !== last)
  if (others.length >= DATABASES_MAX) {
    throw new CoppiceError(
      'PUBLISH_REFUSED',
      `record of what was signed: expected at most ${DATABASES_MAX} databases`,
      {
        details: { reason: 'record-full' },
      },
    )
  }
  return [...others, root].toSorted(
    (a, b) => compareBytes(a.payload.author, b.payload.author) || (a.payload.name < b.payload.name ? -1 : 1),
  )
}

function damaged(what: string): CoppiceError {
  return new CoppiceError('INPUT_SYNTAX', `record of what was signed: expected ${what}`)
}
