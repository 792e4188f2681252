/**
 * Writes packs (mirror.md, 3), one after the other as each gets full. Nodes above the leaves gather in batches of their own: a
 * reader who looks for what has changed reads little else, and who reads a subtree finds its leaves and values side by
 * side. Memory is two batches and an index.
 */
import { createHash } from 'node:crypto'
import { packBatch } from './batch-coding.ts'
import { IndexBuilder } from './index-builder.ts'
import { BATCH_BLOCKS_MAX, BATCH_BYTES, BATCH_BYTES_PARTED, PACK_BLOCKS_MAX, PACK_BYTES_FULL } from './limits.ts'
import type { MirrorFiles, NewFile } from './mirror-files.ts'
import { type BatchPlace, encodePackHead, encodeTable } from './pack-format.ts'
import { type PackCoding, type PackEntry, packPath } from './root-file.ts'

/** Where a block goes: `inner` nodes have others below them. */
type Section = 'inner' | 'outer'

/** An array of five: the node of a tree above its leaves, or a value that begins like one, to which it makes no difference. */
const INNER_HEAD = 0x85

function sectionOf(bytes: Uint8Array): Section {
  return bytes[0] === INNER_HEAD ? 'inner' : 'outer'
}

export interface PackOptions {
  readonly coding: PackCoding
  /** Of the newest root that has one of the blocks. */
  readonly sequence: number
  /** Of a file that is ended; PACK_BYTES_FULL by default. */
  readonly bytesFull?: number | undefined
}

export class PackWriter {
  /** The packs that are whole, in the order in which they were written. */
  readonly written: PackEntry[] = []
  readonly #files: MirrorFiles
  readonly #options: PackOptions
  #pack: OpenPack | undefined

  constructor(files: MirrorFiles, options: PackOptions) {
    this.#files = files
    this.#options = options
  }

  /** Of the files, about: of what waits for its batch to be full, its plain bytes. */
  get bytes(): number {
    return this.written.reduce((sum, { bytes }) => sum + bytes, this.#pack?.bytesSoFar ?? 0)
  }

  get coding(): PackCoding {
    return this.#options.coding
  }

  /** Whether the pack that is being written has the block. */
  has(digest: Uint8Array): boolean {
    return this.#pack?.index.has(digest) === true
  }

  /** Takes a block that {@link has} does not find; its bytes must not change. */
  async add(digest: Uint8Array, bytes: Uint8Array): Promise<void> {
    const pack = await this.#packFor(1)
    await pack.add(digest, bytes)
  }

  /** Takes a batch of another pack of the same coding as it is. `digests` are of its blocks, in order, none of which {@link has} finds. */
  async addBatch(compressed: Uint8Array, foldedBytes: number, digests: readonly Uint8Array[]): Promise<void> {
    const pack = await this.#packFor(digests.length)
    const entries = digests.map((digest) => pack.index.add(digest))
    await pack.put(compressed, foldedBytes, entries)
  }

  /** Ends the last pack. */
  async finish(): Promise<void> {
    const pack = this.#pack
    if (pack === undefined) return
    this.written.push(await pack.commit(this.#options.sequence))
    this.#pack = undefined
  }

  /** Removes what is not whole. Never rejects. */
  async discard(): Promise<void> {
    await this.#pack?.file.discard()
    this.#pack = undefined
  }

  async #packFor(blocks: number): Promise<OpenPack> {
    const { coding, bytesFull = PACK_BYTES_FULL } = this.#options
    const pack = this.#pack
    if (pack !== undefined && (pack.bytes >= bytesFull || pack.index.count + blocks > PACK_BLOCKS_MAX)) {
      await this.finish()
    }
    this.#pack ??= await OpenPack.create(this.#files, coding)
    return this.#pack
  }
}

class OpenBatch {
  readonly blocks: Uint8Array[] = []
  /** Their numbers in the index. */
  readonly entries: number[] = []
  bytes = 0
}

class OpenPack {
  readonly file: NewFile
  readonly index = new IndexBuilder()
  bytes = 0
  readonly #coding: PackCoding
  readonly #hash = createHash('sha256')
  readonly #batches: BatchPlace[] = []
  readonly #open = { inner: new OpenBatch(), outer: new OpenBatch() }

  private constructor(file: NewFile, coding: PackCoding) {
    this.file = file
    this.#coding = coding
  }

  static async create(files: MirrorFiles, coding: PackCoding): Promise<OpenPack> {
    const pack = new OpenPack(await files.create(), coding)
    await pack.#write(encodePackHead(coding))
    return pack
  }

  get bytesSoFar(): number {
    return this.bytes + this.#open.inner.bytes + this.#open.outer.bytes
  }

  async add(digest: Uint8Array, bytes: Uint8Array): Promise<void> {
    const section = sectionOf(bytes)
    // What follows is below this node: a batch of its own is read for that, and for nothing else.
    if (section === 'inner' && this.#open.outer.bytes >= BATCH_BYTES_PARTED) await this.#flush('outer')
    const { blocks, bytes: held } = this.#open[section]
    if (blocks.length === BATCH_BLOCKS_MAX || (held > 0 && held + bytes.length > BATCH_BYTES))
      await this.#flush(section)
    const batch = this.#open[section]
    batch.entries.push(this.index.add(digest))
    batch.blocks.push(bytes)
    batch.bytes += bytes.length
  }

  async put(compressed: Uint8Array, foldedBytes: number, entries: readonly number[]): Promise<void> {
    const batch = this.#batches.length
    for (const [place, entry] of entries.entries()) this.index.setPlace(entry, { batch, place })
    this.#batches.push({ start: this.bytes, end: this.bytes + compressed.length, foldedBytes })
    await this.#write(compressed)
  }

  async commit(sequence: number): Promise<PackEntry> {
    await this.#flush('inner')
    await this.#flush('outer')
    const { index, buckets } = this.index.encode()
    await this.#write(index)
    await this.#write(buckets)
    await this.#write(encodeTable(this.#batches))
    const entry = {
      id: new Uint8Array(this.#hash.digest()),
      bytes: this.bytes,
      coding: this.#coding,
      blocks: this.index.count,
      batches: this.#batches.length,
      sequence,
    }
    await this.file.commit(packPath(entry))
    return entry
  }

  async #flush(section: Section): Promise<void> {
    const { blocks, bytes, entries } = this.#open[section]
    if (blocks.length === 0) return
    this.#open[section] = new OpenBatch()
    const { bytes: compressed, foldedBytes } = packBatch(blocks, bytes, this.#coding)
    await this.put(compressed, foldedBytes, entries)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    this.bytes += bytes.length
    await this.file.write(bytes)
  }
}
