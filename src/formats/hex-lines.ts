/**
 * Raw entries, one to a line: `{"key":"6b6579","value":"..."}`, both in hexadecimal digits. What `--raw` reads and
 * writes; any two trees of equal entries have the same root.
 */
import { bytesToHex, hexToBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { excerptOf } from '../escape.ts'
import { KEY_BYTES_MAX } from '../prolly/format.ts'
import { parseJsonDocument } from './json-text.ts'
import { readLines } from './lines.ts'
import { syntaxError, type ByteSource, type InputRecord, type Place, type ReadOptions } from './place.ts'
import { batchText } from './write-text.ts'

export interface RawEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

const USUAL_FORM = /^\{"key":"([0-9a-fA-F]*)","value":"([0-9a-fA-F]*)"\}\r?$/
const BLANK = /^[ \t\r]*$/
const EXPECTED = '{"key":"<hex>","value":"<hex>"}'

/**
 * The entries of `source`, in its order. Fields may come in either order and with white space between.
 * @throws {CoppiceError} `INPUT_SYNTAX`, `KEY_TOO_LONG`, with `details.line` and `details.column`.
 */
export async function* readHexLines(
  source: ByteSource,
  options: ReadOptions = {},
): AsyncGenerator<InputRecord<RawEntry>> {
  for await (const lines of readLines(source, options)) {
    for (const { text, line } of lines) {
      if (BLANK.test(text)) continue
      yield { value: parseEntry(text, { line, column: 1 }), line, column: 1 }
    }
  }
}

function parseEntry(text: string, place: Place): RawEntry {
  const usual = USUAL_FORM.exec(text)
  const fields = usual === null ? parseFields(text, place) : { key: usual[1] ?? '', value: usual[2] ?? '' }
  const key = requireHex(fields.key, 'key', text, place)
  const value = requireHex(fields.value, 'value', text, place)
  if (key.length > KEY_BYTES_MAX) {
    throw new CoppiceError(
      'KEY_TOO_LONG',
      `line ${place.line}: key: expected at most ${KEY_BYTES_MAX} bytes, got ${key.length}`,
      {
        details: { ...place, bytes: key.length, bytesMax: KEY_BYTES_MAX },
      },
    )
  }
  return { key, value }
}

function parseFields(text: string, place: Place): { key: string; value: string } {
  const { key, value, ...rest } = parseJsonDocument(text, place)
  const other = Object.keys(rest)[0]
  if (other !== undefined) throw syntaxError(place, EXPECTED, `a field "${excerptOf(other)}"`, text)
  if (typeof key !== 'string') throw syntaxError(place, EXPECTED, 'no text for "key"', text)
  if (typeof value !== 'string') throw syntaxError(place, EXPECTED, 'no text for "value"', text)
  return { key, value }
}

function requireHex(digits: string, field: string, text: string, place: Place): Uint8Array {
  const bytes = hexToBytes(digits)
  if (bytes !== undefined) return bytes
  const at = Math.max(0, text.indexOf(`"${digits}"`))
  throw syntaxError(
    { line: place.line, column: place.column + at },
    `an even number of hexadecimal digits for "${field}"`,
    `"${excerptOf(digits)}"`,
    text,
    at,
  )
}

export function writeHexLines(
  entries: AsyncIterable<RawEntry> | Iterable<RawEntry>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array> {
  return batchText(entries, stringifyHexLine, options.signal)
}

/** With its line feed. */
export function stringifyHexLine({ key, value }: RawEntry): string {
  return `{"key":"${bytesToHex(key)}","value":"${bytesToHex(value)}"}\n`
}
