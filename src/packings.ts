/**
 * How bytes are made shorter on their way: zstd where the runtime has it (Node), deflate where browsers must read. Whoever
 * unpacks has an exact length in mind and trusts the packed bytes for nothing: no more than that is ever made, and no
 * dictionary, window or second frame is taken from them (protocol.md, 15).
 */
import type { MaybePromise } from './maybe-promise.ts'

/** A way to pack bytes, named by the number that peers know it by. */
export interface Packing {
  /** 1..255, ascending by preference of whoever packs. */
  readonly id: number
  readonly name: string
  /**
   * Absent where this runtime can only unpack. Gives bytes of any length, also longer ones. `level`: how much work is put into it;
   * what is good for bytes that are packed each time they are sent, where it is absent.
   */
  readonly pack?: (bytes: Uint8Array, level?: number) => Uint8Array
  /** The bytes of exactly that length which `packed` stands for. @throws {Error} where it stands for none, or for others. */
  readonly unpack: (packed: Uint8Array, length: number) => MaybePromise<Uint8Array>
}

export const PACKING_ZSTD = 1
export const PACKING_DEFLATE = 2

/** By measurement (ARCHITECTURE.md, decisions): 6 would take 4 times as long for 19 % less, which pays below 50 Mbit/s. */
const ZSTD_LEVEL = 3
/** 6, the default, would take 3 times as long for 9 % less. */
const DEFLATE_LEVEL = 1

type Zlib = typeof import('node:zlib')

function choosePackings(): readonly Packing[] {
  const runtime = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process
  const zlib = runtime?.getBuiltinModule?.('node:zlib') as Zlib | undefined
  if (zlib !== undefined) return [zstdOf(zlib), deflateOf(zlib)]
  return typeof DecompressionStream === 'function' ? [streamedDeflate] : []
}

function zstdOf(zlib: Zlib): Packing {
  const { ZSTD_c_compressionLevel, ZSTD_d_windowLogMax } = zlib.constants
  return {
    id: PACKING_ZSTD,
    name: 'zstd',
    pack(bytes, level = ZSTD_LEVEL) {
      const packed = zlib.zstdCompressSync(bytes, { params: { [ZSTD_c_compressionLevel]: level } })
      // Where the output exactly fills its chunks, node:zlib adds an empty frame.
      return packed.subarray(0, zstdFrameEnd(packed))
    },
    unpack(packed, length) {
      assertOneZstdFrame(packed, length)
      const windowLog = Math.max(WINDOW_LOG_MIN, Math.ceil(Math.log2(length)))
      const options = {
        maxOutputLength: length,
        chunkSize: chunkSize(length),
        params: { [ZSTD_d_windowLogMax]: windowLog },
      }
      return exactly(zlib.zstdDecompressSync(packed, options), length)
    },
  }
}

function deflateOf(zlib: Zlib): Packing {
  return {
    id: PACKING_DEFLATE,
    name: 'deflate',
    pack: (bytes, level = DEFLATE_LEVEL) => zlib.deflateRawSync(bytes, { level }),
    unpack(packed, length) {
      const options = { maxOutputLength: length, chunkSize: chunkSize(length), info: true }
      const { buffer, engine } = zlib.inflateRawSync(packed, options) as unknown as {
        readonly buffer: Uint8Array
        readonly engine: { readonly bytesWritten: number }
      }
      if (engine.bytesWritten !== packed.length) throw new Error('expected nothing behind the end')
      return exactly(buffer, length)
    },
  }
}

/** Of browsers, which have no other that is stopped at a length. That nothing stands behind the end is theirs to check, as the standard says. */
const streamedDeflate: Packing = {
  id: PACKING_DEFLATE,
  name: 'deflate',
  async unpack(packed, length) {
    const out = new Uint8Array(length)
    let at = 0
    const source = new Blob([packed]).stream()
    const plain: ReadableStream<Uint8Array> = source.pipeThrough(new DecompressionStream('deflate-raw'))
    const reader = plain.getReader()
    try {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return exactly(out.subarray(0, at), length)
        if (value.length > length - at) throw new Error(`expected ${length} bytes, got more`)
        out.set(value, at)
        at += value.length
      }
    } finally {
      await reader.cancel().catch(() => {})
    }
  },
}

/** Of the runtime this is, in the order in which whoever packs prefers them. */
export const packings: readonly Packing[] = choosePackings()

/** node:zlib joins its chunks by a copy: one chunk needs none. */
function chunkSize(length: number): number {
  return Math.max(ZLIB_CHUNK_BYTES_MIN, length)
}

const ZLIB_CHUNK_BYTES_MIN = 64
/** The smallest that libzstd accepts as a limit. */
const WINDOW_LOG_MIN = 10

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes
  throw new Error(`expected ${length} bytes, got ${bytes.length}`)
}

const ZSTD_MAGIC = 0xfd2fb528
const DESCRIPTOR_AT = 4
const SIZE_AT = 5
const BLOCK_HEAD_BYTES = 3
const BLOCK_RLE = 1

/**
 * That the bytes are one frame of zstd and nothing else, whose head names `length` as its content, which then is the window
 * as well; no dictionary, no checksum (RFC 8878, 3.1.1). The decoder of node:zlib looks at none of this: it would take what
 * follows for another frame, or pass over it.
 */
function assertOneZstdFrame(frame: Uint8Array, length: number): void {
  const view = viewOf(frame)
  if (frame.length < SIZE_AT + 1 || view.getUint32(0, true) !== ZSTD_MAGIC) throw new Error('expected a frame of zstd')
  const descriptor = view.getUint8(DESCRIPTOR_AT)
  // Single segment, the length of the size, and zeros.
  if ((descriptor & 0x3f) !== 0x20) throw new Error('expected a frame of one segment without dictionary and checksum')
  const sizeBytes = sizeBytesOf(descriptor)
  if (SIZE_AT + sizeBytes > frame.length || sizeBytes === 8) throw new Error('expected the length of the content')
  const size =
    sizeBytes === 1
      ? view.getUint8(SIZE_AT)
      : sizeBytes === 2
        ? view.getUint16(SIZE_AT, true) + 256
        : view.getUint32(SIZE_AT, true)
  if (size !== length) throw new Error(`expected content of ${length} bytes, got ${size}`)
  if (zstdFrameEnd(frame) !== frame.length) throw new Error('expected the end of the frame at the end of the bytes')
}

/** Where the first frame ends, whose head is of the kind above. @throws {Error} where it does not end. */
function zstdFrameEnd(frame: Uint8Array): number {
  const view = viewOf(frame)
  let at = SIZE_AT + sizeBytesOf(view.getUint8(DESCRIPTOR_AT))
  for (;;) {
    if (at + BLOCK_HEAD_BYTES > frame.length) throw new Error('expected another block')
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    at += BLOCK_HEAD_BYTES + (((head >> 1) & 3) === BLOCK_RLE ? 1 : head >> 3)
    if ((head & 1) === 1) return at
  }
}

/** How long the content's length is. */
function sizeBytesOf(descriptor: number): number {
  return 1 << (descriptor >> 6)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
