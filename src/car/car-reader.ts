/**
 * Reads CAR, version 1, from a stream that nobody trusts, by @ipld/car. What that leaves open is closed here: it would gather
 * whatever length a header, a CID or a section announces, and go back in the stream for a section shorter than its CID. What
 * comes out is not verified: whose bytes a section has is for the reader to check.
 */
import { asyncIterableReader, readBlockHead, readHeader } from '@ipld/car/decoder'
import { copyBytes } from '../bytes.ts'
import { isLink, type Link } from '../link.ts'

/** A header with one root has 59 bytes. */
const HEADER_BYTES_MAX: number = 4 * 1024
/** What IPFS tools exchange at most in a block; ours have 1 MiB. */
const BLOCK_BYTES_MAX: number = 2 * 1024 * 1024
/** Ours have 36; those that have their bytes in themselves up to 128 of these. */
const CID_BYTES_MAX = 256
const SECTION_COST_MIN = 64

/** Bytes that are no archive. */
export class CarFailure extends Error {
  override readonly name = 'CarFailure'
}

export interface CarSection {
  /** Undefined where the CID has none of the forms of coppice's blocks. */
  readonly link: Link | undefined
  /** Owned by the caller. Empty for a block of no use. */
  readonly bytes: Uint8Array
  /** Of the block, wherever its bytes are. */
  readonly length: number
  /** What it counts for where archives are bounded: the least that a section takes, so that empty blocks do not come for ever. */
  readonly cost: number
}

type BytesReader = ReturnType<typeof asyncIterableReader>

export class CarReader {
  /** CIDs as bytes, of any form. */
  readonly roots: readonly Uint8Array[]
  readonly #reader: Guarded

  private constructor(reader: Guarded, roots: readonly Uint8Array[]) {
    this.#reader = reader
    this.roots = roots
  }

  /** Reads the header. @throws {CarFailure}; what `source` throws. */
  static async open(source: AsyncIterable<Uint8Array>): Promise<CarReader> {
    const reader = new Guarded(source)
    const header = await reader.attempt(async () => {
      reader.bytesMax = HEADER_BYTES_MAX
      return await readHeader(reader, 1)
    })
    return new CarReader(
      reader,
      header.roots.map(({ bytes }) => bytes),
    )
  }

  /** The next section, undefined at the end. @throws {CarFailure}; what the source throws. */
  async next(): Promise<CarSection | undefined> {
    const reader = this.#reader
    return await reader.attempt(async () => {
      reader.bytesMax = CID_BYTES_MAX
      if ((await reader.upTo(1)).length === 0) return undefined
      const { cid, blockLength } = await readBlockHead(reader)
      if (blockLength < 0)
        throw new CarFailure('a section: expected a CID and a block, got fewer bytes than the CID has')
      reader.bytesMax = BLOCK_BYTES_MAX
      const bytes = await reader.exactly(blockLength, true)
      const link = isLink(cid.bytes) ? cid.bytes : undefined
      return {
        link,
        bytes: link === undefined ? bytes.subarray(0, 0) : copyBytes(bytes),
        length: blockLength,
        cost: Math.max(SECTION_COST_MIN, blockLength),
      }
    })
  }

  /** Ends the source where it was not read to its end. Never rejects. */
  async close(): Promise<void> {
    await this.#reader.close()
  }
}

/** Refuses to gather more than `bytesMax`, and tells errors of the source from those of the format. */
class Guarded implements BytesReader {
  bytesMax = 0
  readonly #chunks: AsyncGenerator<Uint8Array, void>
  readonly #inner: BytesReader
  #sourceFailure: { readonly error: unknown } | undefined

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = this.#watched(source)
    this.#inner = asyncIterableReader(this.#chunks)
  }

  get pos(): number {
    return this.#inner.pos
  }

  upTo(length: number): Promise<Uint8Array> {
    return this.#inner.upTo(length)
  }

  exactly(length: number, seek?: boolean): Promise<Uint8Array> {
    if (length > this.bytesMax) throw new CarFailure(`expected at most ${this.bytesMax} bytes at once, got ${length}`)
    return this.#inner.exactly(length, seek)
  }

  seek(length: number): void {
    this.#inner.seek(length)
  }

  async close(): Promise<void> {
    await this.#chunks.return().catch(() => {})
  }

  async attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (this.#sourceFailure !== undefined) throw this.#sourceFailure.error
      if (error instanceof CarFailure) throw error
      const reason = error instanceof Error ? error.message : String(error)
      if (/end of data/.test(reason))
        throw new CarFailure('expected CAR of version 1, got its end too early: it is none, or was cut short', {
          cause: error,
        })
      throw new CarFailure(`expected CAR of version 1, got what is none (${reason})`, { cause: error })
    }
  }

  async *#watched(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    try {
      yield* source
    } catch (error) {
      this.#sourceFailure = { error }
      throw error
    }
  }
}
