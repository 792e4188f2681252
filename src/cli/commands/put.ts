/** `coppice put`: a few documents, or raw rows, as one change. */
import type { Command } from 'commander'
import type { PartType, Transaction } from '../../db/index.ts'
import type { Document } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import type { ByteSource } from '../../formats/index.ts'
import { parseNames } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { withInputName } from '../metadata.ts'
import { requireArgument, writing } from '../open.ts'
import { renderCounted } from '../render.ts'

interface PutOptions extends JsonOption {
  readonly key?: readonly string[]
  readonly types?: string
  readonly raw?: true
}

export function addPut(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'put',
    summary: 'add documents, or replace those with the same key, all or none',
    notes: `
Each JSON is one document; without any, or with -, documents come one to a line from standard input.
With --raw there is no COLLECTION, and each JSON is {"key":"<hex>","value":"<hex>"}.`,
    examples: [
      `put cities cities '{"country":"NL","id":2759794,"name":"Amsterdam"}'`,
      `put notes notes '{"id":1,"text":"hello"}' --key id      (a new collection)`,
      `put db --raw '{"key":"6b6579","value":"00ff"}'`,
    ],
  })
    .argument('<DIR>', 'the database')
    .argument('[COLLECTION]', 'where the documents go')
    .argument('[JSON...]', 'documents; - or none is standard input')
    .option('--key <FIELDS>', 'fields of the primary key of a new collection', parseNames('--key'))
    .option('--types <FIELD:TYPE,...>', 'types of its key fields: text, integer, number, boolean, bytes')
    .option('--raw', 'byte keys and values in hexadecimal')
    .option(...JSON_OPTION)
    .action((dir: string, collection: string | undefined, texts: readonly string[], options: PutOptions) =>
      put(cli, dir, collection, texts, options),
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
  const kind = isRaw ? await rawKind() : await documentKind(requireArgument(collection, 'COLLECTION'), options)
  const all = isRaw && collection !== undefined ? [collection, ...texts] : texts
  await writing(dir, async (db) => {
    let written = 0
    const { to } = await db.batchWithReport(
      async (tx) => {
        const write = kind(tx)
        for (const [i, text] of (all.length === 0 ? ['-'] : all).entries()) {
          const isStandard = text === '-'
          try {
            written += await (isStandard ? write.stream(cli.input(all.length > 0)) : write.text(text))
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

/** Writes what an argument or a stream holds; each gives the number of documents or rows. */
interface Writer {
  text(text: string): Promise<number>
  stream(source: AsyncIterable<Uint8Array>): Promise<number>
}

async function rawKind(): Promise<(tx: Transaction) => Writer> {
  const { readHexLines } = await import('../../formats/index.ts')
  return (tx) => {
    const write = async (source: ByteSource): Promise<number> => {
      let rows = 0
      for await (const { value: row } of readHexLines(source)) {
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
