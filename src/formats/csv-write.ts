/** Documents as CSV (RFC 4180 with line feeds). documents.md, 4 says what comes back. */
import type { Document, FieldValue } from '../document-model.ts'
import { guardFormula, quoteCell, stringifyCell, type ColumnTypes } from './csv-cell.ts'
import { batchText } from './write-text.ts'

export interface CsvWriteOptions {
  /** The fields to write, in this order; other fields are left out. See {@link collectColumns}. */
  readonly columns: readonly string[]
  /** As for reading. Only `json` changes what is written. */
  readonly types?: ColumnTypes | undefined
  readonly signal?: AbortSignal | undefined
}

/** A header, then a row for each of `documents`. */
export async function* writeCsv(
  documents: AsyncIterable<Document> | Iterable<Document>,
  options: CsvWriteOptions,
): AsyncGenerator<Uint8Array> {
  const { columns, types, signal } = options
  yield Buffer.from(columns.map((name) => quoteCell(guardFormula(name))).join(',') + '\n')
  const columnTypes = columns.map((name) => types?.get(name))
  const row = (document: Document): string =>
    columns.map((name, i) => stringifyCell(fieldOf(document, name), columnTypes[i])).join(',') + '\n'
  yield* batchText(documents, row, signal)
}

function fieldOf(document: Document, name: string): FieldValue | undefined {
  return Object.hasOwn(document, name) ? document[name] : undefined
}

/** All fields of `documents`: those of `first` (the primary key, say), then the others in the order they turn up. */
export async function collectColumns(
  documents: AsyncIterable<Document> | Iterable<Document>,
  first: readonly string[] = [],
): Promise<string[]> {
  const columns = new Set(first)
  for await (const document of documents) for (const name of Object.keys(document)) columns.add(name)
  return [...columns]
}
