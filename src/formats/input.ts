/** An input as a stream of records, whatever its format and compression. */
import { createReadStream } from 'node:fs'
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { excerptOf } from '../escape.ts'
import { decompress, peek, type Compression } from './compression.ts'
import { readCsv, type CsvReadOptions } from './csv-read.ts'
import { compressionOfName, formatOfText, typeOfName, unknownType, type DocumentFormat } from './detect.ts'
import { readHexLines, type RawEntry } from './hex-lines.ts'
import { readJsonArray } from './json-array.ts'
import { readNdjson } from './ndjson.ts'
import type { ByteSource, InputRecord } from './place.ts'

export interface DocumentInput extends CsvReadOptions {
  /** The file's name, undefined for a pipe: its extensions say format and compression. */
  readonly name?: string | undefined
  /** Wins over the name. */
  readonly format?: DocumentFormat | undefined
}

/** How much of a pipe is looked at to tell its format. */
const SNIFF_BYTES = 512

/**
 * The documents of `source`. Compression is detected from the bytes themselves; the format is `options.format`, else
 * what the name says, else, for a pipe, NDJSON or a JSON array by the first character.
 * @throws {CoppiceError} `INPUT_TYPE_UNKNOWN`, and what the readers throw.
 */
export async function* readDocuments(
  source: ByteSource,
  options: DocumentInput = {},
): AsyncGenerator<InputRecord<Document>> {
  const named = options.name === undefined ? undefined : typeOfName(options.name)
  if (options.name !== undefined && options.format === undefined && named === undefined) {
    throw unknownType(`"${excerptOf(options.name)}"`)
  }
  const plain = decompress(source, expectedCompression(options))
  const [head, whole] = await peek(plain, SNIFF_BYTES)
  const format = options.format ?? named?.format ?? formatOfText(head)
  if (format === undefined) {
    // An empty pipe is an empty input of any format.
    if (head.length === 0) return
    throw unknownType(`a stream that begins with "${excerptOf(new TextDecoder().decode(head), 0, 20)}"`)
  }
  yield* readerOf(format)(whole, options)
}

function expectedCompression({ name }: DocumentInput): Compression {
  return name === undefined ? 'none' : compressionOfName(name)
}

type Reader = (source: ByteSource, options: CsvReadOptions) => AsyncGenerator<InputRecord<Document>>
const READERS: Readonly<Record<DocumentFormat, Reader>> = { ndjson: readNdjson, json: readJsonArray, csv: readCsv }

function readerOf(format: DocumentFormat): Reader {
  return READERS[format]
}

/** As {@link readDocuments} for raw entries: hexadecimal lines, also compressed. */
export async function* readRawEntries(
  source: ByteSource,
  options: DocumentInput = {},
): AsyncGenerator<InputRecord<RawEntry>> {
  yield* readHexLines(decompress(source, expectedCompression(options)), options)
}

/**
 * The bytes of a file.
 * @throws {CoppiceError} `INPUT_NOT_FOUND` where there is none, or none that may be read.
 */
export async function* readFileChunks(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: 256 * 1024, ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    signal?.throwIfAborted()
    const { code } = error as { code?: unknown }
    if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'EISDIR' && code !== 'ENOTDIR') throw error
    const got = code === 'ENOENT' || code === 'ENOTDIR' ? 'none' : code === 'EISDIR' ? 'a directory' : 'no permission'
    throw new CoppiceError('INPUT_NOT_FOUND', `input "${excerptOf(path)}": expected a file, got ${got}`, {
      cause: error,
      details: { path },
    })
  }
}
