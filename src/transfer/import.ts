/**
 * Imports: a stream of records becomes one batch, whatever its size. Records are sorted by key with bounded memory, then
 * applied in one pass over the tree, so an import into an empty database is a bulk build, one of unsorted data rewrites
 * no node twice, and a broken line anywhere leaves the database as it was.
 */
import { abortable } from '../abortable.ts'
import {
  type BatchReport,
  type CollectionWriter,
  type Database,
  encodeDocument,
  PART_TYPES,
  type PartType,
  RawRowCheck,
  readSchemas,
  renderTreeKey,
  type Schema,
  type Snapshot,
  type Transaction,
} from '../db/index.ts'
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import {
  type ByteSource,
  type ColumnTypes,
  type DocumentFormat,
  type InputRecord,
  type RawEntry,
  readDocuments,
  readRawEntries,
  sortEntries,
  type SortEntry,
  typeOfName,
  withPlace,
} from '../formats/index.ts'
import { assertKeySize, type KeyRange } from '../prolly/index.ts'
import { requireColumnTypes, withKeyTypes } from './column-types.ts'
import { ChangeCounter, type ChangeLimit, type EditCounts, replacements, upserts } from './row-edits.ts'

interface CommonOptions {
  /** The input's name: its extensions say format and compression. */
  readonly name?: string | undefined
  /** Rows that are there and not in the input are removed. */
  readonly replace?: boolean | undefined
  readonly maxChanges?: ChangeLimit | undefined
  readonly signal?: AbortSignal | undefined
  /** Called now and then with the records read so far. */
  readonly onProgress?: ((records: number) => void) | undefined
  /** For tests: memory the sort may take. */
  readonly sortMemoryBytesMax?: number | undefined
}

export interface ImportOptions extends CommonOptions {
  readonly collection: string
  /** Fields of the primary key, where the collection is new. */
  readonly key?: readonly string[] | undefined
  /** Types of CSV columns, and of key fields of a new collection. */
  readonly types?: ColumnTypes | undefined
  /** Wins over the name. */
  readonly format?: DocumentFormat | undefined
}

export interface ImportReport extends EditCounts {
  /** Records in the input. */
  readonly records: number
  readonly from: Snapshot
  readonly to: Snapshot
  readonly blocksWritten: number
  readonly bytesWritten: number
}

const RECORDS_PER_PROGRESS = 1000

/**
 * Imports documents into one collection: all, or none where it rejects.
 * @throws {CoppiceError} `INPUT_EMPTY` (replacing by nothing, without `maxChanges`), `INPUT_*` with `details.line` and `details.column`, `KEY_INVALID`, `KEY_TOO_LONG`, `VALUE_TOO_LARGE`,
 *   `DOCUMENT_INVALID`, `SCHEMA_MISMATCH`, `COLLECTION_UNKNOWN`, `TOO_MANY_CHANGES`, `STORE_*`.
 */
export async function importDocuments(db: Database, source: ByteSource, options: ImportOptions): Promise<ImportReport> {
  return await importRows(db, options, (tx, progress) => {
    const documents = new DocumentRows(tx, options)
    const records = progress(documents.read(endable(source, options.signal)))
    return { rows: documents.rows(records), range: () => documents.range() }
  })
}

/** Imports byte keys and values: the whole key space is what `replace` makes equal to the input. */
export async function importRaw(db: Database, source: ByteSource, options: CommonOptions = {}): Promise<ImportReport> {
  return await importRows(db, options, (tx, progress) => {
    const { name, signal, replace } = options
    const records = progress(readRawEntries(endable(source, signal), { name, signal }))
    const check = new RawRowCheck(replace === true ? undefined : tx)
    return { rows: rawRows(records), range: () => Promise.resolve({}), check }
  })
}

function endable(source: ByteSource, signal: AbortSignal | undefined): ByteSource {
  return signal === undefined ? source : abortable(source, signal)
}

interface Plan {
  /** Keys and values of the records; asks for the schema with the first. */
  readonly rows: AsyncIterable<SortEntry>
  /** Once all rows were read: the keys the input is about. Undefined where it is about none. */
  readonly range: () => Promise<KeyRange | undefined>
  /** For raw rows, once they are sorted: schemas come before their documents. */
  readonly check?: RawRowCheck
}

type Progress = <T>(records: AsyncIterable<InputRecord<T>>) => AsyncIterable<InputRecord<T>>

async function importRows(
  db: Database,
  options: CommonOptions,
  plan: (tx: Transaction, progress: Progress) => Plan,
): Promise<ImportReport> {
  const { signal, sortMemoryBytesMax } = options
  let records = 0
  async function* progress<T>(source: AsyncIterable<InputRecord<T>>): AsyncGenerator<InputRecord<T>> {
    for await (const record of source) {
      if (++records % RECORDS_PER_PROGRESS === 0) options.onProgress?.(records)
      yield record
    }
  }
  const report: BatchReport<EditCounts> = await db.batchWithReport(
    async (tx) => {
      const { rows, range, check } = plan(tx, progress)
      const sorted = sortEntries(rows, { signal, memoryBytesMax: sortMemoryBytesMax, renderKey: renderTreeKey })
      return await applySorted(tx, check === undefined ? sorted : checked(sorted, check), range, options)
    },
    { signal },
  )
  const { result, from, to, blocksWritten, bytesWritten } = report
  return { ...result, records, from, to, blocksWritten, bytesWritten }
}

async function applySorted(
  tx: Transaction,
  sorted: AsyncGenerator<SortEntry>,
  range: Plan['range'],
  options: CommonOptions,
): Promise<EditCounts> {
  try {
    // Nothing comes out of the sort before all of the input went in: from here on the schema is known.
    const first = await sorted.next()
    const within = await range()
    const rowsBefore = within === undefined ? 0 : await tx.count(within)
    const isEmptying = first.done === true && options.replace === true && rowsBefore > 0
    if (isEmptying && options.maxChanges === undefined) throw emptyInput(rowsBefore)
    const counter = new ChangeCounter(options.maxChanges, rowsBefore)
    if (within === undefined) return counter.counts
    const rows = first.done === true ? nothing() : startingWith(first.value, sorted)
    await tx.apply(options.replace === true ? replacements(rows, tx, within, counter) : upserts(rows, tx, counter))
    return counter.counts
  } finally {
    await sorted.return(undefined)
  }
}

async function* checked(rows: AsyncIterable<SortEntry>, check: RawRowCheck): AsyncGenerator<SortEntry> {
  for await (const row of rows) {
    try {
      const checking = check.check(row.key, row.value)
      if (checking instanceof Promise) await checking
    } catch (error) {
      throw withPlace(error, row)
    }
    yield row
  }
}

/** A download that failed must not empty a database. */
function emptyInput(rows: number): CoppiceError {
  return new CoppiceError(
    'INPUT_EMPTY',
    `input: expected records, got none, and replacing by nothing would remove all ${rows} rows; if that is meant, allow it with --max-changes 100%`,
    { details: { rows } },
  )
}

async function* nothing(): AsyncGenerator<SortEntry> {}

async function* startingWith(first: SortEntry, rest: AsyncIterable<SortEntry>): AsyncGenerator<SortEntry> {
  yield first
  yield* rest
}

/** Documents as rows of their collection; the first one settles the schema. */
class DocumentRows {
  readonly #tx: Transaction
  readonly #options: ImportOptions
  #schema: Schema | undefined
  /** For CSV alone. */
  #columnTypes: ColumnTypes | undefined

  constructor(tx: Transaction, options: ImportOptions) {
    this.#tx = tx
    this.#options = options
  }

  async *read(source: ByteSource): AsyncGenerator<InputRecord<Document>> {
    const { name, format, types, signal } = this.#options
    const isCsv = (format ?? (name === undefined ? undefined : typeOfName(name)?.format)) === 'csv'
    if (isCsv) this.#columnTypes = withKeyTypes(types, await this.#existingSchema())
    yield* readDocuments(source, { name, format, types: this.#columnTypes ?? types, signal })
  }

  async *rows(records: AsyncIterable<InputRecord<Document>>): AsyncGenerator<SortEntry> {
    for await (const { value: document, line, column } of records) {
      try {
        this.#schema ??= await this.#settle(document)
        const key = this.#schema.keyOf(document)
        const value = encodeDocument(document)
        assertKeySize(key)
        yield { key, value, line, column }
      } catch (error) {
        throw withPlace(error, { line, column })
      }
    }
  }

  /** An empty input is about the collection too, if there is one. */
  async range(): Promise<KeyRange | undefined> {
    if (this.#schema !== undefined) return this.#schema.rangeFor()
    return (await this.#existingSchema())?.rangeFor()
  }

  /** What the first document decides. */
  async #settle(first: Document): Promise<Schema> {
    if (this.#columnTypes !== undefined && (await this.#existingSchema()) !== undefined) {
      await requireColumnTypes(this.#tx, this.#options.collection, first, this.#columnTypes)
    }
    return await this.#writer().requireSchema(first)
  }

  async #existingSchema(): Promise<Schema | undefined> {
    const collections = await readSchemas(this.#tx)
    return collections.find(({ collection }) => collection === this.#options.collection)
  }

  #writer(): CollectionWriter {
    const { collection, key, types } = this.#options
    const keyTypes: Record<string, PartType> = {}
    for (const field of key ?? []) {
      const type = types?.get(field)
      if (type !== undefined && isPartType(type)) keyTypes[field] = type
    }
    return this.#tx.collection(collection, { ...(key === undefined ? {} : { key }), types: keyTypes })
  }
}

function isPartType(type: string): type is PartType {
  return (PART_TYPES as readonly string[]).includes(type)
}

async function* rawRows(records: AsyncIterable<InputRecord<RawEntry>>): AsyncGenerator<SortEntry> {
  for await (const { value, line, column } of records) {
    try {
      assertKeySize(value.key)
    } catch (error) {
      throw withPlace(error, { line, column })
    }
    yield { ...value, line, column }
  }
}
