/**
 * What a document may hold (documents.md, 2): JSON's values, byte strings, and integers of 64 bits. Shared by the
 * database, which stores documents, and the formats, which read and write them.
 */

import { equalBytes } from './bytes.ts'

/** A number that is integral and safe is an integer, every other number a double; a bigint is always an integer. */
export type FieldValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly FieldValue[]
  | { readonly [field: string]: FieldValue }

/** Fields by name. Their order carries no meaning: a document is stored with its fields sorted. */
export type Document = { readonly [field: string]: FieldValue }

/** Integers are whatever a signed or an unsigned 64-bit integer can hold, here and in keys. */
export const INTEGER_MIN: bigint = -(2n ** 63n)
export const INTEGER_MAX: bigint = 2n ** 64n - 1n
/** For messages. */
export const INTEGER_RULE: string = `an integer within 64 bits (${INTEGER_MIN} to ${INTEGER_MAX})`

/** Whether `value` is an integer that documents and keys can hold exactly. */
export function isInteger64(value: unknown): value is number | bigint {
  if (typeof value === 'bigint') return value >= INTEGER_MIN && value <= INTEGER_MAX
  return Number.isSafeInteger(value)
}

/** The one form of an integer: a number where that is exact, else a bigint. */
export function normalizeInteger(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** Maps and arrays inside one another, the document itself being the first. Bounds the recursion of every walk. */
export const DOCUMENT_DEPTH_MAX = 64

/** A field of one's own: `__proto__` is one like any other. */
export function fieldOf(document: Document, name: string): FieldValue | undefined {
  return Object.hasOwn(document, name) ? document[name] : undefined
}

export function isFieldMap(value: FieldValue | undefined): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

/** Equal as decoded documents are: an integer beyond 2^53 is no double, the order of fields says nothing. */
export function equalFieldValues(a: FieldValue, b: FieldValue): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b)
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    const other: readonly FieldValue[] = b
    return a.length === b.length && a.every((each: FieldValue, i) => equalFieldValues(each, other[i] ?? null))
  }
  if (isFieldMap(a) && isFieldMap(b)) {
    const names = Object.keys(a)
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && equalFieldValues(a[name] ?? null, b[name] ?? null))
    )
  }
  return a === b
}
