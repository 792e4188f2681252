/**
 * Memory for the blocks of an answer. A buffer for each block costs more than to copy it, and views of a frame would keep 1 MiB alive for each
 * node that waits for its children; so blocks are cut from buffers between the two.
 */

/** What one block may keep alive at most, unless it is larger. */
export const SLAB_BYTES_MAX: number = 64 * 1024
const SLAB_BYTES_MIN: number = 4 * 1024

export class Slabs {
  #slab: Uint8Array = new Uint8Array(0)
  #at = 0
  /** Grows, so that small answers have small ones. */
  #nextBytes = SLAB_BYTES_MIN

  /** Zeroed bytes of that length. */
  take(length: number): Uint8Array {
    if (length > SLAB_BYTES_MAX / 2) return new Uint8Array(length)
    if (this.#at + length > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(this.#nextBytes, length))
      this.#at = 0
      this.#nextBytes = Math.min(2 * this.#nextBytes, SLAB_BYTES_MAX)
    }
    this.#at += length
    return this.#slab.subarray(this.#at - length, this.#at)
  }

  copy(bytes: Uint8Array): Uint8Array {
    const own = this.take(bytes.length)
    own.set(bytes)
    return own
  }
}
