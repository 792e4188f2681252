/** What the encoder and the decoder of documents share: bounds, heads of DAG-CBOR, the reserved map. documents.md, 2. */
/** A document is held in memory as a whole, several times over while it is encoded or written as JSON. */
export const DOCUMENT_BYTES_MAX: number = 16 * 1024 * 1024

// The major type stands in the upper three bits of a head, a small number or the size of one in the lower five.
export const MAJOR_UNSIGNED = 0x00
export const MAJOR_NEGATIVE = 0x20
export const MAJOR_BYTES = 0x40
export const MAJOR_TEXT = 0x60
export const MAJOR_ARRAY = 0x80
export const MAJOR_MAP = 0xa0
export const SIMPLE_FALSE = 0xf4
export const SIMPLE_TRUE = 0xf5
export const SIMPLE_NULL = 0xf6
export const SIMPLE_DOUBLE = 0xfb

/**
 * Whether the map `{[field]: inner}` is `{"/":{"bytes":text}}`, which is how DAG-JSON, and so an export, writes a byte
 * string. As a map of a document it would come back from an export as something else: it is refused.
 */
export function isReservedMap(field: string, inner: unknown): boolean {
  if (field !== '/' || typeof inner !== 'object' || inner === null || Array.isArray(inner)) return false
  const names = Object.keys(inner)
  return names.length === 1 && names[0] === 'bytes' && typeof (inner as { bytes: unknown }).bytes === 'string'
}

/** A JSON pointer (RFC 6901): `/flags/3/name`; empty for the document itself. */
export function documentPath(steps: readonly (string | number)[]): string {
  return steps.map((step) => '/' + String(step).replaceAll('~', '~0').replaceAll('/', '~1')).join('')
}
