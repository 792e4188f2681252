/**
 * Where zstd frames end (RFC 8878, 3.1). Files of several frames are common (appended files, pzstd, seekable archives),
 * but the decoder of node:zlib ends for good, silently, at the first frame that ends inside a chunk
 * (https://github.com/nodejs/node/issues/64741). Cut at the ends of frames, the same decoder reads them all.
 */
import { CoppiceError } from '../errors.ts'
import type { ByteSource } from './place.ts'

const ZSTD_MAGIC = 0xfd2fb528
/** The last four bits are free: sixteen magic numbers of frames that a decoder skips. */
const SKIPPABLE_MAGIC = 0x184d2a50
const MAGIC_BYTES = 4
const BLOCK_HEADER_BYTES = 3
const BLOCK_RLE = 1
const CHECKSUM_BYTES = 4
const DICTIONARY_BYTES: readonly number[] = [0, 1, 2, 4]
const CONTENT_SIZE_BYTES: readonly number[] = [0, 2, 4, 8]

export function isZstdMagic(magic: number): boolean {
  return magic === ZSTD_MAGIC || isSkippable(magic)
}

function isSkippable(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC
}

/**
 * The bytes of `source`, none of its chunks with bytes of two frames, skippable frames left out.
 * @throws {CoppiceError} `INPUT_SYNTAX` where a frame is cut short or something else follows one.
 */
export async function* cutAtFrames(source: ByteSource): AsyncGenerator<Uint8Array> {
  const cutter = new FrameCutter()
  for await (const chunk of source) yield* cutter.push(chunk)
  if (!cutter.isBetweenFrames) throw corrupt('a whole frame', 'the end of the input')
}

type State = 'magic' | 'descriptor' | 'block' | 'skippableSize'

class FrameCutter {
  #state: State = 'magic'
  /** Bytes of the field being read, little-endian, and how many of them are there. */
  #field = 0
  #fieldBytes = 0
  /** Bytes to pass over before the next field. */
  #pass = 0
  #hasChecksum = false
  #isDropped = false

  get isBetweenFrames(): boolean {
    return this.#state === 'magic' && this.#fieldBytes === 0 && this.#pass === 0
  }

  /** The magic number of a skippable frame is only known with its fourth byte, so these four are given out afterwards. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let begin = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#pass > 0) {
        const count = Math.min(this.#pass, chunk.length - at)
        this.#pass -= count
        at += count
      } else {
        const isMagic = this.#state === 'magic'
        this.#readByte(chunk[at++] as number)
        if (isMagic) begin = at
        if (isMagic && this.#fieldBytes === 0 && !this.#isDropped) yield MAGIC.slice()
      }
      if (!this.isBetweenFrames) continue
      if (at > begin && !this.#isDropped) yield chunk.subarray(begin, at)
      begin = at
    }
    if (at > begin && !this.#isDropped) yield chunk.subarray(begin, at)
  }

  #readByte(byte: number): void {
    this.#field += byte * 2 ** (8 * this.#fieldBytes)
    this.#fieldBytes++
    if (this.#fieldBytes < FIELD_BYTES[this.#state]) return
    const field = this.#field
    this.#field = 0
    this.#fieldBytes = 0
    this.#next(field)
  }

  #next(field: number): void {
    switch (this.#state) {
      case 'magic':
        if (!isZstdMagic(field)) throw corrupt('another frame or the end', 'other data after a frame')
        this.#isDropped = isSkippable(field)
        this.#state = this.#isDropped ? 'skippableSize' : 'descriptor'
        return
      case 'skippableSize':
        this.#pass = field
        this.#state = 'magic'
        return
      case 'descriptor':
        this.#hasChecksum = (field & 0x04) !== 0
        this.#pass = headerBytesAfter(field)
        this.#state = 'block'
        return
      case 'block': {
        const isLast = (field & 1) !== 0
        this.#pass = ((field >> 1) & 3) === BLOCK_RLE ? 1 : field >> 3
        if (!isLast) return
        if (this.#hasChecksum) this.#pass += CHECKSUM_BYTES
        this.#state = 'magic'
      }
    }
  }
}

const FIELD_BYTES: Readonly<Record<State, number>> = {
  magic: MAGIC_BYTES,
  descriptor: 1,
  block: BLOCK_HEADER_BYTES,
  skippableSize: 4,
}

const MAGIC: Uint8Array = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)

/** Window descriptor, dictionary id and content size, as the frame header's descriptor says. */
function headerBytesAfter(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const contentSize = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0)
  return (isSingleSegment ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 3] ?? 0) + contentSize
}

function corrupt(expected: string, got: string): CoppiceError {
  return new CoppiceError('INPUT_SYNTAX', `zstd: expected ${expected}, got ${got}`, {
    details: { compression: 'zstd' },
  })
}
