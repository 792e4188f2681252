/**
 * Where documents stand in the tree, and what a collection says about its keys. documents.md, 1 and 3:
 *
 *     (0)                             the metadata document of the database
 *     (0, collection)                 the schema of a collection, itself a document
 *     (1, collection, ...primary key) a document
 *
 * A primary key is one to sixteen of a document's own top-level fields with a declared type each. They stay inside the
 * document as well, so that a document is whole by itself.
 */
import { equalBytes } from '../../bytes.ts'
import type { Document, FieldValue } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import { excerptOf, quoteText } from '../../escape.ts'
import { decodeDocument, encodeDocument } from './document.ts'
import {
  decodeTuple,
  encodeTuple,
  encodeTuplePrefix,
  inspectTuple,
  PART_TYPES,
  rangeOf,
  type KeyPart,
  type KeyRange,
  type PartType,
} from './tuple.ts'

/** One part of a primary key: a top-level field of the documents and its type. */
export interface KeyField {
  readonly field: string
  readonly type: PartType
}

const KEY_FIELDS_MAX = 16
const COLLECTION_NAME_UNITS_MAX = 64
/** First characters exclude `.` and `-`, so that a name is never a path or an option. */
const COLLECTION_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/
const FIELD_NAME_UNITS_MAX = 256

const SPACE_DATABASE = 0
const SPACE_DOCUMENTS = 1
/** Kept for newer versions. */
const SPACE_INDEXES = 2

/** The first byte of keys that begin with the integer 0; those of a small positive one begin with the next. */
export const INTEGER_ZERO: number = encodeTuple([SPACE_DATABASE], ['integer'])[0] as number
const DOCUMENTS_PREFIX: Uint8Array = encodeTuplePrefix([SPACE_DOCUMENTS, ''], ['integer', 'text']).subarray(0, -1)

/** The key of the metadata document. */
export const METADATA_KEY: Uint8Array = encodeTuple([SPACE_DATABASE], ['integer'])

/** Whether `name` is 1..64 of `A-Z a-z 0-9 _ . -` and begins with neither `.` nor `-`. */
export function isCollectionName(name: string): boolean {
  return COLLECTION_NAME.test(name)
}

/** @throws {CoppiceError} `KEY_INVALID` unless {@link isCollectionName}. */
function validateCollectionName(name: string): void {
  if (isCollectionName(name)) return
  throw new CoppiceError(
    'KEY_INVALID',
    `collection name: expected 1 to ${COLLECTION_NAME_UNITS_MAX} of letters, digits, "_", "." and "-", ` +
      `not beginning with "." or "-", got "${excerptOf(name)}"`,
  )
}

/** The key under which a collection's schema stands. */
export function schemaKey(collection: string): Uint8Array {
  validateCollectionName(collection)
  return encodeTuple([SPACE_DATABASE, collection], ['integer', 'text'])
}

/** The keys of all schemas, for listing the collections. */
export const SCHEMA_RANGE: KeyRange = { start: Uint8Array.of(...METADATA_KEY, 0x00), end: rangeOf(METADATA_KEY).end }

/** All documents of a collection, whatever its schema says. */
export function documentsRange(collection: string): KeyRange {
  return rangeOf(encodeTuplePrefix([SPACE_DOCUMENTS, collection], ['integer', 'text']))
}

/** What stands under a key, as far as the key says. */
export type KeyMeaning =
  | { readonly space: 'metadata' }
  | { readonly space: 'schema'; readonly collection: string }
  | { readonly space: 'document'; readonly collection: string; readonly parts: readonly KeyPart[] }

/** Undefined for keys outside these spaces: raw keys, or those of a newer version. */
export function meaningOfKey(key: Uint8Array): KeyMeaning | undefined {
  if (equalBytes(key, METADATA_KEY)) return { space: 'metadata' }
  const tuple = inspectTuple(key)
  if (tuple === undefined || tuple.types[0] !== 'integer') return undefined
  const [space, collection, ...parts] = tuple.parts
  if (typeof collection !== 'string' || !COLLECTION_NAME.test(collection)) return undefined
  if (space === SPACE_DATABASE && parts.length === 0) return { space: 'schema', collection }
  if (space === SPACE_DOCUMENTS && parts.length > 0) return { space: 'document', collection, parts }
  return undefined
}

/** What a bound of a range of documents says: the first parts of their keys, none where a collection begins. */
export function meaningOfBound(
  bound: Uint8Array,
): { readonly collection: string; readonly parts: readonly KeyPart[] } | undefined {
  const { types, parts: all } = inspectTuple(bound) ?? { types: [], parts: [] }
  const [space, collection, ...parts] = all
  if (types[0] !== 'integer' || space !== SPACE_DOCUMENTS) return undefined
  return typeof collection === 'string' && COLLECTION_NAME.test(collection) ? { collection, parts } : undefined
}

/** The collection whose range of documents a key is in, whether or not it is the key of one. */
export function collectionAround(key: Uint8Array): string | undefined {
  const begin = DOCUMENTS_PREFIX.length
  if (!equalBytes(key.subarray(0, begin), DOCUMENTS_PREFIX)) return undefined
  const end = key.indexOf(0, begin)
  if (end < 0 || end - begin > COLLECTION_NAME_UNITS_MAX || key[end + 1] === 0xff) return undefined
  const name = String.fromCharCode(...key.subarray(begin, end))
  return COLLECTION_NAME.test(name) ? name : undefined
}

/** Whether a newer version may mean something by the key. */
export function isReservedKey(key: Uint8Array): boolean {
  const tuple = inspectTuple(key)
  const [space, collection] = tuple?.parts ?? []
  if (tuple?.types[0] !== 'integer' || space !== SPACE_INDEXES) return false
  return typeof collection === 'string' && COLLECTION_NAME.test(collection)
}

/** A collection's name, the fields of its primary key, and the keys that follow from them. Immutable. */
export class Schema {
  readonly collection: string
  readonly key: readonly KeyField[]
  /** `integer, text` of the space and the collection, then the key's own types. */
  readonly #types: readonly PartType[]
  readonly #partTypes: readonly PartType[]

  /** @throws {CoppiceError} `KEY_INVALID` for a bad name, no or too many fields, a field twice, an unknown type. */
  constructor(collection: string, key: readonly KeyField[]) {
    validateCollectionName(collection)
    validateKeyFields(key)
    this.collection = collection
    this.key = key.map(({ field, type }) => ({ field, type }))
    this.#partTypes = key.map(({ type }) => type)
    this.#types = ['integer', 'text', ...this.#partTypes]
  }

  /** The document that stands under {@link schemaKey}. Equal schemas give equal bytes. */
  encode(): Uint8Array {
    return encodeDocument({ key: this.key })
  }

  /**
   * @throws {CoppiceError} `DOCUMENT_INVALID` for what is no schema; `FORMAT_NEWER` when it says more than this version
   *   understands.
   */
  static decode(collection: string, bytes: Uint8Array): Schema {
    const document = decodeDocument(bytes)
    const key = requireKeyFields(collection, document)
    const unknown = Object.keys(document).find((name) => name !== 'key')
    if (unknown !== undefined) throw newer(collection, unknown)
    try {
      return new Schema(collection, key)
    } catch (error) {
      if (!(error instanceof CoppiceError)) throw error
      throw new CoppiceError('DOCUMENT_INVALID', `schema of "${excerptOf(collection)}": ${error.message}`, {
        cause: error,
      })
    }
  }

  equals(other: Schema): boolean {
    return this.collection === other.collection && equalBytes(this.encode(), other.encode())
  }

  /** The parts of the primary key of `document`, checked only as far as that they are there. */
  partsOf(document: Document): KeyPart[] {
    return this.key.map((field) => requirePart(document, field))
  }

  /**
   * The key under which `document` stands.
   * @throws {CoppiceError} `KEY_INVALID` with `details.field` for a field that is missing or not of its type; `KEY_TOO_LONG`.
   */
  keyOf(document: Document): Uint8Array {
    return this.keyFor(this.partsOf(document))
  }

  /** The key for the parts of a primary key; the same errors. */
  keyFor(parts: readonly KeyPart[]): Uint8Array {
    return this.#rethrown(() => {
      if (parts.length !== this.key.length) throw wrongCount(this, parts.length)
      return encodeTuple([SPACE_DOCUMENTS, this.collection, ...parts], this.#types)
    })
  }

  /** All documents of the collection whose primary key begins with `parts`; with none, all of them. */
  rangeFor(parts: readonly KeyPart[] = []): KeyRange {
    return this.#rethrown(() => {
      if (parts.length > this.key.length) throw wrongCount(this, parts.length)
      return rangeOf(encodeTuplePrefix([SPACE_DOCUMENTS, this.collection, ...parts], this.#types))
    })
  }

  /**
   * The parts of the primary key in a key of this collection.
   * @throws {CoppiceError} `KEY_INVALID` where `key` is none.
   */
  partsIn(key: Uint8Array): KeyPart[] {
    const [space, collection, ...parts] = decodeTuple(key, this.#types)
    if (space !== SPACE_DOCUMENTS || collection !== this.collection) {
      throw new CoppiceError('KEY_INVALID', `key: expected one of collection "${this.collection}"`)
    }
    return parts
  }

  /** Errors of the tuple count its parts from the space on; people count those of the primary key. */
  #rethrown<T>(encode: () => T): T {
    try {
      return encode()
    } catch (error) {
      if (!(error instanceof CoppiceError) || typeof error.details.part !== 'number') throw error
      const part = error.details.part - 2
      const field = this.key[part]?.field
      const reason = error.message.slice(error.message.indexOf(':') + 2)
      throw new CoppiceError('KEY_INVALID', `key field ${quoteText(field ?? '')} of "${this.collection}": ${reason}`, {
        cause: error,
        details: { part, field },
      })
    }
  }
}

function validateKeyFields(key: readonly KeyField[]): void {
  if (key.length === 0 || key.length > KEY_FIELDS_MAX) {
    throw new CoppiceError('KEY_INVALID', `primary key: expected 1 to ${KEY_FIELDS_MAX} fields, got ${key.length}`)
  }
  const seen = new Set<string>()
  for (const { field, type } of key) {
    const shown = `"${excerptOf(field)}"`
    if (field === '' || field.length > FIELD_NAME_UNITS_MAX || !field.isWellFormed()) {
      throw new CoppiceError('KEY_INVALID', `primary key: expected field names of 1 to 256 characters, got ${shown}`)
    }
    if (seen.has(field))
      throw new CoppiceError('KEY_INVALID', `primary key: expected each field once, got ${shown} twice`)
    seen.add(field)
    if (!PART_TYPES.includes(type)) {
      throw new CoppiceError(
        'KEY_INVALID',
        `type of key field ${shown}: expected ${PART_TYPES.join(', ')}, got "${excerptOf(String(type))}"`,
      )
    }
  }
}

function requireKeyFields(collection: string, document: Document): KeyField[] {
  const { key } = document
  if (!Array.isArray(key)) throw notASchema(collection, '/key: expected an array')
  return key.map((entry: FieldValue, i) => {
    const { field, type } = (entry ?? {}) as { field?: unknown; type?: unknown }
    if (typeof field !== 'string' || typeof type !== 'string') {
      throw notASchema(collection, `/key/${i}: expected {field, type}`)
    }
    const unknown = Object.keys(entry as object).find((name) => name !== 'field' && name !== 'type')
    if (unknown !== undefined) throw newer(collection, unknown)
    return { field, type: type as PartType }
  })
}

function notASchema(collection: string, what: string): CoppiceError {
  return new CoppiceError('DOCUMENT_INVALID', `schema of "${excerptOf(collection)}": ${what}`)
}

function newer(collection: string, field: string): CoppiceError {
  return new CoppiceError(
    'FORMAT_NEWER',
    `schema of "${excerptOf(collection)}": expected nothing but the key, got "${excerptOf(field)}"; a newer coppice wrote it`,
  )
}

function wrongCount(schema: Schema, got: number): CoppiceError {
  const expected = schema.key.map(({ field, type }) => `${excerptOf(field)}:${type}`).join(', ')
  return new CoppiceError(
    'KEY_INVALID',
    `key of "${schema.collection}": expected ${expected}, got ${got} part${got === 1 ? '' : 's'}`,
  )
}

function requirePart(document: Document, { field, type }: KeyField): KeyPart {
  const value = Object.hasOwn(document, field) ? document[field] : undefined
  if (value === undefined || value === null) {
    const fields = Object.keys(document)
    throw new CoppiceError(
      'KEY_INVALID',
      `key field ${quoteText(field)}: expected ${type}, got ${value === null ? 'null' : `a document without it, which has ${listFields(fields)}`}`,
      { details: { field, fields } },
    )
  }
  return value as KeyPart
}

const FIELDS_SHOWN_MAX = 20

/** Who declared the wrong key sees the right one. */
function listFields(fields: readonly string[]): string {
  if (fields.length === 0) return 'no fields'
  const shown = fields.slice(0, FIELDS_SHOWN_MAX).map((name) => excerptOf(name))
  return `${shown.join(', ')}${fields.length > FIELDS_SHOWN_MAX ? ', ...' : ''}`
}

/**
 * The types of the key fields as the first document has them: integer for an integral number, number for another,
 * text, boolean, bytes.
 * @throws {CoppiceError} `KEY_INVALID` for a field that is missing, null, a map or an array.
 */
export function inferKeyFields(document: Document, fields: readonly string[]): KeyField[] {
  return fields.map((field) => ({ field, type: typeOfPart(requirePart(document, { field, type: 'text' }), field) }))
}

function typeOfPart(value: unknown, field: string): PartType {
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'boolean') return 'boolean'
  if (value instanceof Uint8Array) return 'bytes'
  throw new CoppiceError(
    'KEY_INVALID',
    `key field ${quoteText(field)}: expected a number, text, boolean or bytes, got a map or an array`,
    {
      details: { field },
    },
  )
}
