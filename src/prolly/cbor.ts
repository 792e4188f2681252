/**
 * The heads of DAG-CBOR items (RFC 8949, 3; DAG-CBOR strictness): only the shortest form exists, so reading accepts
 * nothing else and what was read re-encodes to the same bytes by construction.
 */

export const MAJOR_UINT = 0
export const MAJOR_BYTES = 2
export const MAJOR_ARRAY = 4

/** Tag 42, a byte string of 37 bytes, the multibase identity prefix: what stands before the 36 bytes of a link. */
export const LINK_HEAD: Uint8Array = Uint8Array.of(0xd8, 0x2a, 0x58, 0x25, 0x00)
export const LINK_ENCODED_BYTES = 41

/** Whether {@link LINK_HEAD} stands there. Spelled out: a loop over five bytes takes longer than all else about a link. */
export function hasLinkHead(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 0xd8 &&
    bytes[at + 1] === 0x2a &&
    bytes[at + 2] === 0x58 &&
    bytes[at + 3] === 0x25 &&
    bytes[at + 4] === 0x00
  )
}

/** Bytes of the head of an item of length or value `n`, 0 <= n <= 2^53-1. */
export function headLength(n: number): number {
  if (n < 24) return 1
  if (n < 0x100) return 2
  if (n < 0x10000) return 3
  return n < 0x100000000 ? 5 : 9
}

/** Writes a head at `at` and gives the offset behind it. The caller has made room for {@link headLength} bytes. */
export function writeHead(out: Uint8Array, at: number, major: number, n: number): number {
  const type = major << 5
  if (n < 24) {
    out[at] = type | n
    return at + 1
  }
  const length = headLength(n) - 1
  out[at] = type | (length === 1 ? 24 : length === 2 ? 25 : length === 4 ? 26 : 27)
  let rest = n
  for (let i = at + length; i > at; i--) {
    out[i] = rest % 0x100
    rest = Math.floor(rest / 0x100)
  }
  return at + length + 1
}

/** Why bytes are not the one encoding they should be. Turned into a coded error by whoever knows which block it is. */
export class DecodeFailure extends Error {
  override readonly name = 'DecodeFailure'
}

/** Reads heads forward through a block; every read is checked against its end. */
export class HeadReader {
  readonly bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  fail(expected: string): never {
    const got = this.at < this.bytes.length ? `byte 0x${(this.bytes[this.at] as number).toString(16)}` : 'the end'
    throw new DecodeFailure(`expected ${expected}, got ${got} at offset ${this.at}`)
  }

  /** The length or value of an item of that major type, in its shortest form and at most 2^53-1. */
  head(major: number, expected: string): number {
    const { bytes } = this
    const first = bytes[this.at]
    if (first === undefined || first >> 5 !== major) this.fail(expected)
    const info = first & 0x1f
    if (info < 24) {
      this.at++
      return info
    }
    if (info > 27) this.fail(expected)
    const length = 1 << (info - 24)
    if (this.at + 1 + length > bytes.length) this.fail(`${expected}, whole`)
    let n = 0
    for (let i = 1; i <= length; i++) n = n * 0x100 + (bytes[this.at + i] as number)
    if (n > Number.MAX_SAFE_INTEGER) this.fail(`${expected} of at most 2^53-1`)
    if (headLength(n) !== length + 1) this.fail(`${expected} in its shortest form`)
    this.at += 1 + length
    return n
  }

  /** Moves over a byte string that must be there as a whole, and gives its length. */
  skipByteString(expected: string): number {
    const { bytes, at } = this
    const first = bytes[at] as number
    // One-byte heads, and two-byte heads in their shortest form, by far the most.
    const second = bytes[at + 1] as number
    const isShort = first >> 5 === MAJOR_BYTES && first < 0x58
    if (isShort || (first === 0x58 && second >= 24)) {
      const length = isShort ? first & 0x1f : second
      const end = at + (isShort ? 1 : 2) + length
      if (end <= bytes.length) {
        this.at = end
        return length
      }
    }
    const length = this.head(MAJOR_BYTES, expected)
    this.skip(length, expected)
    return length
  }

  /** Moves over `length` bytes that must be there. */
  skip(length: number, expected: string): void {
    if (this.at + length > this.bytes.length) this.fail(`${expected}, whole`)
    this.at += length
  }
}
