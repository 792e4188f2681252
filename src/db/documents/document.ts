/**
 * Documents as the bytes of a tree's values: DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/) of a map, in the
 * one form that equal documents share. documents.md, 2. `encodeDocument` and `decodeDocument` are inverse: bytes that
 * encoding does not give are refused, so a root says which documents it holds and not how they were written.
 *
 * Written by hand because it runs once per row of an import and an export: several times as fast as a general codec,
 * which also replaces lone surrogates silently and accepts maps out of order.
 */
export { encodeDocument } from './document-encode.ts'
export { decodeDocument } from './document-decode.ts'
export { DOCUMENT_BYTES_MAX } from './document-format.ts'
export { DOCUMENT_DEPTH_MAX } from '../../document-model.ts'
export type { Document, FieldValue } from '../../document-model.ts'
