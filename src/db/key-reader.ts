/** Reading rows by byte key, one level below documents: what snapshots, transactions and replicas have in common. */
import type { MaybePromise } from '../maybe-promise.ts'
import type { KeyRange, ScanOptions } from '../prolly/index.ts'

/** A row with its value at hand, wherever that stood. Views of blocks: valid for ever, copied if kept for long. */
export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface KeyReader {
  /** The value, undefined where the key is absent. */
  get(key: Uint8Array): MaybePromise<Uint8Array | undefined>
  /** The rows of a range in key order (or the reverse): one state to its end, whatever is written meanwhile. */
  scan(options?: ScanOptions): AsyncIterable<Row>
  count(range?: KeyRange): Promise<number>
}
