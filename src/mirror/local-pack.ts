/**
 * A pack of one's own mirror, as an export reads it: which digests it has, and its batches as they are. It may have rotted
 * like any file; whoever copies from it hashes the whole.
 */
import { CoppiceError } from '../errors.ts'
import { PREFIX_BYTES } from './limits.ts'
import type { MirrorFiles, OpenFile } from './mirror-files.ts'
import {
  type BatchPlace,
  bucketOf,
  decodeBuckets,
  decodeTable,
  findEntry,
  INDEX_ENTRY_BYTES,
  type PackLayout,
  layoutOf,
  placeAt,
} from './pack-format.ts'
import { type PackEntry, packPath } from './root-file.ts'

export class LocalPack {
  readonly entry: PackEntry
  readonly batches: readonly BatchPlace[]
  readonly #file: OpenFile
  readonly #layout: PackLayout
  readonly #buckets: Uint32Array

  private constructor(entry: PackEntry, file: OpenFile, layout: PackLayout, buckets: Uint8Array, table: Uint8Array) {
    this.entry = entry
    this.#file = file
    this.#layout = layout
    this.#buckets = decodeBuckets(buckets, entry.blocks)
    this.batches = decodeTable(table, layout.index)
  }

  /** Undefined where the file is not there, or not of the length it should have. */
  static async open(files: MirrorFiles, entry: PackEntry): Promise<LocalPack | undefined> {
    const file = await files.open(packPath(entry))
    if (file === undefined) return undefined
    try {
      if (file.bytes === entry.bytes) {
        const layout = layoutOf(entry)
        const buckets = await file.read(layout.buckets, layout.table)
        return new LocalPack(entry, file, layout, buckets, await file.read(layout.table, layout.end))
      }
    } catch (error) {
      await file.close()
      throw error
    }
    await file.close()
    return undefined
  }

  /** Reads the one bucket where it would be. */
  async has(digest: Uint8Array): Promise<boolean> {
    const bucket = bucketOf(digest, this.#buckets.length)
    const start = bucket === 0 ? 0 : (this.#buckets[bucket - 1] as number)
    const end = this.#buckets[bucket] as number
    if (start === end) return false
    const at = this.#layout.index
    const entries = await this.#file.read(at + start * INDEX_ENTRY_BYTES, at + end * INDEX_ENTRY_BYTES)
    return findEntry(entries, digest) !== undefined
  }

  /** The whole index: 20 bytes for each block. */
  async index(): Promise<Uint8Array> {
    return await this.#file.read(this.#layout.index, this.#layout.buckets)
  }

  /** The digests of each batch, cut to what the index has of them, in the order of their blocks. @throws {CoppiceError} `STORE_CORRUPT`. */
  async digests(): Promise<Uint8Array[][]> {
    const index = await this.index()
    const batches: Uint8Array[][] = this.batches.map(() => [])
    for (let i = 0; i < this.entry.blocks; i++) {
      const { batch, place } = placeAt(index, i)
      const digests = batches[batch]
      if (digests?.[place] !== undefined || digests === undefined) throw this.damaged('an index of other batches')
      digests[place] = index.subarray(i * INDEX_ENTRY_BYTES, i * INDEX_ENTRY_BYTES + PREFIX_BYTES)
    }
    // Each place once, so none is left out where there are as many as blocks.
    const places = batches.reduce((sum, { length }) => sum + length, 0)
    if (places !== this.entry.blocks || batches.some(({ length }) => length === 0)) {
      throw this.damaged('an index of other batches')
    }
    return batches
  }

  /** Any bytes of the file. */
  async read(start: number, end: number): Promise<Uint8Array> {
    return await this.#file.read(start, end)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  damaged(got: string): CoppiceError {
    const path = packPath(this.entry)
    return new CoppiceError(
      'STORE_CORRUPT',
      `mirror: ${path}: expected what was written, got ${got}; remove the file and export again`,
      { details: { path } },
    )
  }
}
