/** Where a root stands among the roots of its database: by epoch, then by sequence (record.md, 1 and 5). */

export const EPOCH_MAX = 4095
/** No gaps, from 1, across epochs. */
export const SEQUENCE_MAX: number = 2 ** 40 - 1
/** Seconds since 1970. */
export const SECONDS_MAX: number = Number.MAX_SAFE_INTEGER

export interface Position {
  readonly epoch: number
  readonly sequence: number
}

/** Negative, 0 or positive as `a` stands below, beside or above `b`. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.sequence - b.sequence
}

const CARRIER_EPOCH = 2n ** 40n

/** The one number of carriers that have only one: epoch * 2^40 + sequence, below 2^52. */
export function carrierSequence(position: Position): bigint {
  return BigInt(position.epoch) * CARRIER_EPOCH + BigInt(position.sequence)
}

/** The inverse of {@link carrierSequence}; undefined where no root has that number. */
export function parseCarrierSequence(value: bigint): Position | undefined {
  const epoch = value / CARRIER_EPOCH
  const sequence = value % CARRIER_EPOCH
  if (value < 0n || epoch > BigInt(EPOCH_MAX) || sequence === 0n) return undefined
  return { epoch: Number(epoch), sequence: Number(sequence) }
}
