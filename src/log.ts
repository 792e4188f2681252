/** A log for those who look for a fault, handed in like the clock: what writes it is the network's or the caller's choice. */
export interface Log {
  /** Formats like `console.log`: %s, %d, %o. What peers sent is escaped by whoever writes it. */
  (message: string, ...values: readonly unknown[]): void
  error(message: string, ...values: readonly unknown[]): void
  /** Whether anybody sees it, for values that cost something to compute. */
  readonly enabled: boolean
}
