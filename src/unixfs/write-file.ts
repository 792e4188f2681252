/**
 * Writing a file as its bytes come (tree.md, 1, "Files"): leaves as soon as they are full, a node as soon as it has all its links.
 * Memory is one leaf and one list of links for each level, whatever the size, and what the sink asks to wait for is waited for.
 */
import { BYTES_PER_TURN, eventLoopTurn } from '../event-loop.ts'
import { type Block, CODEC_DAG_PB, CODEC_RAW, type Link, linkTo } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { encodeFileNode, FILE_FORMAT_1, type FileFormat } from './layout.ts'

/** A file as an entry of a tree names it. */
export interface FileRef {
  readonly link: Link
  /** Bytes of the file. */
  readonly size: number
}

/** Takes the blocks of a file as they are finished, children first. A promise means: wait before handing over more. */
export interface FileSink {
  put(block: Block): MaybePromise<void>
}

export interface WriteFileOptions {
  /** Tests only. */
  readonly format?: FileFormat
  readonly signal?: AbortSignal | undefined
}

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Writes the bytes of `chunks`, of any lengths, which are copied. What fits one leaf is no file: it is given back as it is,
 * and nothing is written. After an error or an abort the sink holds blocks that nothing refers to.
 */
export async function writeFile(
  chunks: Chunks,
  sink: FileSink,
  options: WriteFileOptions = {},
): Promise<Uint8Array | FileRef> {
  const { format = FILE_FORMAT_1, signal } = options
  signal?.throwIfAborted()
  const writer = new FileWriter(sink, format)
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const busy = writer.makeRoom()
      if (busy instanceof Promise) await busy
      signal?.throwIfAborted()
      at += writer.take(chunk, at)
    }
    signal?.throwIfAborted()
  }
  return await writer.finish()
}

class FileWriter {
  readonly #sink: FileSink
  readonly #format: FileFormat
  /** The leaf being filled. It is cut only when a byte more is there: the last one may be the only one. */
  #leaf: Uint8Array
  #leafLength = 0
  #size = 0
  #sinceTurn = 0
  /** By height: links of finished blocks that no node has yet, and the bytes of the file below them. */
  readonly #levels: { links: Link[]; size: number }[] = []

  constructor(sink: FileSink, format: FileFormat) {
    this.#sink = sink
    this.#format = format
    this.#leaf = new Uint8Array(format.leafBytes)
  }

  /** Writes the leaf if it is full, and the nodes that it fills. */
  makeRoom(): MaybePromise<void> {
    if (this.#leafLength === this.#leaf.length) return this.#cut()
  }

  /** Takes as much as has room; gives how much. */
  take(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + this.#leaf.length - this.#leafLength)
    this.#leaf.set(part, this.#leafLength)
    this.#leafLength += part.length
    this.#size += part.length
    return part.length
  }

  async finish(): Promise<Uint8Array | FileRef> {
    if (this.#levels.length === 0) return this.#leaf.slice(0, this.#leafLength)
    await this.#cut()
    for (let height = 0; ; height++) {
      const { links } = this.#level(height)
      const [link] = links
      if (link !== undefined && links.length === 1 && height === this.#levels.length - 1) {
        return { link, size: this.#size }
      }
      if (links.length > 0) await this.#join(height)
    }
  }

  async #cut(): Promise<void> {
    // A short one is copied, so that it does not keep the room of a full one.
    const bytes = this.#leafLength < this.#leaf.length ? this.#leaf.slice(0, this.#leafLength) : this.#leaf
    this.#leaf = new Uint8Array(this.#format.leafBytes)
    this.#leafLength = 0
    await this.#put(0, { link: linkTo(CODEC_RAW, bytes), bytes }, bytes.length)
  }

  async #put(height: number, block: Block, size: number): Promise<void> {
    const busy = this.#sink.put(block)
    if (busy instanceof Promise) await busy
    this.#sinceTurn += block.bytes.length
    if (this.#sinceTurn >= BYTES_PER_TURN) {
      this.#sinceTurn = 0
      await eventLoopTurn()
    }
    const level = this.#level(height)
    level.links.push(block.link)
    level.size += size
    if (level.links.length === this.#format.linksMax) await this.#join(height)
  }

  /** Makes a node of what is at `height`. */
  async #join(height: number): Promise<void> {
    const { links, size } = this.#level(height)
    this.#levels[height] = { links: [], size: 0 }
    const bytes = encodeFileNode({ offset: 0, size, height: height + 1 }, links, this.#format)
    await this.#put(height + 1, { link: linkTo(CODEC_DAG_PB, bytes), bytes }, size)
  }

  #level(height: number): { links: Link[]; size: number } {
    return (this.#levels[height] ??= { links: [], size: 0 })
  }
}
