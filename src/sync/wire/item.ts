/** What messages are made of, as bytes: DAG-CBOR of arrays, byte strings, ASCII text, unsigned integers and null (protocol.md, 8). */
import { headLength, MAJOR_ARRAY, MAJOR_BYTES, MAJOR_UINT, writeHead } from '../../prolly/cbor.ts'

export type Item = number | string | null | Uint8Array | readonly Item[]

export const MAJOR_TEXT = 3
export const NULL = 0xf6

/** @throws {RangeError} for a number that is no safe unsigned integer, or text beyond ASCII: a bug of the caller. */
export function encodeItem(item: Item): Uint8Array {
  const out = new Uint8Array(itemLength(item))
  writeItem(out, 0, item)
  return out
}

function itemLength(item: Item): number {
  if (item === null) return 1
  if (typeof item === 'number') {
    if (!Number.isSafeInteger(item) || item < 0) throw new RangeError(`message: number ${item}`)
    return headLength(item)
  }
  if (typeof item === 'string' || item instanceof Uint8Array) return headLength(item.length) + item.length
  let length = headLength(item.length)
  for (const part of item) length += itemLength(part)
  return length
}

function writeItem(out: Uint8Array, start: number, item: Item): number {
  if (item === null) {
    out[start] = NULL
    return start + 1
  }
  if (typeof item === 'number') return writeHead(out, start, MAJOR_UINT, item)
  if (typeof item === 'string') {
    let at = writeHead(out, start, MAJOR_TEXT, item.length)
    for (let i = 0; i < item.length; i++) {
      const unit = item.charCodeAt(i)
      if (unit > 0x7f) throw new RangeError('message: expected ASCII text')
      out[at++] = unit
    }
    return at
  }
  if (item instanceof Uint8Array) {
    const at = writeHead(out, start, MAJOR_BYTES, item.length)
    out.set(item, at)
    return at + item.length
  }
  let at = writeHead(out, start, MAJOR_ARRAY, item.length)
  for (const part of item) at = writeItem(out, at, part)
  return at
}
