/** gzip and zstd around any format, as streams. Detected by their magic bytes, which no text can begin with. */
import { pipeline, Readable, type Transform } from 'node:stream'
import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { concatBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import type { ByteSource } from './place.ts'
import { cutAtFrames, isZstdMagic } from './zstd-frames.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

const GZIP_MAGIC: readonly number[] = [0x1f, 0x8b]
const MAGIC_BYTES_MAX = 4
const OUTPUT_CHUNK_BYTES = 64 * 1024
/** 128 MiB: as much as the zstd tool accepts without being told. */
const ZSTD_WINDOW_LOG_MAX = 27

/** What `head`, the first bytes of an input, begins with; four bytes decide. */
export function detectCompression(head: Uint8Array): Compression {
  if (GZIP_MAGIC.every((byte, i) => head[i] === byte)) return 'gzip'
  const [a = 0, b = 0, c = 0, d = 0] = head
  if (isZstdMagic((a | (b << 8) | (c << 16) | (d << 24)) >>> 0)) return 'zstd'
  return 'none'
}

/**
 * `source` as plain bytes. Memory is bounded whatever the ratio: a few output chunks of 64 KiB, and for zstd a window
 * of at most 128 MiB.
 * @param expected from the input's name, if it has one: then input that is not so compressed is an error.
 * @throws {CoppiceError} `INPUT_SYNTAX` for corrupt or truncated data.
 */
export async function* decompress(source: ByteSource, expected: Compression = 'none'): AsyncGenerator<Uint8Array> {
  const [head, whole] = await peek(source)
  const found = detectCompression(head)
  if (found === 'none') {
    if (expected !== 'none') throw corrupt(expected, 'its magic bytes', 'other data')
    yield* whole
    return
  }
  try {
    yield* found === 'gzip'
      ? through(whole, createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES }))
      : through(cutAtFrames(whole), zstdDecoder())
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown }
    if (typeof code !== 'string' || !/^(Z_|ZSTD_|ERR_ZLIB)/.test(code)) throw error
    throw corrupt(found, 'intact data to its end', String(message), error)
  }
}

function zstdDecoder(): Transform {
  return createZstdDecompress({
    chunkSize: OUTPUT_CHUNK_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
  })
}

function corrupt(compression: Compression, expected: string, got: string, cause?: unknown): CoppiceError {
  return new CoppiceError('INPUT_SYNTAX', `${compression}: expected ${expected}, got ${got}`, {
    cause,
    details: { compression },
  })
}

/** `plain`, compressed. */
export function compress(plain: ByteSource, compression: Compression): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'none':
      return (async function* () {
        yield* plain
      })()
    case 'gzip':
      return through(plain, createGzip())
    case 'zstd':
      return through(plain, createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } }))
  }
}

/** Errors on either side end both; so does a consumer that stops early. */
async function* through(source: ByteSource, transform: Transform): AsyncGenerator<Uint8Array> {
  pipeline(Readable.from(source), transform, () => {})
  yield* transform as AsyncIterable<Uint8Array>
}

/** The first bytes of `source` (fewer only where it ends), and all of it from the start. */
export async function peek(
  source: ByteSource,
  bytes: number = MAGIC_BYTES_MAX,
): Promise<[Uint8Array, AsyncGenerator<Uint8Array>]> {
  const iterator = chunksOf(source)
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < bytes) {
    const { value, done } = await iterator.next()
    if (done === true) break
    head = concatBytes(head, value)
  }
  return [head, prepended(head, iterator)]
}

async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array, undefined> {
  yield* source
}

async function* prepended(head: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}
