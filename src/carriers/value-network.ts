/**
 * Networks that keep values under keys, as DHTs do, and what the values of one kind are held to (record.md, 7). Anybody may put and
 * anybody may answer: what a member says is bytes, and who stores a value judges it by these rules before it stores it.
 */

/** What happens while members are asked, each as it comes. A member is named once by each. */
export type ValueEvent =
  | { readonly kind: 'asked'; readonly member: string }
  /** It has nothing, or nothing of valid form. */
  | { readonly kind: 'nothing'; readonly member: string }
  | { readonly kind: 'value'; readonly member: string; readonly value: Uint8Array }
  | { readonly kind: 'stored'; readonly member: string }
  | { readonly kind: 'refused'; readonly member: string; readonly reason: string }

export interface ValueNetwork {
  /** Asks the members nearest to the key. Ends when all have answered or failed. @throws the signal's reason. */
  get(key: Uint8Array, signal: AbortSignal): AsyncIterable<ValueEvent>
  /** Hands the value to the members nearest to the key. @throws the signal's reason. */
  put(key: Uint8Array, value: Uint8Array, signal: AbortSignal): AsyncIterable<ValueEvent>
}

/** What a value says of itself, before its signatures are looked at. */
export interface ValueClaim<Floor> {
  readonly floor: Floor
  /** Milliseconds since 1970, from which on nobody should keep it; null for none. */
  readonly expiresAt: number | null
  /** How many signatures that looks at, at most. */
  readonly signatures: number
  /** Whether somebody entitled signed it: the expensive part. */
  verify(): boolean
}

/**
 * The rules for values whose keys begin with `/<namespace>/`. A floor is what is remembered of a value, small, so that an older one
 * never takes its place, though it is as validly signed (THREATS row 2).
 */
export interface ValueRules<Floor = unknown> {
  readonly namespace: string
  /** Larger ones are not looked into. */
  readonly bytesMax: number
  /** Undefined for what has not the form, or is not for this key. Total; copies. */
  read(key: Uint8Array, value: Uint8Array): ValueClaim<Floor> | undefined
  /** Whether a verified value takes the place of the one that is held. */
  replaces(held: Floor, next: Floor): boolean
}
