/**
 * XXH32 over a range of bytes, without allocation (the xxHash specification, "XXH32 algorithm description").
 * Chosen for boundaries because it needs 32-bit integers only, so every engine computes it alike and fast.
 */
const PRIME_1 = 0x9e3779b1 | 0
const PRIME_2 = 0x85ebca77 | 0
const PRIME_3 = 0xc2b2ae3d | 0
const PRIME_4 = 0x27d4eb2f | 0
const PRIME_5 = 0x165667b1 | 0

const { imul } = Math

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}

/** Four bytes little-endian; the caller has checked that `at + 4` is within `bytes`. */
function lane(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

function round(accumulator: number, input: number): number {
  return imul(rotateLeft((accumulator + imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

/** The hash of `bytes[start, end)`, as an unsigned 32-bit integer. */
export function xxh32(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const length = end - start
  let at = start
  let hash: number
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0
    let b = (seed + PRIME_2) | 0
    let c = seed | 0
    let d = (seed - PRIME_1) | 0
    for (; at + 16 <= end; at += 16) {
      a = round(a, lane(bytes, at))
      b = round(b, lane(bytes, at + 4))
      c = round(c, lane(bytes, at + 8))
      d = round(d, lane(bytes, at + 12))
    }
    hash = (rotateLeft(a, 1) + rotateLeft(b, 7) + rotateLeft(c, 12) + rotateLeft(d, 18)) | 0
  } else {
    hash = (seed + PRIME_5) | 0
  }
  hash = (hash + length) | 0
  for (; at + 4 <= end; at += 4) hash = imul(rotateLeft((hash + imul(lane(bytes, at), PRIME_3)) | 0, 17), PRIME_4)
  for (; at < end; at++) hash = imul(rotateLeft((hash + imul(bytes[at] as number, PRIME_5)) | 0, 11), PRIME_1)
  hash = imul(hash ^ (hash >>> 15), PRIME_2)
  hash = imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}
