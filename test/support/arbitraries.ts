/** What the properties of keys, documents and formats draw from. */
import fc from 'fast-check'
import { INTEGER_MAX, INTEGER_MIN, normalizeInteger, type Document, type FieldValue } from '../../src/document-model.ts'

/** Well-formed text with zeros, quotes, bidi controls and astral characters. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.string({
    unit: fc.constantFrom('\0', 'a', '"', '\\', '\n', '\u202e', '\u{1f600}', '=', "'", ',', ' ', '\uffff'),
    maxLength: 8,
  }),
  fc.string({ maxLength: 60 }),
)

const fieldName: fc.Arbitrary<string> = fc.oneof(
  text,
  fc.constantFrom('id', 'name', 'a', '__proto__', 'toJSON', 'constructor', '/', 'bytes', '1', ''),
)

const scalar: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.constantFrom(null, true, false),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
  fc.constantFrom(2 ** 53, -(2 ** 60), 1e21, 1e300, 5e-324, 0.1),
  fc.bigInt({ min: INTEGER_MIN, max: INTEGER_MAX }).map(normalizeInteger),
  text,
  fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)),
)

const { value } = fc.letrec<{ value: FieldValue; map: Document }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    { weight: 3, arbitrary: scalar },
    fc.array(tie('value'), { maxLength: 4 }),
    tie('map'),
  ),
  map: mapOf(tie('value')),
}))

function mapOf(values: fc.Arbitrary<FieldValue>): fc.Arbitrary<Document> {
  return fc
    .uniqueArray(fc.tuple(fieldName, values), { maxLength: 6, selector: ([name]) => name })
    .filter((fields) => !fields.some(([name, inner]) => name === '/' && isBytesMap(inner)))
    .map((fields) => {
      const map: Record<string, FieldValue> = {}
      for (const [name, inner] of fields) {
        Object.defineProperty(map, name, { value: inner, writable: true, enumerable: true, configurable: true })
      }
      return map
    })
}

function isBytesMap(inner: FieldValue): boolean {
  return typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'bytes')
}

/** Documents as decoding gives them: integers in their one form, no -0. */
export const document: fc.Arbitrary<Document> = mapOf(value)

/** `bytes` cut into chunks after `sizes` bytes each, over and over; empty chunks among them. */
export function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] ?? 1)
    chunks.push(bytes.subarray(at, at + size))
    at += size
    if (sizes.length > 0 && sizes.every((each) => each === 0)) break
  }
  return chunks
}

export const chunkSizes: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 9 }), {
  minLength: 1,
  maxLength: 6,
})
