/** UTF-8 checked on the way to a parser that would replace what is broken. */
import { isUtf8 } from 'node:buffer'
import { concatBytes } from '../bytes.ts'
import { notUtf8 } from './lines.ts'
import { PlaceCursor } from './place-cursor.ts'
import type { ByteSource, ReadOptions } from './place.ts'

const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf]

/**
 * The chunks of `source` without a byte order mark at the start, cut between characters.
 * @throws {CoppiceError} `INPUT_SYNTAX` with line and column of the first byte that is not UTF-8.
 */
export async function* checkUtf8(source: ByteSource, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
  const cursor = new PlaceCursor()
  let offset = 0
  let cut: Uint8Array = new Uint8Array(0)
  const check = (bytes: Uint8Array): Uint8Array => {
    cursor.push(bytes)
    if (!isUtf8(bytes)) throw notUtf8(cursor.advance(offset), bytes)
    offset += bytes.length
    cursor.advance(offset)
    return bytes
  }
  let first = true
  for await (const chunk of source) {
    options.signal?.throwIfAborted()
    let bytes = concatBytes(cut, chunk)
    if (first) {
      if (bytes.length < BYTE_ORDER_MARK.length) {
        cut = bytes
        continue
      }
      if (BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte)) bytes = bytes.subarray(BYTE_ORDER_MARK.length)
      first = false
    }
    const whole = wholeCharacters(bytes)
    cut = bytes.subarray(whole)
    if (whole > 0) yield check(bytes.subarray(0, whole))
  }
  if (cut.length > 0) yield check(cut)
}

/** The length of `bytes` without a last character that may go on in the next chunk. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number
    if (byte < 0x80) return bytes.length
    if (byte < 0xc0) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return needed > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
