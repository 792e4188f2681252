/**
 * Where a chunk ends (tree.md, 3): the one rule that writer and verifier share. Weibull's hazard with k = 4, in
 * integers, so that every engine agrees; size-aware, so chunks cluster around 3.7 KB; of the key only, so that a
 * changed value of equal length moves no boundary. The shape of the hazard comes from Dolt's prolly tree chunker.
 */
import { type Format } from './format.ts'
import { xxh32 } from './xxh32.ts'

/**
 * Whether the chunk ends after the entry whose key is `bytes[keyStart, keyEnd)`.
 * @param n entries in the chunk, this one counted
 * @param x their encoded bytes, this one counted
 * @param e encoded bytes of this entry alone
 */
export function isBoundary(
  format: Format,
  level: number,
  n: number,
  x: number,
  e: number,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
): boolean {
  if (level > 0 && n < 2) return false
  if (x >= format.chunkBytesMax) return true
  if (x < format.chunkBytesMin) return false
  // h * 2^max(0, 4t - 34) < x^3 e * 2^max(0, 34 - 4t); the left side stays below 2^46 for t = 12 and x^3 is exact.
  const shift = 4 * format.targetBits - 34
  const h = xxh32(bytes, keyStart, keyEnd, level)
  return shift >= 0 ? h * 2 ** shift < x * x * x * e : h < x * x * x * e * 2 ** -shift
}
