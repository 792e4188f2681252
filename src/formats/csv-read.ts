/**
 * CSV (RFC 4180) as documents: the first row names the fields. documents.md, 4. csv-parse does the parsing; what it
 * does not tell, the place of each row and cell, is counted here from its byte offsets.
 */
import { pipeline, Readable } from 'node:stream'
import { CsvError, parse, type Options } from 'csv-parse'
import type { Document, FieldValue } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText, excerptOf } from '../escape.ts'
import { CELL_EXPECTED, parseCell, unguardFormula, type CellType, type ColumnTypes } from './csv-cell.ts'
import { PlaceCursor } from './place-cursor.ts'
import {
  RECORD_BYTES_MAX,
  syntaxError,
  tooLongError,
  type ByteSource,
  type InputRecord,
  type Place,
  type ReadOptions,
} from './place.ts'
import { checkUtf8 } from './utf8.ts'

export interface CsvReadOptions extends ReadOptions {
  /** Columns not named are text: a cell is never guessed to be a number. */
  readonly types?: ColumnTypes | undefined
}

interface Row {
  /** null: empty and not quoted. */
  readonly record: readonly (string | null)[]
  /** `bytes`: the offset after the row and its line break. */
  readonly info: { readonly bytes: number }
}

/**
 * The rows of `source`, each with the place where it begins. Rows without anything are skipped.
 * @throws {CoppiceError} `INPUT_SYNTAX` with `details.line` and `details.column` for broken quotes, rows of another length
 *   than the header, cells that are not of their type; `USAGE` for a type whose column is not there.
 */
export async function* readCsv(
  source: ByteSource,
  options: CsvReadOptions = {},
): AsyncGenerator<InputRecord<Document>> {
  const reader = new CsvReader(options)
  const parser = parse(reader.parserOptions())
  pipeline(Readable.from(reader.tap(source)), parser, () => {})
  try {
    for await (const row of parser as AsyncIterable<Row>) {
      const record = reader.row(row)
      if (record !== undefined) yield record
    }
  } catch (error) {
    throw error instanceof CsvError ? reader.parserError(error) : error
  }
  reader.end()
}

class CsvReader {
  readonly #options: CsvReadOptions
  readonly #bytesMax: number
  readonly #cursor = new PlaceCursor()
  #columns: readonly string[] | undefined
  #types: readonly CellType[] = []
  /** Where the row after the last one begins. */
  #offset = 0

  constructor(options: CsvReadOptions) {
    this.#options = options
    this.#bytesMax = options.recordBytesMax ?? RECORD_BYTES_MAX
  }

  parserOptions(): Options {
    return {
      info: true,
      relax_column_count: true,
      record_delimiter: ['\r\n', '\n'],
      max_record_size: this.#bytesMax,
      cast: (cell, context) => (cell === '' && !context.quoting ? null : cell),
    }
  }

  async *tap(source: ByteSource): AsyncGenerator<Uint8Array> {
    for await (const chunk of checkUtf8(source, this.#options)) {
      this.#cursor.push(chunk)
      yield chunk
    }
  }

  row({ record, info }: Row): InputRecord<Document> | undefined {
    const place = this.#cursor.advance(this.#offset)
    this.#offset = info.bytes
    if (record.length === 1 && record[0] === null) return undefined
    if (this.#columns === undefined) {
      this.#header(record, place)
      return undefined
    }
    return { value: this.#document(record, this.#columns, place), ...place }
  }

  /** An input without even a header is an error: an export always has one. */
  end(): void {
    if (this.#columns === undefined)
      throw syntaxError({ line: 1, column: 1 }, 'a row with the names of the columns', 'no row')
  }

  #header(record: readonly (string | null)[], place: Place): void {
    // A field may have the empty name, which an export writes in quotes: what is wholly empty is a mistake.
    const unnamed = record.indexOf(null)
    if (unnamed >= 0) throw this.#cellError(place, unnamed, `a name for column ${unnamed + 1}`, 'an empty cell')
    const columns = record.map((cell) => unguardFormula(cell ?? ''))
    const twice = columns.findIndex((name, i) => columns.indexOf(name) !== i)
    if (twice >= 0) {
      throw this.#cellError(place, twice, 'each column name once', `"${excerptOf(columns[twice] ?? '')}" again`)
    }
    const types = this.#options.types
    for (const name of types?.keys() ?? []) {
      if (columns.includes(name)) continue
      const known = columns.map((each) => excerptOf(each)).join(', ')
      const what = `column "${excerptOf(name)}"`
      throw new CoppiceError(
        'USAGE',
        `${what}: expected it among those of the input (${known}), got none of that name`,
        {
          details: { fields: columns },
        },
      )
    }
    this.#columns = columns
    this.#types = columns.map((name) => types?.get(name) ?? 'text')
  }

  #document(record: readonly (string | null)[], columns: readonly string[], place: Place): Document {
    if (record.length !== columns.length) {
      throw syntaxError(
        place,
        `${columns.length} ${columns.length === 1 ? 'cell' : 'cells'} as in the header`,
        `${record.length}`,
        this.#textAhead(),
      )
    }
    const document: Record<string, FieldValue> = {}
    for (let i = 0; i < columns.length; i++) {
      const type = this.#types[i] ?? 'text'
      const value = parseCell(record[i] ?? null, type)
      if (value === undefined) {
        const expected = `${CELL_EXPECTED[type]} for column "${excerptOf(columns[i] ?? '')}"`
        throw this.#cellError(place, i, expected, `"${excerptOf(record[i] ?? '')}"`)
      }
      setField(document, columns[i] ?? '', value)
    }
    return document
  }

  parserError(error: CsvError): Error {
    // The parser has counted up to the delimiter before the cell it stopped in, or to the start of a first cell.
    const { bytes, column, code } = error as CsvError & { bytes: number; column: number; code: string }
    const place = this.#cursor.advance(bytes + (column > 0 ? 1 : 0))
    const text = this.#textAhead()
    switch (code) {
      case 'CSV_MAX_RECORD_SIZE':
        return tooLongError(place, this.#bytesMax)
      case 'CSV_QUOTE_NOT_CLOSED':
        return syntaxError(place, 'a double quote at the end of a quoted cell', 'the end of the input', text)
      case 'CSV_INVALID_CLOSING_QUOTE':
        return syntaxError(
          place,
          '"," or the end of the row after a quoted cell (a quote inside is written twice)',
          'other text',
          text,
        )
      case 'INVALID_OPENING_QUOTE':
        return syntaxError(place, 'a cell with quotes inside to be quoted as a whole', 'a quote after other text', text)
      default:
        return syntaxError(place, 'CSV', escapeText(error.message), text)
    }
  }

  #textAhead(): string {
    return new TextDecoder().decode(this.#cursor.ahead(120)).split('\n', 1)[0] ?? ''
  }

  /** The row is scanned again for where its cell number `index` begins: only on the way to an error. */
  #cellError(row: Place, index: number, expected: string, got: string): Error {
    const bytes = this.#cursor.ahead(this.#bytesMax)
    let quoted = false
    let at = 0
    for (let cell = 0; cell < index && at < bytes.length; at++) {
      if (bytes[at] === 0x22) quoted = !quoted
      else if (bytes[at] === 0x2c && !quoted) cell++
    }
    const within = new PlaceCursor()
    within.push(bytes)
    const { line, column } = within.advance(at)
    const place =
      line === 1 ? { line: row.line, column: row.column + column - 1 } : { line: row.line + line - 1, column }
    return syntaxError(place, expected, got)
  }
}

function setField(document: Record<string, FieldValue>, name: string, value: FieldValue): void {
  if (name !== '__proto__') document[name] = value
  else Object.defineProperty(document, name, { value, writable: true, enumerable: true, configurable: true })
}
