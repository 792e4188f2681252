/** Bytes that were good, cut, lengthened, shortened or changed in a few places: what decoders are tried with. */
import { concatBytes } from '../../src/bytes.ts'
import type { Random } from './random.ts'

/** A changed copy of `bytes`, which has at least one. */
export function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes)
  const at = random.below(out.length)
  switch (random.below(4)) {
    case 0:
      return out.subarray(0, at)
    case 1:
      return concatBytes(out.subarray(0, at), random.bytes(random.between(1, 9)), out.subarray(at))
    case 2:
      return concatBytes(out.subarray(0, at), out.subarray(at + random.between(1, 9)))
    default:
      for (let i = random.below(4); i >= 0; i--) out[random.below(out.length)] = random.below(256)
      return out
  }
}
