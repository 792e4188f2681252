/** Exports: documents of a collection, or byte keys and values, as a stream of bytes in bounded memory. */
import type { Snapshot } from '../db/index.ts'
import { type ColumnTypes, collectColumns, writeCsv, writeHexLines, writeNdjson } from '../formats/index.ts'

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

/** Every key and value, metadata and schemas included, as hexadecimal lines: importing them gives the same root. */
export async function* exportRaw(
  snapshot: Snapshot,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array> {
  yield* writeHexLines(snapshot.scan({ signal: options.signal }), { signal: options.signal })
}
