/**
 * Packed answers (protocol.md, 15): folded, then packed as the hello allows. Whoever unpacks knows before how much may come of it: no more
 * than the questions that are open allow.
 */
import { CoppiceError } from '../../errors.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import type { Packing } from '../../packings.ts'
import { DecodeFailure } from '../../prolly/cbor.ts'
import { FOLDED_EXTRA_BYTES_MAX } from '../limits.ts'
import { encodePacked } from './encode.ts'
import { type DataAnswer, foldAnswer } from './fold.ts'
import type { Answer, Packed } from './message.ts'
import { unfoldAnswer } from './unfold.ts'

/** The frame of the answer, packed; undefined where packing does not make it shorter than `bytesMax`. */
export function packAnswer(
  answer: DataAnswer,
  pack: NonNullable<Packing['pack']>,
  limits: { readonly packing: number; readonly dataBytes: number; readonly bytesMax: number },
): Uint8Array | undefined {
  const folded = foldAnswer(answer, limits.dataBytes)
  if (folded.length > limits.dataBytes + FOLDED_EXTRA_BYTES_MAX) return undefined
  const bytes = pack(folded)
  if (bytes.length >= Math.min(folded.length, limits.bytesMax)) return undefined
  return encodePacked({ packing: limits.packing, foldedBytes: folded.length, bytes })
}

/**
 * @param dataBytesMax of blocks, or of keys and values, that the answer may have.
 * @throws {CoppiceError} `PEER_PROTOCOL`, or rejects with it, for what was not offered, is more than allowed, or does not unpack.
 */
export function unpackAnswer(
  { packing: id, foldedBytes, bytes }: Packed,
  packings: readonly Packing[],
  dataBytesMax: number,
): MaybePromise<Answer> {
  const packing = packings.find((each) => each.id === id)
  if (packing === undefined) throw refused(`expected a packing that was offered, got ${id}`)
  const foldedMax = dataBytesMax + FOLDED_EXTRA_BYTES_MAX
  if (foldedBytes > foldedMax) throw refused(`expected at most ${foldedMax} bytes to come of it, got ${foldedBytes}`)
  const unfold = (folded: Uint8Array): Answer => {
    try {
      return unfoldAnswer(folded, dataBytesMax)
    } catch (error) {
      throw error instanceof DecodeFailure ? refused(error.message) : error
    }
  }
  const onFailure = (error: unknown): never => {
    throw refused(`${packing.name}: ${error instanceof Error ? error.message : String(error)}`)
  }
  let folded: MaybePromise<Uint8Array>
  try {
    folded = packing.unpack(bytes, foldedBytes)
  } catch (error) {
    return onFailure(error)
  }
  return folded instanceof Promise ? folded.then(unfold, onFailure) : unfold(folded)
}

function refused(reason: string): CoppiceError {
  return new CoppiceError('PEER_PROTOCOL', `packed answer: ${reason}`)
}
