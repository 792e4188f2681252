/**
 * What holds of any bytes, for the decoders of documents and keys and the readers of files: they fail in the one way they
 * may, or encoding gives the same bytes; and where the input is cut into chunks makes no difference. Shared by tests and fuzz targets.
 */
import { isDeepStrictEqual } from 'node:util'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import { decodeDocument, encodeDocument } from '../../src/db/documents/document.ts'
import { decodeTuple, encodeTuple, inspectTuple, type KeyPart, type PartType } from '../../src/db/documents/tuple.ts'
import type { Document } from '../../src/document-model.ts'
import { type ErrorCode, isCoppiceError } from '../../src/errors.ts'
import { cut } from './arbitraries.ts'
import { collectUntilError } from './records.ts'

/** What `decode` gives; undefined where it refuses with `code`. Anything else comes through. */
function tryDecode<T>(decode: () => T, code: ErrorCode): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (isCoppiceError(error, code)) return undefined
    throw error
  }
}

export function assertDocumentStrict(bytes: Uint8Array): void {
  const value: Document | undefined = tryDecode(() => decodeDocument(bytes), 'DOCUMENT_INVALID')
  if (value !== undefined) assert.ok(equalBytes(encodeDocument(value), bytes))
}

export function assertTupleStrict(key: Uint8Array, types: readonly PartType[]): void {
  const inspected = inspectTuple(key)
  if (inspected !== undefined) assert.ok(equalBytes(encodeTuple(inspected.parts, inspected.types), key))
  const parts: readonly KeyPart[] | undefined = tryDecode(() => decodeTuple(key, types), 'KEY_INVALID')
  if (parts !== undefined) assert.ok(equalBytes(encodeTuple(parts, types), key))
}

type Read<T> = Awaited<ReturnType<typeof collectUntilError<T>>>

export interface SameOptions {
  /** What the reader may refuse with. */
  readonly codes?: readonly ErrorCode[]
  /** False for a reader that looks ahead: of several problems it may name another one, so places are not compared. */
  readonly namesFirst?: boolean
}

/**
 * Reads `bytes` as a whole and cut into chunks after `sizes` bytes each: the same records, or the same error at the same place.
 * Gives what both came to.
 */
export async function assertSameWhereverCut<T>(
  read: (source: Iterable<Uint8Array>) => AsyncIterable<T>,
  bytes: Uint8Array,
  sizes: readonly number[],
  { codes = ['INPUT_SYNTAX'], namesFirst = true }: SameOptions = {},
): Promise<{ readonly whole: Read<T>; readonly pieces: Read<T> }> {
  const whole = await collectUntilError(read([bytes]))
  const pieces = await collectUntilError(read(cut(bytes, sizes)))
  const problemOf = ({ error }: Read<T>): unknown[] =>
    namesFirst ? [error?.code, error?.details['line'], error?.details['column']] : [error === undefined]
  assert.equal(problemOf(pieces), problemOf(whole))
  if (whole.error === undefined) assert.ok(isDeepStrictEqual(pieces.items, whole.items))
  for (const { error } of [whole, pieces]) assert.ok(error === undefined || codes.includes(error.code), error?.code)
  return { whole, pieces }
}
