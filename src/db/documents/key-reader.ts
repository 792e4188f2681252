/** Reading rows by byte key, one level below documents: what snapshots, transactions and replicas have in common. */
import type { MaybePromise } from '../../maybe-promise.ts'
import type { Entry, KeyRange, ScanOptions, StreamOptions, Value } from '../../prolly/index.ts'
import type { ValueStream } from '../value-stream.ts'

/** A row with its value at hand, wherever that stood. Views of blocks: valid for ever, copied if kept for long. */
export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface KeyReader {
  /** The value, undefined where the key is absent. @throws {CoppiceError} `VALUE_TOO_LARGE` beyond 64 MiB: {@link stream} it. */
  get(key: Uint8Array): MaybePromise<Uint8Array | undefined>
  /**
   * The value, or a range of its bytes, as a stream; undefined where the key is absent.
   * @throws {RangeError} while it is read, where a bound is no integer of 0 or more.
   */
  stream(key: Uint8Array, options?: StreamOptions): Promise<ValueStream | undefined>
  /**
   * The rows of a range in key order (or the reverse): one state to its end, whatever is written meanwhile. One value is in
   * memory at a time.
   * @throws {CoppiceError} `VALUE_TOO_LARGE` for a value beyond 64 MiB.
   */
  scan(options?: ScanOptions): AsyncIterable<Row>
  count(range?: KeyRange): Promise<number>
}

/** Reading rows without loading what stands out of line: for whoever compares, copies or counts. */
export interface EntryReader extends KeyReader {
  /** As {@link KeyReader.get}: the bytes of an inline value, or where the value stands. */
  getValue(key: Uint8Array): MaybePromise<Value | undefined>
  /** As {@link KeyReader.scan}. */
  entries(options?: ScanOptions): AsyncIterable<Entry>
}
