/** Byte strings: order, equality, joining, hexadecimal. Keys are ordered as unsigned bytes, a prefix first (tree.md, 1). */

/** Node's own ways of doing what is written out below, several times as fast; absent elsewhere. */
interface NodeBuffer {
  readonly compare?: (
    this: Uint8Array,
    b: Uint8Array,
    bStart: number,
    bEnd: number,
    start: number,
    end: number,
  ) => number
  readonly latin1Slice?: (this: Uint8Array, start: number, end: number) => string
}

const buffer = (globalThis as { Buffer?: { readonly prototype: NodeBuffer } }).Buffer?.prototype

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

/** Negative, 0 or positive as `a` sorts before, equals or sorts after `b`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/** Ranges as short as this are compared sooner here than by a call into Node. */
const SHORT_BYTES = 200

/** Whether the `length` bytes of `a` from `aStart` on are those of `b` from `bStart` on. */
export function equalRanges(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  if (length > SHORT_BYTES && buffer?.compare !== undefined) {
    return buffer.compare.call(a, b, bStart, bStart + length, aStart, aStart + length) === 0
  }
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** A copy that owns its memory, so that a small view does not keep a large buffer alive. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** A string usable as a Map key, one UTF-16 unit per byte, so it sorts as the bytes do. At most 8 KiB. */
export function bytesToMapKey(bytes: Uint8Array): string {
  return buffer?.latin1Slice === undefined
    ? String.fromCharCode.apply(null, bytes as unknown as number[])
    : buffer.latin1Slice.call(bytes, 0, bytes.length)
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function bytesToHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

/** The bytes of an even run of hexadecimal digits, or undefined where `text` is anything else. */
export function hexToBytes(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return out
}
