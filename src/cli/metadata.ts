/** The metadata document from a file. */
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import type { Cli } from './cli.ts'

/** A document of a database's metadata is read by people: far above what anybody writes. */
const METADATA_BYTES_MAX: number = 1024 * 1024

/** @throws {CoppiceError} `INPUT_NOT_FOUND`, `INPUT_SYNTAX`, `DOCUMENT_INVALID` with the name of the file, `VALUE_TOO_LARGE`. */
export async function readMetadataFile(cli: Cli, path: string): Promise<Document> {
  const { encodeDocument } = await import('../db/index.ts')
  const { parseJsonDocument, readFileChunks } = await import('../formats/index.ts')
  const source = path === '-' ? cli.input(true) : readFileChunks(path, cli.signal)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of source) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > METADATA_BYTES_MAX) {
      throw new CoppiceError(
        'VALUE_TOO_LARGE',
        `${escapeText(path)}: expected at most ${METADATA_BYTES_MAX} bytes of metadata`,
      )
    }
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    const document = parseJsonDocument(text, { line: 1, column: 1 })
    // Refused here, before a database is made for it.
    encodeDocument(document)
    return document
  } catch (error) {
    if (error instanceof CoppiceError) throw withInputName(error, path)
    throw new CoppiceError('INPUT_SYNTAX', `${escapeText(path)}: expected UTF-8`, { cause: error })
  }
}

/** An error about an input, with the input's name in front: `data.csv: line 3, column 7: ...`. */
export function withInputName(error: CoppiceError, path: string): CoppiceError {
  const name = path === '-' ? 'standard input' : escapeText(path)
  return new CoppiceError(error.code, `${name}: ${error.message}`, {
    cause: error,
    details: { ...error.details, input: path },
  })
}
