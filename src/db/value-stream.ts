/** Values of any length, in and out, without holding them in memory. */
import { isValueRef, type Source, type StreamOptions, type Tree, type Value } from '../prolly/index.ts'

/** The bytes of a value: in one piece, or in pieces that are read as they are needed. */
export type ValueSource = Uint8Array | Source<Uint8Array>

/** A value, or a range of it, in pieces of at most 1 MiB. Each iteration reads it anew, of the same state. */
export interface ValueStream extends AsyncIterable<Uint8Array> {
  /** Bytes of the whole value, whatever the range. */
  readonly size: number
}

export function streamOf(tree: Tree, value: Value, options: StreamOptions): ValueStream {
  return { size: sizeOf(value), [Symbol.asyncIterator]: () => tree.streamValue(value, options) }
}

/** The length of a value in bytes, wherever it stands. */
export function sizeOf(value: Value): number {
  return isValueRef(value) ? value.size : value.length
}
