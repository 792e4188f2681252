/**
 * Cells of CSV: types, null, and the guard against formulas. documents.md, 4. Reading a cell is the inverse of writing
 * it, given the column's type.
 */
import { INTEGER_RULE, isInteger64, normalizeInteger, type FieldValue } from '../document-model.ts'
import { bytesToHex, hexToBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { excerptOf } from '../escape.ts'
import { parseJsonValue, stringifyJson, stringifyNumber } from './json-text.ts'

/** `text` is every cell as it stands; `json` any value as JSON text; `bytes` hexadecimal digits. */
export type CellType = 'text' | 'integer' | 'number' | 'boolean' | 'bytes' | 'json'
export const CELL_TYPES: readonly CellType[] = ['text', 'integer', 'number', 'boolean', 'bytes', 'json']

/** Types by column; columns without one are text. */
export type ColumnTypes = ReadonlyMap<string, CellType>

/**
 * `id:integer,x:number` as {@link ColumnTypes}. A column's name may itself contain colons.
 * @throws {CoppiceError} `USAGE`
 */
export function parseColumnTypes(list: string): ColumnTypes {
  const types = new Map<string, CellType>()
  for (const item of list.split(',')) {
    const colon = item.lastIndexOf(':')
    const column = item.slice(0, colon).trim()
    const type = item.slice(colon + 1).trim() as CellType
    if (colon < 1 || !CELL_TYPES.includes(type)) {
      throw new CoppiceError(
        'USAGE',
        `types: expected NAME:TYPE with a type of ${CELL_TYPES.join(', ')}, got "${excerptOf(item)}"`,
      )
    }
    if (types.has(column))
      throw new CoppiceError('USAGE', `types: expected each column once, got "${excerptOf(column)}" twice`)
    types.set(column, type)
  }
  return types
}

/**
 * What a spreadsheet takes for a formula, or for the start of one (OWASP, CSV injection): = + - @ tab, line breaks, and
 * their full-width forms. Text that begins like this, after any number of quotes, gets one more quote in front; reading
 * takes one away. So both directions are unambiguous for every text.
 */
const FORMULA = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

export function guardFormula(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text
}

export function unguardFormula(text: string): string {
  return text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text
}

/** What a cell of that type should look like, for errors. */
export const CELL_EXPECTED: Readonly<Record<CellType, string>> = {
  text: 'text',
  integer: INTEGER_RULE,
  number: 'a number',
  boolean: 'true or false',
  bytes: 'an even number of hexadecimal digits',
  json: 'JSON',
}

/** The value in a cell, undefined where it is none of that type. `cell` null: empty and not quoted. */
export function parseCell(cell: string | null, type: CellType): FieldValue | undefined {
  if (cell === null) return null
  if (type === 'text') return unguardFormula(cell)
  if (cell === '') return type === 'bytes' ? new Uint8Array(0) : null
  switch (type) {
    case 'integer':
      return parseInteger(cell)
    case 'number':
      return parseNumber(cell)
    case 'boolean':
      return /^true$/i.test(cell) ? true : /^false$/i.test(cell) ? false : undefined
    case 'bytes':
      return hexToBytes(cell)
    case 'json':
      return parseJson(cell)
  }
}

function parseInteger(cell: string): number | bigint | undefined {
  if (!/^-?[0-9]{1,40}$/.test(cell)) return undefined
  const number = Number(cell)
  if (Number.isSafeInteger(number)) return number
  const integer = BigInt(cell)
  return isInteger64(integer) ? normalizeInteger(integer) : undefined
}

function parseNumber(cell: string): number | undefined {
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(cell)) return undefined
  const number = Number(cell)
  return Number.isFinite(number) ? number : undefined
}

function parseJson(cell: string): FieldValue | undefined {
  try {
    return parseJsonValue(cell, { line: 1, column: 1 })
  } catch (error) {
    if (error instanceof CoppiceError) return undefined
    throw error
  }
}

/** The cell for `value`, quoted and guarded as needed. Undefined, a field that is not there, is written as null is. */
export function stringifyCell(value: FieldValue | undefined, type: CellType | undefined): string {
  if (value === undefined || (value === null && type !== 'json')) return ''
  if (type === 'json') return quoteCell(stringifyJson(value))
  if (typeof value === 'string') return quoteCell(guardFormula(value))
  if (typeof value === 'number') return stringifyNumber(value)
  if (typeof value === 'object' && !(value instanceof Uint8Array)) return quoteCell(stringifyJson(value))
  if (value instanceof Uint8Array) return value.length === 0 ? '""' : bytesToHex(value)
  return String(value)
}

/** RFC 4180. Empty text is quoted, since an empty cell without quotes is null. */
export function quoteCell(text: string): string {
  return text === '' || /[",\r\n]|^[ \ufeff]| $/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
