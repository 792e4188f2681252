/** `coppice import`: a file of documents, or of raw rows, as one change. */
import type { Command } from 'commander'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { BatchOptions } from '../../db/index.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText } from '../../escape.ts'
import type { DocumentFormat } from '../../formats/index.ts'
import type { Database } from '../../index.ts'
import type { ChangeLimit, ImportReport } from '../../transfer/index.ts'
import { assertOnlyCar, importCarInto } from '../archives.ts'
import { assertOnlyRaw, parseChangeLimit, parseChoice, parseNames } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { withInputName } from '../metadata.ts'
import { writing } from '../open.ts'
import { renderBytes, renderCount, renderCounted, renderRate, renderShare } from '../render.ts'

interface ImportCommandOptions extends JsonOption {
  readonly collection?: string
  readonly key?: readonly string[]
  readonly types?: string
  readonly format?: DocumentFormat
  readonly replace?: true
  readonly maxChanges?: ChangeLimit
  readonly raw?: true
  readonly car?: string
}

const FORMATS: readonly DocumentFormat[] = ['ndjson', 'json', 'csv']

export function addImport(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'import',
    summary: 'put the documents of a file into a collection, all or none',
    notes: `
FILE is NDJSON (.ndjson, .jsonl), an array (.json) or CSV (.csv), each also .gz or .zst; without FILE, or
with -, standard input. The collection is --collection, else the one named as the file, else the only one
there is, else a new one named as the file. A new collection needs --key, the fields of its primary key.
Cells of CSV are text unless --types says otherwise: text, integer, number, boolean, bytes, json; those of key
fields have the types of the key. A column that is not text in the collection has to be named in --types.
With --raw the input is NDJSON lines {"key":"<hex>","value":"<hex>"}, of the whole database.
What was exported as NDJSON gives the same root again in a collection with the same --key and --types, and so
does --raw with everything; CSV turns fields that are absent into null.
With --car DIR is a replica, which goes to the signed root in the archive if that is newer, every block
verified, as if it came from a peer; coppice clone --car makes a new one.`,
    examples: [
      'import cities cities.csv --key country,id --types id:integer,population:integer',
      'import cities new-release.ndjson.zst --collection cities --replace --max-changes 5%',
      'import cities - --collection cities < more.ndjson',
      'import copy --car cities.car',
    ],
  })
    .argument('<DIR>', 'the database')
    .argument('[FILE]', 'the input; - or none is standard input')
    .option('--collection <NAME>', 'where the documents go')
    .option('--key <FIELDS>', 'fields of the primary key, with commas between', parseNames('--key'))
    .option('--types <NAME:TYPE,...>', 'types of CSV columns and of key fields')
    .option('--format <FORMAT>', 'ndjson, json or csv, whatever the name says', parseChoice('--format', FORMATS))
    .option('--replace', 'remove what is there and not in the input')
    .option('--max-changes <LIMIT>', 'refuse more changes than 5% of what is there, or than so many', parseChangeLimit)
    .option('--raw', 'byte keys and values in hexadecimal')
    .option('--car <FILE>', 'bring a replica to the state in this archive; - is standard input')
    .option(...JSON_OPTION)
    .action((dir: string, file: string | undefined, options: ImportCommandOptions) =>
      importFile(cli, dir, file, options),
    )
}

async function importFile(
  cli: Cli,
  dir: string,
  file: string | undefined,
  options: ImportCommandOptions,
): Promise<void> {
  if (options.car !== undefined) {
    assertOnlyCar(options, ['collection', 'key', 'types', 'format', 'replace', 'maxChanges', 'raw'], file)
    return await importCarInto(cli, dir, options.car, options)
  }
  assertOnlyRaw(options, ['collection', 'key', 'types', 'format'])
  await writing(dir, async (db) => {
    const input = await openInput(cli, file)
    const progress = cli.progress((seconds) => input.describe(seconds))
    try {
      await report(cli, options, await runImport(cli, db, input, options))
    } catch (error) {
      throw error instanceof CoppiceError && isAboutInput(error) ? withInputName(error, input.path) : error
    } finally {
      progress.end()
    }
  })
}

interface Imported extends ImportReport {
  /** Undefined for raw rows. */
  readonly collection: string | undefined
}

async function runImport(cli: Cli, db: Database, input: Input, options: ImportCommandOptions): Promise<Imported> {
  const { importDocuments, importRaw } = await import('../../transfer/index.ts')
  const { parseColumnTypes } = await import('../../formats/index.ts')
  const { replace = false, maxChanges, key, format } = options
  const { signal } = cli satisfies BatchOptions
  const onProgress = (records: number): void => void (input.records = records)
  const shared = { name: input.name, replace, maxChanges, signal, onProgress }
  if (options.raw === true) return { ...(await importRaw(db, input.chunks, shared)), collection: undefined }
  const collection = options.collection ?? (await defaultCollection(db, input, key !== undefined))
  const types = options.types === undefined ? undefined : parseColumnTypes(options.types)
  return { ...(await importDocuments(db, input.chunks, { ...shared, collection, key, types, format })), collection }
}

/** The collection named as the file; else the only one; else, where a key is declared, a new one named as the file. */
async function defaultCollection(db: Database, input: Input, isKeyDeclared: boolean): Promise<string> {
  const names = (await (await db.snapshot()).collections()).map(({ collection }) => collection)
  const own = input.name === undefined ? undefined : collectionNameOf(input.name)
  if (own !== undefined && names.includes(own)) return own
  const [only] = names
  if (only !== undefined && names.length === 1 && !isKeyDeclared) return only
  if (own !== undefined && (isKeyDeclared || names.length === 0)) return own
  const hint = own === undefined ? '' : `, or --key FIELD,... for a new one named ${escapeText(own)} as the file`
  throw new CoppiceError(
    'USAGE',
    `collection: expected --collection NAME, since neither the file nor the database says which${hint}`,
  )
}

/** `cities` of `data/cities.csv.gz`, where that may be a collection's name. */
function collectionNameOf(path: string): string | undefined {
  const stem = basename(path)
    .replace(/\.(gz|zst)$/i, '')
    .replace(/\.[^.]*$/, '')
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(stem) ? stem : undefined
}

function isAboutInput({ code, details }: CoppiceError): boolean {
  return (
    code === 'INPUT_SYNTAX' || code === 'INPUT_EMPTY' || code === 'INPUT_DUPLICATE_KEY' || details['line'] !== undefined
  )
}

/** A file or standard input, counted as it is read. */
interface Input {
  /** As it was given. */
  readonly path: string
  /** Undefined for standard input. */
  readonly name: string | undefined
  readonly chunks: AsyncIterable<Uint8Array>
  records: number
  describe(seconds: number): string
}

async function openInput(cli: Cli, file: string | undefined): Promise<Input> {
  const { readFileChunks } = await import('../../formats/index.ts')
  const isStandard = file === undefined || file === '-'
  const size = isStandard
    ? undefined
    : await stat(file).then(
        (stats) => (stats.isFile() ? stats.size : undefined),
        () => undefined,
      )
  let bytes = 0
  async function* counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      bytes += chunk.length
      yield chunk
    }
  }
  const input: Input = {
    path: file ?? '-',
    name: isStandard ? undefined : file,
    chunks: counted(isStandard ? cli.input(file === '-') : await begun(readFileChunks(file, cli.signal))),
    records: 0,
    describe: (seconds) => {
      const share = size === undefined ? renderBytes(bytes) : `${renderShare(bytes, size)} of ${renderBytes(size)}`
      const stage = bytes === size ? 'writing' : 'reading'
      return `${stage}: ${renderCounted(input.records, 'record')}, ${share}, ${renderRate(input.records, seconds)}`
    },
  }
  return input
}

/** `source` with its first item read: a file that is not there is told before anything else. */
async function begun<T>(source: AsyncGenerator<T>): Promise<AsyncGenerator<T>> {
  const first = await source.next()
  async function* whole(): AsyncGenerator<T> {
    if (first.done !== true) yield first.value
    yield* source
  }
  return whole()
}

async function report(cli: Cli, options: ImportCommandOptions, imported: Imported): Promise<void> {
  const { collection, records, added, updated, removed, unchanged, to, blocksWritten, bytesWritten } = imported
  const { root } = to
  if (options.json === true) {
    const name = collection ?? null
    await cli.out.json({
      collection: name,
      records,
      added,
      updated,
      removed,
      unchanged,
      root,
      blocksWritten,
      bytesWritten,
    })
    return
  }
  const where = collection === undefined ? 'raw rows' : `collection ${escapeText(collection)}`
  const changes = `${renderCount(added)} added, ${renderCount(updated)} updated, ${renderCount(removed)} removed, ${renderCount(unchanged)} unchanged`
  await cli.out.line(`${where}: ${renderCounted(records, 'record')} read: ${changes}`)
  await cli.out.line(`root ${root}, ${renderCounted(blocksWritten, 'block')} (${renderBytes(bytesWritten)}) written`)
}
