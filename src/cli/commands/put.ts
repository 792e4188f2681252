/** `coppice put`: a few documents, or raw rows, as one change. */
import type { Command } from 'commander'
import type { PartType, Snapshot, Transaction } from '../../db/index.ts'
import type { Document } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import { quoteText } from '../../escape.ts'
import type { ByteSource } from '../../formats/index.ts'
import { parseNames } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { parseRawKey } from '../keys.ts'
import { withInputName } from '../metadata.ts'
import { listNames, requireArgument, writing } from '../open.ts'
import { renderBytes, renderCounted } from '../render.ts'

interface PutOptions extends JsonOption {
  readonly key?: readonly string[]
  readonly types?: string
  readonly raw?: true
  readonly file?: string
}

export function addPut(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'put',
    summary: 'add documents, or replace those with the same key, all or none',
    notes: `
Each JSON is one document; without any, or with -, documents come one to a line from standard input. Before JSON
or -, COLLECTION may be left out where there is one only.
With --raw there is no COLLECTION, and each JSON is {"key":"<hex>","value":"<hex>"}. With --file the argument is
one byte key in hexadecimal, and its value, of any length, is what the file holds.`,
    examples: [
      `put cities cities '{"country":"NL","id":2759794,"name":"Amsterdam"}'`,
      `put notes notes '{"id":1,"text":"hello"}' --key id      (a new collection)`,
      `put db --raw '{"key":"6b6579","value":"00ff"}'`,
      'put db --raw 6b6579 --file movie.mp4',
    ],
  })
    .argument('<DIR>', 'the database')
    .argument('[COLLECTION]', 'where the documents go')
    .argument('[JSON...]', 'documents; - or none is standard input')
    .option('--key <FIELDS>', 'fields of the primary key of a new collection', parseNames('--key'))
    .option('--types <FIELD:TYPE,...>', 'types of its key fields: text, integer, number, boolean, bytes')
    .option('--raw', 'byte keys and values in hexadecimal')
    .option('--file <FILE>', 'with --raw and a byte key: a file to take as the value; - is standard input')
    .option(...JSON_OPTION)
    .action((dir: string, collection: string | undefined, texts: readonly string[], options: PutOptions) =>
      options.file === undefined
        ? put(cli, dir, collection, texts, options)
        : putFile(cli, dir, collection, texts, { ...options, file: options.file }),
    )
}

async function put(
  cli: Cli,
  dir: string,
  collection: string | undefined,
  texts: readonly string[],
  options: PutOptions,
): Promise<void> {
  const isRaw = options.raw === true
  const first = isRaw ? undefined : requireArgument(collection, 'COLLECTION')
  await writing(dir, async (db) => {
    const name = first === undefined ? undefined : await collectionOf(await db.snapshot(), first)
    const kind = name === undefined ? await rawKind() : await documentKind(name, options)
    const all = collection === undefined || collection === name ? texts : [collection, ...texts]
    let written = 0
    const { to } = await db.batchWithReport(
      async (tx) => {
        const write = kind(tx)
        for (const [i, text] of (all.length === 0 ? ['-'] : all).entries()) {
          const isStandard = text === '-'
          try {
            const records = await (isStandard ? write.stream(cli.input(all.length > 0)) : write.text(text))
            if (records === 0) throw emptyInput(isRaw)
            written += records
          } catch (error) {
            throw error instanceof CoppiceError ? withInputName(error, isStandard ? '-' : `argument ${i + 1}`) : error
          }
        }
      },
      { signal: cli.signal },
    )
    if (options.json === true) await cli.out.json({ written, root: to.root })
    else await cli.out.line(`${renderCounted(written, isRaw ? 'row' : 'document')} written, root ${to.root}`)
  })
}

/**
 * The one that is named first; or the only one there is, where documents come first.
 * @throws {CoppiceError} `USAGE`, before anything is read.
 */
async function collectionOf(snapshot: Snapshot, first: string): Promise<string> {
  const { isCollectionName } = await import('../../db/index.ts')
  if (isCollectionName(first)) return first
  const names = (await snapshot.collections()).map(({ collection }) => collection)
  const [only] = names
  const isDocument = first === '-' || first.trimStart().startsWith('{')
  if (isDocument && only !== undefined && names.length === 1) return only
  const expected = names.length === 0 ? 'a name' : `one of ${listNames(names)}, or a new name,`
  throw new CoppiceError(
    'USAGE',
    `COLLECTION: expected ${expected} before the documents, got ${quoteText(first.slice(0, 80))}`,
  )
}

function emptyInput(isRaw: boolean): CoppiceError {
  return new CoppiceError('INPUT_EMPTY', `expected ${isRaw ? 'rows' : 'documents'}, got none; nothing was written`)
}

/** One raw row whose value is a file, read as it is written. */
async function putFile(
  cli: Cli,
  dir: string,
  text: string | undefined,
  others: readonly string[],
  { file, raw, json }: PutOptions & { readonly file: string },
): Promise<void> {
  if (raw !== true || others.length > 0)
    throw new CoppiceError('USAGE', '--file: expected --raw and one byte KEY with it')
  const key = parseRawKey('KEY', requireArgument(text, 'KEY'))
  const { readFileChunks } = await import('../../formats/index.ts')
  const { RawRowCheck } = await import('../../db/index.ts')
  RawRowCheck.refuse(key)
  const { signal } = cli
  await writing(dir, async (db) => {
    let bytes = 0
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for await (const chunk of file === '-' ? cli.input(true) : readFileChunks(file, signal)) {
        bytes += chunk.length
        yield chunk
      }
    }
    const progress = cli.progress(() => `${renderBytes(bytes)} written`)
    try {
      const { to } = await db.batchWithReport((tx) => tx.put(key, chunks()), { signal })
      if (json === true) await cli.out.json({ written: 1, bytes, root: to.root })
      else await cli.out.line(`1 row of ${renderCounted(bytes, 'byte')} written, root ${to.root}`)
    } finally {
      progress.end()
    }
  })
}

/** Writes what an argument or a stream holds; each gives the number of documents or rows. */
interface Writer {
  text(text: string): Promise<number>
  stream(source: AsyncIterable<Uint8Array>): Promise<number>
}

async function rawKind(): Promise<(tx: Transaction) => Writer> {
  const { readHexLines, withPlace } = await import('../../formats/index.ts')
  const { RawRowCheck } = await import('../../db/index.ts')
  return (tx) => {
    const rawRows = new RawRowCheck(tx)
    const write = async (source: ByteSource): Promise<number> => {
      let rows = 0
      for await (const { value: row, line, column } of readHexLines(source)) {
        try {
          await rawRows.check(row.key, row.value)
        } catch (error) {
          throw withPlace(error, { line, column })
        }
        await tx.put(row.key, row.value)
        rows++
      }
      return rows
    }
    return { text: (text) => write([Buffer.from(text)]), stream: write }
  }
}

async function documentKind(collection: string, { key, types }: PutOptions): Promise<(tx: Transaction) => Writer> {
  const { parseColumnTypes, parseJsonDocument, readNdjson, withPlace } = await import('../../formats/index.ts')
  // A type that no key can have is refused with the schema.
  const keyTypes = types === undefined ? {} : (Object.fromEntries(parseColumnTypes(types)) as Record<string, PartType>)
  return (tx) => {
    const writer = tx.collection<Document>(
      collection,
      key === undefined ? { types: keyTypes } : { key, types: keyTypes },
    )
    return {
      async text(text) {
        await writer.put(parseJsonDocument(text, { line: 1, column: 1 }))
        return 1
      },
      async stream(source) {
        let documents = 0
        for await (const { value: document, line, column } of readNdjson(source)) {
          try {
            await writer.put(document)
          } catch (error) {
            throw withPlace(error, { line, column })
          }
          documents++
        }
        return documents
      },
    }
  }
}
