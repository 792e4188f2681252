/** Exports: documents of a collection, or byte keys and values, as a stream of bytes in bounded memory. */
import { bytesToHex } from '../bytes.ts'
import { type Row, sizeOf, type Snapshot } from '../db/index.ts'
import { CoppiceError } from '../errors.ts'
import { type ColumnTypes, collectColumns, writeCsv, writeHexLines, writeNdjson } from '../formats/index.ts'
import { LOADED_VALUE_BYTES_MAX } from '../prolly/index.ts'

export type ExportFormat = 'ndjson' | 'csv'

export interface ExportOptions {
  readonly collection: string
  readonly format: ExportFormat
  /** For CSV: types of columns. Only `json` changes what is written. */
  readonly types?: ColumnTypes | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The documents in the order of their keys. As NDJSON, importing them again gives the same root. CSV is read twice: its
 * header needs all fields, those of the primary key first.
 * @throws {CoppiceError} `COLLECTION_UNKNOWN`, `STORE_*`, `BLOCK_MISSING`.
 */
export async function* exportDocuments(snapshot: Snapshot, options: ExportOptions): AsyncGenerator<Uint8Array> {
  const { collection, format, types, signal } = options
  const view = snapshot.collection(collection)
  const { key } = await view.schema()
  const scan = { signal }
  if (format === 'ndjson') {
    yield* writeNdjson(view.scan(scan), { signal })
    return
  }
  const columns = await collectColumns(
    view.scan(scan),
    key.map(({ field }) => field),
  )
  yield* writeCsv(view.scan(scan), { columns, types, signal })
}

/**
 * Every key and value, metadata and schemas included, as hexadecimal lines: importing them gives the same root.
 * @throws {CoppiceError} `VALUE_TOO_LARGE` with `details.key` for a value beyond 64 MiB, which no line holds; `STORE_*`, `BLOCK_MISSING`.
 */
export async function* exportRaw(
  snapshot: Snapshot,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array> {
  yield* writeHexLines(loadedRows(snapshot, options.signal), { signal: options.signal })
}

async function* loadedRows(snapshot: Snapshot, signal: AbortSignal | undefined): AsyncGenerator<Row> {
  for await (const { key, value } of snapshot.entries({ signal })) {
    if (sizeOf(value) > LOADED_VALUE_BYTES_MAX) throw tooLongForALine(key, sizeOf(value))
    yield { key, value: await snapshot.tree.readValue(value) }
  }
}

function tooLongForALine(key: Uint8Array, bytes: number): CoppiceError {
  const shown = bytesToHex(key)
  return new CoppiceError(
    'VALUE_TOO_LARGE',
    `row ${shown}: expected a value of at most ${LOADED_VALUE_BYTES_MAX} bytes for a line, got ${bytes}; read it by itself, as a stream`,
    { details: { key: shown, bytes, limit: LOADED_VALUE_BYTES_MAX } },
  )
}
