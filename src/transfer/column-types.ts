/**
 * Types of CSV columns for an import into a collection that exists. CSV has only text, and a database remembers no column
 * types beside those of its keys; so keys take theirs from the schema, and a column that would silently turn numbers
 * into text is refused.
 */
import type { FieldValue, Schema, Transaction } from '../db/index.ts'
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import type { CellType, ColumnTypes } from '../formats/index.ts'

/** Documents looked at to learn what a field holds. */
const SAMPLE_DOCUMENTS = 100

/** `declared`, and the types of the key's fields where nothing is declared for them. */
export function withKeyTypes(declared: ColumnTypes | undefined, schema: Schema | undefined): ColumnTypes {
  const types = new Map<string, CellType>(declared)
  for (const { field, type } of schema?.key ?? []) if (!types.has(field)) types.set(field, type)
  return types
}

/**
 * Compares the columns of `document`, the first of a CSV, with some documents that are there.
 * @throws {CoppiceError} `SCHEMA_MISMATCH` where a column without a declared type holds something else than text there.
 */
export async function requireColumnTypes(
  tx: Transaction,
  collection: string,
  document: Document,
  types: ColumnTypes,
): Promise<void> {
  const undeclared = new Set(Object.keys(document).filter((column) => !types.has(column)))
  const wrong: string[] = []
  for await (const sample of tx.collection(collection).scan({ limit: SAMPLE_DOCUMENTS })) {
    for (const column of undeclared) {
      const value = Object.hasOwn(sample, column) ? sample[column] : undefined
      if (value === undefined || value === null) continue
      undeclared.delete(column)
      if (typeof value !== 'string') wrong.push(`${column}:${cellTypeOf(value)}`)
    }
    if (undeclared.size === 0) break
  }
  if (wrong.length === 0) return
  const list = wrong.join(',')
  throw new CoppiceError(
    'SCHEMA_MISMATCH',
    `columns of the CSV: expected the types that the collection ${quoteText(collection)} has, got text; ` +
      `say --types ${quoteText(list)}, or :text for columns that are to become text`,
    { details: { collection, types: list } },
  )
}

function cellTypeOf(value: FieldValue): CellType {
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  if (typeof value === 'boolean') return 'boolean'
  return value instanceof Uint8Array ? 'bytes' : 'json'
}
