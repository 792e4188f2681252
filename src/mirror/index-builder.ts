/** The index of a pack that is being written: which digests it has, and where. 28 bytes of memory for each block. */
import { PREFIX_BYTES } from './limits.ts'
import { bucketCountOf, bucketOf, encodeBuckets, INDEX_ENTRY_BYTES, type PackPlace, packPlace } from './pack-format.ts'

const CAPACITY_MIN = 1024
/** Slots for each entry there is room for. */
const SLOTS_PER_ENTRY = 2

export class IndexBuilder {
  #count = 0
  #entries: Uint8Array = new Uint8Array(CAPACITY_MIN * INDEX_ENTRY_BYTES)
  /** Numbers of entries plus 1, by their digest; open addressing. */
  #slots: Uint32Array = new Uint32Array(CAPACITY_MIN * SLOTS_PER_ENTRY)

  get count(): number {
    return this.#count
  }

  has(digest: Uint8Array): boolean {
    return this.#slots[this.#slotOf(digest)] !== 0
  }

  /** `digest`, or its first PREFIX_BYTES, is not there yet. Gives the number by which its place is set. */
  add(digest: Uint8Array): number {
    if (this.#count * INDEX_ENTRY_BYTES === this.#entries.length) this.#grow()
    this.#entries.set(digest.subarray(0, PREFIX_BYTES), this.#count * INDEX_ENTRY_BYTES)
    this.#slots[this.#slotOf(digest)] = this.#count + 1
    return this.#count++
  }

  setPlace(entry: number, place: PackPlace): void {
    new DataView(this.#entries.buffer).setUint32(entry * INDEX_ENTRY_BYTES + PREFIX_BYTES, packPlace(place))
  }

  /** The index in order, and where its buckets end. */
  encode(): { readonly index: Uint8Array; readonly buckets: Uint8Array } {
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i)
    const view = new DataView(this.#entries.buffer)
    order.sort((a, b) => compareEntries(view, a * INDEX_ENTRY_BYTES, b * INDEX_ENTRY_BYTES))
    const index = new Uint8Array(this.#count * INDEX_ENTRY_BYTES)
    const bucketCount = bucketCountOf(this.#count)
    const ends = new Uint32Array(bucketCount)
    for (const [i, entry] of order.entries()) {
      const bytes = this.#entries.subarray(entry * INDEX_ENTRY_BYTES, (entry + 1) * INDEX_ENTRY_BYTES)
      index.set(bytes, i * INDEX_ENTRY_BYTES)
      ends[bucketOf(bytes, bucketCount)] = i + 1
    }
    for (let i = 1; i < bucketCount; i++) ends[i] = Math.max(ends[i] as number, ends[i - 1] as number)
    return { index, buckets: encodeBuckets(ends) }
  }

  /** The slot of the digest, or the free one where it belongs. Digests are spread evenly, so their own bits do for a hash. */
  #slotOf(digest: Uint8Array): number {
    const mask = this.#slots.length - 1
    const hash = new DataView(digest.buffer, digest.byteOffset, 4).getUint32(0)
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number
      if (entry === 0 || this.#isEntry(entry - 1, digest)) return slot
    }
  }

  #isEntry(entry: number, digest: Uint8Array): boolean {
    const at = entry * INDEX_ENTRY_BYTES
    for (let i = 0; i < PREFIX_BYTES; i++) if (this.#entries[at + i] !== digest[i]) return false
    return true
  }

  #grow(): void {
    const entries = new Uint8Array(this.#entries.length * 2)
    entries.set(this.#entries)
    this.#entries = entries
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let i = 0; i < this.#count; i++) {
      const at = i * INDEX_ENTRY_BYTES
      this.#slots[this.#slotOf(entries.subarray(at, at + PREFIX_BYTES))] = i + 1
    }
  }
}

function compareEntries(view: DataView, a: number, b: number): number {
  for (let i = 0; i < PREFIX_BYTES; i += 4) {
    const difference = view.getUint32(a + i) - view.getUint32(b + i)
    if (difference !== 0) return difference
  }
  return 0
}
