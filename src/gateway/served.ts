/**
 * What the gateway has: blocks of published, complete subtrees, by the rule of every provider (protocol.md, 9), and the
 * head blocks of roots it announced lately, with the block by which an IPNS record leads to them. Of trees outside the window the tops are not here (gateway.md, 2); whatever else
 * its stores hold, drafts and half-fetched trees, is not here at all.
 */
import { equalBytes } from '../bytes.ts'
import { ATTACHMENT_IDS, decodeAttachments, headsBlock, openIpnsRecord } from '../carriers/index.ts'
import { type Block, type Link, linkMapKey } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { formatAuthor, headBlock, type SignedRoot } from '../pointer/index.ts'
import type { BlockReader, CompleteRecord, Store } from '../store/interface.ts'
import { HEADS_MAX } from './limits.ts'
import type { DatabasePath } from './request.ts'

export interface ServedDatabase {
  /** 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  readonly store: Pick<Store, 'getComplete' | 'get' | 'getMany'>
  /** The newest signed root whose tree is all here. */
  readonly published: () => MaybePromise<SignedRoot | undefined>
  /** What travels beside it (record.md, 7), encoded; nothing where absent. */
  readonly attachments?: (() => MaybePromise<Uint8Array | undefined>) | undefined
  /** Whether the tree of this root is served: the newest is, and those before it for a while. */
  readonly serves: (root: Link) => MaybePromise<boolean>
  /** Whether that block is the root node of a signed tree that is served no more, and part of none that is. */
  readonly isSuperseded: (link: Link) => MaybePromise<boolean>
}

/** A block that is served, and where it and what is below it is read. */
export type Found =
  /** `record` is that of the tree. */
  | { readonly kind: 'head'; readonly block: Block; readonly record: CompleteRecord; readonly blocks: BlockReader }
  /** Of an IPNS record (record.md, 7): heads by database name, each of which may be here. */
  | { readonly kind: 'heads'; readonly block: Block; readonly heads: ReadonlyMap<string, Link> }
  | { readonly kind: 'subtree'; readonly record: CompleteRecord; readonly blocks: BlockReader }

export class Served {
  readonly #databases = new Map<string, Database>()

  /** The function returned ends it. @throws {TypeError} where it is served already. */
  add(database: ServedDatabase): () => void {
    const key = keyOf({ author: formatAuthor(database.author), name: database.name })
    if (this.#databases.has(key)) throw new TypeError(`gateway: ${database.name} of this author is served already`)
    const served = new Database(database)
    this.#databases.set(key, served)
    return () => {
      if (this.#databases.get(key) === served) this.#databases.delete(key)
    }
  }

  has(path: DatabasePath): boolean {
    return this.#databases.has(keyOf(path))
  }

  /** The newest signed root of a database; undefined where it is unknown, or nothing is published. */
  async newest(path: DatabasePath): Promise<SignedRoot | undefined> {
    return await this.#databases.get(keyOf(path))?.newest()
  }

  /** What travels beside that root. */
  async attachments(path: DatabasePath): Promise<Uint8Array | undefined> {
    return await this.#databases.get(keyOf(path))?.attachments()
  }

  /** Looks in one database, or in all. */
  async find(link: Link, path: DatabasePath | undefined): Promise<Found | undefined> {
    const one = path === undefined ? undefined : this.#databases.get(keyOf(path))
    const databases = path === undefined ? this.#databases.values() : one === undefined ? [] : [one]
    for (const database of databases) {
      const found = await database.find(link)
      if (found !== undefined) return found
    }
    return undefined
  }
}

class Database {
  readonly #options: ServedDatabase
  /** Head blocks by link, the newest last. */
  readonly #heads = new Map<string, { readonly block: Block; readonly tree: Link }>()
  #last: SignedRoot | undefined
  /** The IPNS record that was looked into last, and what it names. */
  #record: { readonly bytes: Uint8Array; readonly found: Extract<Found, { kind: 'heads' }> | undefined } | undefined

  constructor(options: ServedDatabase) {
    this.#options = options
  }

  attachments(): MaybePromise<Uint8Array | undefined> {
    return this.#options.attachments?.()
  }

  async newest(): Promise<SignedRoot | undefined> {
    const signed = await this.#options.published()
    if (signed === undefined || (this.#last !== undefined && equalBytes(this.#last.bytes, signed.bytes))) return signed
    this.#last = signed
    const block = headBlock(signed)
    this.#heads.set(linkMapKey(block.link), { block, tree: signed.payload.root })
    for (const key of this.#heads.keys()) if (this.#heads.size > HEADS_MAX) this.#heads.delete(key)
    return signed
  }

  async find(link: Link): Promise<Found | undefined> {
    const { store, serves, isSuperseded } = this.#options
    const record = await store.getComplete(link)
    if (record !== undefined) {
      return (await isSuperseded(link)) ? undefined : { kind: 'subtree', record, blocks: store }
    }
    const signed = await this.newest()
    const head = this.#heads.get(linkMapKey(link))
    if (head === undefined) return signed && (await this.#findHeads(link, signed))
    if (!(await serves(head.tree))) return undefined
    const tree = await store.getComplete(head.tree)
    return tree === undefined ? undefined : { kind: 'head', block: head.block, record: tree, blocks: store }
  }

  /** The block that the IPNS record of the newest root's key names: so `/ipns/<key>/<name>` leads to the head block. */
  async #findHeads(link: Link, signed: SignedRoot): Promise<Found | undefined> {
    const attachments = await this.attachments()
    const bytes = attachments && decodeAttachments(attachments).get(ATTACHMENT_IDS.ipns)
    if (bytes === undefined) return undefined
    if (this.#record === undefined || !equalBytes(this.#record.bytes, bytes)) {
      const record = openIpnsRecord(signed.key, bytes)
      this.#record = { bytes, found: record && { kind: 'heads', ...headsBlock(record.entries) } }
    }
    const { found } = this.#record
    return found !== undefined && equalBytes(found.block.link, link) ? found : undefined
  }
}

function keyOf({ author, name }: DatabasePath): string {
  return `${author}/${name}`
}
