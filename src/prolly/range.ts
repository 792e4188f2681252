/** Key ranges, half-open: `start` is in, `end` is out, undefined is unbounded. Bounds need not be keys of the tree. */
export interface KeyRange {
  readonly start?: Uint8Array | undefined
  readonly end?: Uint8Array | undefined
}

/** The smallest key above `key`, for bounds that are the other way round. It may be longer than any key of a tree. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
