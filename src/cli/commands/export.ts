/** `coppice export`: a collection, or all raw rows, as a file that import gives the same root for. */
import type { Command } from 'commander'
import type { Snapshot } from '../../db/index.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText, quoteText } from '../../escape.ts'
import type { ExportFormat } from '../../transfer/index.ts'
import { assertNone, assertOnlyRaw, parseChoice, parseSome, usageError } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { assertOnlyCar, exportCarTo } from '../archives.ts'
import { assertOnlyMirror, exportStatic, MIRROR_COMPRESSIONS, type MirrorCompression } from '../mirror-export.ts'
import { chooseCollection, reading } from '../open.ts'
import { Pacer } from '../pacer.ts'
import { renderBytes } from '../render.ts'
import { parseRoot, type RootName, snapshotAt } from '../roots.ts'

interface ExportCommandOptions extends JsonOption {
  readonly collection?: string
  readonly format?: ExportFormat
  readonly types?: string
  readonly raw?: true
  readonly at?: RootName
  readonly car?: string
  readonly since?: RootName
  readonly static?: string
  readonly prune?: true
  readonly compression?: MirrorCompression
}

const FORMATS: readonly ExportFormat[] = ['ndjson', 'csv']

export function addExport(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'export',
    summary: 'write the documents of a collection to a file, or the published state as a mirror',
    notes: `
FILE ends in .ndjson, .jsonl or .csv, and .gz or .zst after that compresses; without FILE, or with -, NDJSON
goes to standard output. The file appears when it is complete. With --raw every key and value is written,
schemas and metadata too, as NDJSON lines {"key":"<hex>","value":"<hex>"}.
NDJSON imported into a collection with the same --key and --types gives the same root again, and so does --raw
with everything; CSV turns fields that are absent into null. CSV guards text that a spreadsheet would take for
a formula with a quote in front, which import takes away.
With --static the published state is written into a directory that any web server can serve, for clone and
pull with --peer https://...; again, it adds what is new. --prune removes what readers need no more.
With --car the published state is one file, which carries its signed root: for coppice import --car and clone
--car, and for every tool that reads CAR; with --since only what an older state lacks.`,
    examples: [
      'export cities cities.ndjson.zst',
      'export cities cities.csv --collection cities --at @3',
      'export cities - --raw | coppice import copy - --raw --replace',
      'export cities --static /srv/www/cities',
      'export cities --car cities.car --since @3',
    ],
  })
    .argument('<DIR>', 'the database')
    .argument('[FILE]', 'where to; - or none is standard output')
    .option('--collection <NAME>', 'the collection (default: the only one)')
    .option('--format <FORMAT>', 'ndjson or csv, whatever the name says', parseChoice('--format', FORMATS))
    .option('--types <NAME:TYPE,...>', 'CSV columns to write as json')
    .option('--at <ROOT>', 'of an earlier state: @SEQUENCE or CID', parseRoot)
    .option('--raw', 'byte keys and values in hexadecimal')
    .option(
      '--car <FILE>',
      'write the published state as an archive; - is standard output',
      parseSome('--car', 'a file, or -'),
    )
    .option('--since <ROOT>', 'with --car: only what this state lacks: @SEQUENCE or CID', parseRoot)
    .option('--static <OUT>', 'write or update a mirror in this directory', parseSome('--static', 'a directory'))
    .option('--prune', 'with --static: remove packs that are needed no more')
    .option(
      '--compression <NAME>',
      'with --static: zstd (default), or deflate for readers in browsers',
      parseChoice('--compression', MIRROR_COMPRESSIONS),
    )
    .option(...JSON_OPTION)
    .action((dir: string, file: string | undefined, options: ExportCommandOptions) =>
      exportTo(cli, dir, file === '-' ? undefined : file, options),
    )
}

async function exportTo(cli: Cli, dir: string, file: string | undefined, options: ExportCommandOptions): Promise<void> {
  if (options.car !== undefined) {
    assertOnlyCar(options, ['collection', 'format', 'types', 'raw', 'static', 'prune', 'compression'], file)
    return await exportCarTo(cli, dir, options.car, options)
  }
  assertNone(options, ['since'], 'without --car')
  assertOnlyMirror(options, options.static !== undefined)
  if (options.static !== undefined) {
    if (file !== undefined) throw usageError('FILE', 'none with --static', file)
    return await exportStatic(cli, dir, options.static, options)
  }
  assertOnlyRaw(options, ['collection', 'format', 'types'])
  const format = options.format ?? (await formatOf(file, options.raw === true))
  await reading(dir, async (opened) => {
    const snapshot = await snapshotAt(opened, options.at)
    const chunks = new Pacer(cli.signal).over(await chunksOf(cli, snapshot, format, options))
    if (file === undefined) await toStandardOutput(cli, chunks, format)
    else await toFile(cli, file, chunks, snapshot, options)
  })
}

/** @throws {CoppiceError} `INPUT_TYPE_UNKNOWN` for a name that says no format, or one that is not written. */
async function formatOf(file: string | undefined, isRaw: boolean): Promise<ExportFormat> {
  if (file === undefined || isRaw) return 'ndjson'
  const { typeOfName } = await import('../../formats/index.ts')
  const format = typeOfName(file)?.format
  if (format !== undefined && format !== 'json') return format
  const note = format === 'json' ? ' (a JSON array is read, never written)' : ''
  throw new CoppiceError(
    'INPUT_TYPE_UNKNOWN',
    `output type: expected .ndjson, .jsonl or .csv, each also with .gz or .zst, got ${quoteText(file)}${note}`,
  )
}

async function chunksOf(
  { signal }: Cli,
  snapshot: Snapshot,
  format: ExportFormat,
  options: ExportCommandOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const { exportDocuments, exportRaw } = await import('../../transfer/index.ts')
  const { parseColumnTypes } = await import('../../formats/index.ts')
  if (options.raw === true) return exportRaw(snapshot, { signal })
  const collection = await chooseCollection(snapshot, options.collection, '--collection')
  const types = options.types === undefined ? undefined : parseColumnTypes(options.types)
  return exportDocuments(snapshot, { collection, format, types, signal })
}

/** Exact for pipes and files; on a terminal what could do harm there is escaped. */
async function toStandardOutput(cli: Cli, chunks: AsyncIterable<Uint8Array>, format: ExportFormat): Promise<void> {
  const decoder = new TextDecoder()
  let isBegun = false
  try {
    for await (const chunk of chunks) {
      isBegun = true
      if (!cli.out.isTerminal) await cli.out.write(chunk)
      else await cli.out.write(decoder.decode(chunk, { stream: true }).split('\n').map(escapeText).join('\n'))
    }
  } catch (error) {
    if (isBegun) await spoilEnd(cli, format, error)
    throw error
  }
}

/**
 * A pipe that ends says nothing of why: an import at its other end would take what came for all there is, and delete the
 * rest. So the last line is one that no reader of the format takes. Chunks end with a line.
 */
async function spoilEnd(cli: Cli, format: ExportFormat, error: unknown): Promise<void> {
  const text = `export failed${error instanceof CoppiceError ? `: ${error.code}` : ''}`
  try {
    // A quoted cell that does not end.
    await cli.out.write(format === 'csv' ? `"${text}` : `${text}\n`)
    await cli.out.flush()
  } catch {
    // Nobody reads it.
  }
}

async function toFile(
  cli: Cli,
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  snapshot: Snapshot,
  options: ExportCommandOptions,
): Promise<void> {
  const { compress, compressionOfName } = await import('../../formats/index.ts')
  const { writeFileWhole } = await import('../output-file.ts')
  let written = 0
  const progress = cli.progress((seconds) => `exporting: ${renderBytes(written)}, ${renderBytes(written / seconds)}/s`)
  const onBytes = (bytes: number): void => void (written = bytes)
  const bytes = await writeFileWhole(file, compress(chunks, compressionOfName(file)), onBytes).finally(() =>
    progress.end(),
  )
  const { root } = snapshot
  if (options.json === true) await cli.out.json({ file, bytes, root })
  else await cli.out.line(`${escapeText(file)}: ${renderBytes(bytes)} of root ${root}`)
}
