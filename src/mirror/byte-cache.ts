/** Values by key, of so many bytes at most: what was used least recently goes first. */
export class ByteCache<K, V> {
  readonly #bytesMax: number
  readonly #onEvict: ((key: K) => void) | undefined
  /** The one used last stands last. */
  readonly #entries = new Map<K, { readonly value: V; readonly bytes: number }>()
  #bytes = 0

  constructor(bytesMax: number, onEvict?: (key: K) => void) {
    this.#bytesMax = bytesMax
    this.#onEvict = onEvict
  }

  get bytes(): number {
    return this.#bytes
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** What is put is kept, even where it alone is too much: whoever puts it is about to use it. */
  set(key: K, value: V, bytes: number): void {
    this.delete(key)
    this.#entries.set(key, { value, bytes })
    this.#bytes += bytes
    for (const old of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax || old === key) return
      this.delete(old)
      this.#onEvict?.(old)
    }
  }

  delete(key: K): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
