/**
 * Keys as literals, for whoever has a proof and no schema. The type of each part follows from how it is written and from
 * nothing in the proof: whoever made that could otherwise choose a type under which the key is absent.
 */
import { hexToBytes } from '../bytes.ts'
import { inferKeyFields, type KeyPart, type PartType, Schema } from '../db/index.ts'
import { isInteger64, normalizeInteger } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { parseJsonValue } from '../formats/json-text.ts'
import type { RangeOptions } from './keys.ts'
import type { Naming } from './question.ts'

interface LiteralPart {
  readonly type: PartType
  readonly part: KeyPart
}

/** @throws {CoppiceError} `USAGE` without a collection, `KEY_INVALID`, `INPUT_SYNTAX`. */
export function literalNaming(
  collection: string | undefined,
  words: readonly string[],
  { key = [], prefix, start, end }: RangeOptions & { readonly key?: readonly string[] },
): Naming {
  if (collection === undefined) {
    throw new CoppiceError('USAGE', 'verify: expected the COLLECTION that was asked about, got none')
  }
  const texts = [...key, prefix, start, end].filter((text) => text !== undefined)
  const lists = [words.map(parseLiteral), ...texts.map(parseLiterals)]
  const longest = lists.reduce((a, b) => (b.length > a.length ? b : a))
  // A whole collection is asked for without any part.
  const types = longest.length === 0 ? (['text'] as const) : longest.map(({ type }) => type)
  const fields = types.map((type, i) => ({ field: `part ${i + 1}`, type }))
  return {
    schema: new Schema(collection, fields),
    parseKey: (parts) => parts.map((text) => parseLiteral(text).part),
    parseStart: (text) => parseLiterals(text).map(({ part }) => part),
  }
}

/** `NL,1` or a JSON array, as where there is a schema; a text with a comma needs the latter. */
function parseLiterals(text: string): LiteralPart[] {
  if (!text.startsWith('[')) return text.split(',').map(parseLiteral)
  const parts = parseJsonValue(text, { line: 1, column: 1 }) as KeyPart[]
  const names = parts.map((_, i) => `part ${i + 1}`)
  const fields = inferKeyFields(Object.fromEntries(parts.map((part, i) => [`part ${i + 1}`, part])), names)
  return fields.map(({ type }, i) => ({ type, part: parts[i] as KeyPart }))
}

/** `1` is an integer, `1.0` a number, `true` a boolean, `0x0a` bytes; all else, and what stands in quotes, is text. */
function parseLiteral(text: string): LiteralPart {
  if (/^(0|-?[1-9]\d{0,19})$/.test(text) && isInteger64(BigInt(text))) {
    return { type: 'integer', part: normalizeInteger(BigInt(text)) }
  }
  if (/^-?(0|[1-9]\d*)(?=[.eE])(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return { type: 'number', part: Number(text) }
  if (text === 'true' || text === 'false') return { type: 'boolean', part: text === 'true' }
  const bytes = text.startsWith('0x') ? hexToBytes(text.slice(2)) : undefined
  if (bytes !== undefined) return { type: 'bytes', part: bytes }
  return { type: 'text', part: /^".*"$/s.test(text) ? unquote(text) : text }
}

/** What is no JSON string is the text itself, quotes included. */
function unquote(text: string): string {
  try {
    return String(JSON.parse(text))
  } catch {
    return text
  }
}
