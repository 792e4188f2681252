/** Which format an input has: by its name, else by its first bytes. */
import { basename } from 'node:path'
import { CoppiceError } from '../errors.ts'
import { excerptOf } from '../escape.ts'
import type { Compression } from './compression.ts'

/** `json` is an array of objects. */
export type DocumentFormat = 'ndjson' | 'json' | 'csv'

export interface InputType {
  readonly format: DocumentFormat
  readonly compression: Compression
}

const FORMATS: Readonly<Record<string, DocumentFormat>> = {
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'json',
  csv: 'csv',
}
const COMPRESSIONS: Readonly<Record<string, Compression>> = { gz: 'gzip', zst: 'zstd' }

const KNOWN = '.ndjson, .jsonl, .json (an array) or .csv, each also with .gz or .zst'

/** The type a file's name says, in any case; undefined where it says none. */
export function typeOfName(name: string): InputType | undefined {
  const parts = basename(name).toLowerCase().split('.')
  const compression = COMPRESSIONS[parts.at(-1) ?? '']
  if (compression !== undefined) parts.pop()
  const format = parts.length > 1 ? FORMATS[parts.at(-1) ?? ''] : undefined
  return format === undefined ? undefined : { format, compression: compression ?? 'none' }
}

/** The compression a file's name says, whatever is inside. */
export function compressionOfName(name: string): Compression {
  return COMPRESSIONS[basename(name).toLowerCase().split('.').at(-1) ?? ''] ?? 'none'
}

/** @throws {CoppiceError} `INPUT_TYPE_UNKNOWN`, naming the known types. */
export function requireTypeOfName(name: string): InputType {
  const type = typeOfName(name)
  if (type === undefined) throw unknownType(`"${excerptOf(name)}"`)
  return type
}

/** By the first byte that is not white space of plain (decompressed) text; undefined for what may be anything. */
export function formatOfText(head: Uint8Array): DocumentFormat | undefined {
  const text = new TextDecoder().decode(head).trimStart()
  if (text.startsWith('{')) return 'ndjson'
  if (text.startsWith('[')) return 'json'
  return undefined
}

export function unknownType(got: string): CoppiceError {
  return new CoppiceError('INPUT_TYPE_UNKNOWN', `input type: expected ${KNOWN}, got ${got}; or name the format`, {
    details: { known: Object.keys(FORMATS) },
  })
}
