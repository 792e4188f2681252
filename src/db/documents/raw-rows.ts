/**
 * Raw rows where metadata, schemas and documents stand (documents.md, 3): taken where they are what belongs there, as those of
 * an export are. Any other would be in the way of every later reading of its collection, and be signed with it.
 */
import { bytesToHex, equalBytes } from '../../bytes.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { quoteText } from '../../escape.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { decodeDocument } from './document.ts'
import type { KeyReader } from './key-reader.ts'
import { renderTreeKey } from './key-text.ts'
import {
  collectionAround,
  INTEGER_ZERO,
  isReservedKey,
  meaningOfKey,
  METADATA_KEY,
  Schema,
  schemaKey,
} from './schema.ts'

export class RawRowCheck {
  readonly #before: KeyReader | undefined
  /** By collection; those of the rows seen so far, which come before their documents, and of the state before. */
  readonly #schemas = new Map<string, Schema>()

  /** `before`: what is there already; undefined where the rows take the place of all of it. */
  constructor(before: KeyReader | undefined) {
    this.#before = before
  }

  /**
   * Rows in the order of their keys, or schemas first. A key outside of all collections goes with any value.
   * @throws {CoppiceError} `DOCUMENT_INVALID` for a value that is no document or schema; `KEY_INVALID` for a document that
   *   belongs to another key or to no collection, and for keys kept for newer versions; `SCHEMA_MISMATCH` for another schema
   *   than the collection has; `FORMAT_NEWER`.
   */
  check(key: Uint8Array, value: Uint8Array): MaybePromise<void> {
    if (isElsewhere(key)) return
    return this.#check(key, value)
  }

  /** For a value that is not at hand. @throws {CoppiceError} `KEY_INVALID` for every key of these spaces. */
  static refuse(key: Uint8Array): void {
    if (isElsewhere(key)) return
    const isOurs = meaningOfKey(key) !== undefined || collectionAround(key) !== undefined || isReservedKey(key)
    if (isOurs) throw invalidKey(key, 'a key outside of collections and metadata', 'one of them')
  }

  async #check(key: Uint8Array, value: Uint8Array): Promise<void> {
    if (isReservedKey(key)) throw invalidKey(key, 'none of those kept for newer versions', 'one')
    if (equalBytes(key, METADATA_KEY)) return void decoded(key, () => decodeDocument(value))
    const meaning = meaningOfKey(key)
    if (meaning?.space === 'schema') return await this.#checkSchema(key, meaning.collection, value)
    const collection = collectionAround(key)
    if (collection === undefined) return
    const schema = await this.#schemaOf(collection)
    if (schema === undefined)
      throw invalidKey(key, 'a document of a collection that exists', `one of ${quoteText(collection)}`)
    const document = decoded(key, () => decodeDocument(value))
    const own = schema.keyOf(document)
    if (!equalBytes(own, key)) throw invalidKey(key, `the key of its document, ${renderTreeKey(own)}`, 'another')
  }

  async #checkSchema(key: Uint8Array, collection: string, value: Uint8Array): Promise<void> {
    const schema = decoded(key, () => Schema.decode(collection, value))
    const before = await this.#schemaOf(collection)
    if (before?.equals(schema) === false) {
      throw new CoppiceError(
        'SCHEMA_MISMATCH',
        `${renderTreeKey(key)}: expected the one it has, got another; its documents would have wrong keys`,
      )
    }
    this.#schemas.set(collection, schema)
  }

  async #schemaOf(collection: string): Promise<Schema | undefined> {
    const known = this.#schemas.get(collection)
    if (known !== undefined) return known
    const bytes = await this.#before?.get(schemaKey(collection))
    if (bytes === undefined) return undefined
    const schema = Schema.decode(collection, bytes)
    this.#schemas.set(collection, schema)
    return schema
  }
}

/** Most raw keys: told by one byte. */
function isElsewhere(key: Uint8Array): boolean {
  return key[0] !== INTEGER_ZERO && key[0] !== INTEGER_ZERO + 1
}

function decoded<T>(key: Uint8Array, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!isCoppiceError(error, 'DOCUMENT_INVALID')) throw error
    const shown = renderTreeKey(key)
    throw new CoppiceError('DOCUMENT_INVALID', `${shown}: expected a document, got other bytes (${error.message})`, {
      cause: error,
    })
  }
}

function invalidKey(key: Uint8Array, expected: string, got: string): CoppiceError {
  const shown = bytesToHex(key.subarray(0, 40))
  return new CoppiceError('KEY_INVALID', `raw key ${shown}, ${renderTreeKey(key)}: expected ${expected}, got ${got}`)
}
