/**
 * Batches of packs: blocks that stand together, folded as those of an answer are (protocol.md, Packing) and compressed each batch by
 * itself. What comes of one is never more than its table says, and what is unfolded no more than a batch may have. THREATS row 34.
 */
import { CoppiceError } from '../errors.ts'
import { type Packing, PACKING_DEFLATE, PACKING_ZSTD, packings } from '../packings.ts'
import { DecodeFailure } from '../prolly/cbor.ts'
import { foldAnswer } from '../sync/wire/index.ts'
import { unfoldAnswer } from '../sync/wire/unfold.ts'
import { BATCH_DATA_BYTES_MAX } from './limits.ts'
import { malformed } from './pack-format.ts'
import type { PackCoding } from './root-file.ts'

const PACKINGS: Readonly<Record<PackCoding, number>> = { zstd: PACKING_ZSTD, deflate: PACKING_DEFLATE }

/** Of either packing. A pack is written once and read often; 3 makes browser-compat-data 1.16 times as long, 9 0.98 times. */
const PACK_LEVEL = 6

export interface PackedBatch {
  readonly bytes: Uint8Array
  readonly foldedBytes: number
}

/** `blocks` have `dataBytes` together. */
export function packBatch(blocks: readonly Uint8Array[], dataBytes: number, coding: PackCoding): PackedBatch {
  const folded = foldAnswer({ type: 'range', id: 0, blocks }, dataBytes)
  const { pack } = packingOf(coding)
  if (pack === undefined) throw new TypeError(`mirror: expected a runtime that compresses with ${coding}`)
  return { bytes: pack(folded, PACK_LEVEL), foldedBytes: folded.length }
}

/**
 * The blocks of a batch.
 * @throws {CoppiceError} `PEER_PROTOCOL` where they are no compressed bytes, not of `foldedBytes`, or no blocks.
 */
export async function unpackBatch(
  bytes: Uint8Array,
  coding: PackCoding,
  foldedBytes: number,
): Promise<readonly Uint8Array[]> {
  const folded = await unpack(bytes, coding, foldedBytes)
  try {
    const answer = unfoldAnswer(folded, BATCH_DATA_BYTES_MAX)
    if (answer.type === 'range' && answer.id === 0) return answer.blocks
  } catch (error) {
    if (!(error instanceof DecodeFailure)) throw error
    throw malformed(`a batch that does not unfold (${error.message})`)
  }
  throw malformed('a batch of something else than blocks')
}

async function unpack(bytes: Uint8Array, coding: PackCoding, foldedBytes: number): Promise<Uint8Array> {
  try {
    return await packingOf(coding).unpack(bytes, foldedBytes)
  } catch (error) {
    throw malformed(`a batch that does not inflate to ${foldedBytes} bytes (${(error as Error).message})`)
  }
}

/** @throws {CoppiceError} `FORMAT_NEWER` where the runtime does not have it. */
function packingOf(coding: PackCoding): Packing {
  const packing = packings.find(({ id }) => id === PACKINGS[coding])
  if (packing !== undefined) return packing
  throw new CoppiceError('FORMAT_NEWER', `pack: expected a way to read that this runtime has, got ${coding}`)
}
