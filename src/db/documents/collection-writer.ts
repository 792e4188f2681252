/** Writing documents within a batch, and agreeing with it on what a new collection's key is. */
import type { Document } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import { quoteText } from '../../escape.ts'
import { CollectionView, type KeyNames, type PrimaryKey } from './collection-view.ts'
import type { CollectionOptions } from './collection.ts'
import { encodeDocument } from './document.ts'
import { inferKeyFields, type KeyField, Schema, schemaKey } from './schema.ts'
import type { Transaction } from '../transaction.ts'
import type { KeyPart } from './tuple.ts'

export class CollectionWriter<T extends object = Document, K extends KeyNames<T> = KeyNames<T>> extends CollectionView<
  T,
  K
> {
  readonly #tx: Transaction
  readonly #options: CollectionOptions
  #schema: Schema | undefined

  constructor(tx: Transaction, name: string, options: CollectionOptions) {
    super(name, () => tx, options.key !== undefined)
    this.#tx = tx
    this.#options = options
  }

  /** As `Collection.put`, visible with the batch. */
  async put(document: T): Promise<void> {
    const schema = this.#schema ?? (await this.requireSchema(document as Document))
    await this.#tx.put(schema.keyOf(document as Document), encodeDocument(document))
  }

  /** Whether there was such a document. @throws {CoppiceError} as {@link CollectionView.get}. */
  async del(key: PrimaryKey<T, K>): Promise<boolean> {
    const schema = await this.schemaIfAny(this.#tx)
    return schema !== undefined && (await this.#tx.del(schema.keyFor(key as readonly KeyPart[])))
  }

  /**
   * The schema in the database, or a new one written now: of the declared fields, with the types declared or else
   * those of `first`. Calls side by side agree on that of the first.
   * @throws {CoppiceError} `SCHEMA_MISMATCH` where what is declared differs from what is there, `COLLECTION_UNKNOWN`
   *   where nothing is there and no key declared, `KEY_INVALID`.
   */
  requireSchema(first: Document): Promise<Schema> {
    return this.#tx.settleSchema(this.name, async () => {
      if (this.#schema !== undefined) return this.#schema
      const stored = await this.#tx.get(schemaKey(this.name))
      this.#schema = stored === undefined ? await this.#declare(first) : this.#agree(Schema.decode(this.name, stored))
      return this.#schema
    })
  }

  async #declare(first: Document): Promise<Schema> {
    const { key, types = {} } = this.#options
    if (key === undefined) {
      throw new CoppiceError(
        'COLLECTION_UNKNOWN',
        `collection ${quoteText(this.name)}: expected the fields of its primary key, since it does not exist yet`,
        { details: { collection: this.name } },
      )
    }
    const fields = key.map((field): KeyField => {
      const type = types[field]
      return type === undefined ? (inferKeyFields(first, [field])[0] as KeyField) : { field, type }
    })
    const schema = new Schema(this.name, fields)
    await this.#tx.put(schemaKey(this.name), schema.encode())
    return schema
  }

  #agree(stored: Schema): Schema {
    const { key, types = {} } = this.#options
    const sameFields =
      key === undefined || (key.length === stored.key.length && key.every((field, i) => stored.key[i]?.field === field))
    const wrongType = stored.key.find(({ field, type }) => types[field] !== undefined && types[field] !== type)
    if (sameFields && wrongType === undefined) return stored
    const shown = stored.key.map(({ field, type }) => `${field}:${type}`).join(',')
    const got = sameFields ? `${wrongType?.field}:${types[wrongType?.field ?? '']}` : (key?.join(',') ?? '')
    throw new CoppiceError(
      'SCHEMA_MISMATCH',
      `collection ${quoteText(this.name)}: expected its key ${quoteText(shown)}, got ${quoteText(got)}`,
      { details: { collection: this.name } },
    )
  }
}
