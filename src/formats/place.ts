/** Where in an input something stands, and the errors that say so. */
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText, excerptOf } from '../escape.ts'
import { LOADED_VALUE_BYTES_MAX } from '../prolly/format.ts'

/** Both count from 1. Columns count characters (code points), a byte order mark not among them. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** One record of an input and where it begins. */
export interface InputRecord<T> extends Place {
  readonly value: T
}

/**
 * One line, or one element of a JSON array, or one CSV row may have this many bytes: in hexadecimal digits the longest
 * value that is loaded at once, with its key; any document of 16 MiB, of which JSON makes up to six times as much.
 */
export const RECORD_BYTES_MAX: number = 2 * LOADED_VALUE_BYTES_MAX + 64 * 1024

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined
  /** Bound on one record, {@link RECORD_BYTES_MAX} unless told. */
  readonly recordBytesMax?: number | undefined
}

/** What a reader takes: a file, a pipe, a decompressor. Chunks may be cut anywhere. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** `INPUT_SYNTAX` at `place`; `text` around the UTF-16 offset `at` becomes an escaped excerpt. */
export function syntaxError(
  place: Place,
  expected: string,
  got: string,
  text: string = '',
  at: number = 0,
): CoppiceError {
  const excerpt = excerptOf(text, at)
  const message = `line ${place.line}, column ${place.column}: expected ${expected}, got ${got}${excerpt && ` in: ${excerpt}`}`
  return new CoppiceError('INPUT_SYNTAX', message, {
    details: { line: place.line, column: place.column, expected, excerpt },
  })
}

export function tooLongError(place: Place, bytesMax: number): CoppiceError {
  return new CoppiceError(
    'INPUT_SYNTAX',
    `line ${place.line}, column ${place.column}: expected a record of at most ${bytesMax} bytes, got a longer one`,
    { details: { line: place.line, column: place.column, bytesMax } },
  )
}

/** The place of the UTF-16 offset `at` in `text`, which itself begins at `start`. */
export function placeIn(start: Place, text: string, at: number): Place {
  const before = text.slice(0, at)
  const lineStart = before.lastIndexOf('\n') + 1
  const characters = Array.from(before.slice(lineStart)).length
  if (lineStart === 0) return { line: start.line, column: start.column + characters }
  return { line: start.line + before.split('\n').length - 1, column: characters + 1 }
}

/** What is wrong with the content of a record, now with its place; errors that are not coded stay as they are. */
export function withPlace(error: unknown, place: Place): unknown {
  if (!isCoppiceError(error) || error.details.line !== undefined) return error
  return new CoppiceError(error.code, `line ${place.line}: ${error.message}`, {
    cause: error,
    details: { ...error.details, line: place.line, column: place.column },
  })
}

/** The character at `at` as an error names it. */
export function describeCharacter(text: string, at: number): string {
  const code = text.codePointAt(at)
  if (code === undefined) return 'the end'
  return `"${escapeText(String.fromCodePoint(code))}"`
}
