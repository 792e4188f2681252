/**
 * Small uniform entries, the same in every run: keys of 16 bytes that look random, values of 64 that no compression
 * shrinks. Made when asked for and never held as a whole, so that there may be more of them than memory holds.
 */
import type { Edit, Put } from '../../src/prolly/index.ts'

/** What the benchmarks of whole databases use. */
export const ENTRIES = 1_000_000
export const UPDATES = 1_000

export const KEY_BYTES = 16
export const VALUE_BYTES = 64
export const ENTRY_BYTES: number = KEY_BYTES + VALUE_BYTES
const KEY_WORDS = KEY_BYTES / 4
const ENTRY_WORDS = ENTRY_BYTES / 4
/** Entries that share one buffer. Small, so that who keeps one entry does not keep megabytes. */
const SLAB_ENTRIES = 64
/** Leading bits of a key, which order it. */
const ORDERED_VALUES = 0x1_0000_0000

export class Entries {
  readonly count: number
  /** Distance of two neighbours' leading 32 bits, so that keys come out sorted and look random. */
  readonly #stride: number

  /** @param count at most some hundred millions, so that neighbours still differ in their leading bits. */
  constructor(count: number) {
    this.count = count
    this.#stride = Math.floor(ORDERED_VALUES / count)
  }

  /** Entry `i` of `0 <= i < count`, in key order. Another `version` has the same key and another value. */
  at(i: number, version: number = 0): Put {
    const slab = new Uint32Array(ENTRY_WORDS)
    this.#write(slab, 0, i, version)
    return entryIn(slab, 0)
  }

  /** All of version 0, in key order. */
  *all(): Generator<Put, void, undefined> {
    let slab = new Uint32Array(0)
    for (let i = 0; i < this.count; i++) {
      const place = i % SLAB_ENTRIES
      if (place === 0) {
        slab = new Uint32Array(SLAB_ENTRIES * ENTRY_WORDS)
        for (let j = 0; j < SLAB_ENTRIES && i + j < this.count; j++) this.#write(slab, j, i + j, 0)
      }
      yield entryIn(slab, place)
    }
  }

  /** `count` entries at random places with new values, in key order. Each `version` >= 1 has other places. */
  updates(count: number, version: number): Edit[] {
    return this.positions(count, version)
      .toSorted((a, b) => a - b)
      .map((i) => this.at(i, version))
  }

  /** `count` different positions in random order. */
  positions(count: number, seed: number): number[] {
    const positions = new Set<number>()
    const wanted = Math.min(count, this.count)
    for (let i = 0; positions.size < wanted; i++) positions.add(Math.floor(randomAt(i, 1_000 + seed) * this.count))
    return [...positions]
  }

  #write(slab: Uint32Array, place: number, i: number, version: number): void {
    const start = place * ENTRY_WORDS
    fillWords(slab.subarray(start, start + KEY_WORDS), i, 0)
    fillWords(slab.subarray(start + KEY_WORDS, start + ENTRY_WORDS), i, 2 + version)
    const order = i * this.#stride + Math.floor(randomAt(i, 1) * this.#stride)
    new DataView(slab.buffer).setUint32(start * 4, order)
  }
}

function entryIn(slab: Uint32Array<ArrayBuffer>, place: number): Put {
  const start = place * ENTRY_BYTES
  return {
    key: new Uint8Array(slab.buffer, start, KEY_BYTES),
    value: new Uint8Array(slab.buffer, start + KEY_BYTES, VALUE_BYTES),
  }
}

/** 0 <= n < 1, by place and purpose. */
export function randomAt(i: number, purpose: number): number {
  return mix(Math.imul(i, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b)) / ORDERED_VALUES
}

/** Random bits by place and purpose. */
export function fillWords(words: Uint32Array, i: number, purpose: number): void {
  let state = Math.imul(i, 0x9e3779b1) ^ Math.imul(purpose + 1, 0xc2b2ae35)
  for (let word = 0; word < words.length; word++) words[word] = mix((state = (state + 0x6d2b79f5) | 0))
}

/** The finalizer of MurmurHash3: spreads 32 bits over 32 bits. */
function mix(bits: number): number {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
