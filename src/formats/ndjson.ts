/** One JSON object on each line (NDJSON, JSON Lines). documents.md, 4. */
import type { Document } from '../document-model.ts'
import { parseJsonDocument, stringifyJson } from './json-text.ts'
import { readLines } from './lines.ts'
import type { ByteSource, InputRecord, ReadOptions } from './place.ts'
import { batchText } from './write-text.ts'

/** Lines of white space alone are skipped. */
const BLANK = /^[ \t\r]*$/

/**
 * The documents of `source`, each with its place. Memory: one chunk and one line.
 * @throws {CoppiceError} `INPUT_SYNTAX` with `details.line` and `details.column`.
 */
export async function* readNdjson(
  source: ByteSource,
  options: ReadOptions = {},
): AsyncGenerator<InputRecord<Document>> {
  for await (const lines of readLines(source, options)) {
    for (const { text, line } of lines) {
      if (BLANK.test(text)) continue
      yield { value: parseJsonDocument(text, { line, column: 1 }), line, column: 1 }
    }
  }
}

/** `documents` one to a line. Reading them back gives equal documents, so an import of an export has the same root. */
export function writeNdjson(
  documents: AsyncIterable<Document> | Iterable<Document>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array> {
  return batchText(documents, (document) => stringifyJson(document) + '\n', options.signal)
}
