/** Key ranges, half-open: `start` is in, `end` is out, undefined is unbounded. Bounds need not be keys of the tree. */
export interface KeyRange {
  readonly start?: Uint8Array | undefined
  readonly end?: Uint8Array | undefined
}
