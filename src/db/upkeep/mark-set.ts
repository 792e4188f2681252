/**
 * Which blocks a collection of garbage found to be needed. Two memories, because two errors would cost differently:
 *
 * - Blocks that have others below them, nodes of trees and of files, are remembered exactly, as 96 bits of a salted hash:
 *   two of 10^8 are taken for one with a probability of 10^-13, and nobody can prepare two. A node kept by mistake would
 *   keep its completeness record, and that would be a lie once something below it is gone.
 * - Raw blocks have nothing below. They go into a Bloom filter of bounded size: one kept by mistake is kept with its record,
 *   costs its bytes, and is found next time, because the salt is another then.
 */
import { CODEC_RAW, type Link, linkCodec } from '../../link.ts'

/** Of the filter: 64 MiB have 10 bits for each of 50 million blocks, with which 1 of 100 is kept by mistake. */
const FILTER_BITS_MAX: number = 2 ** 29
const FILTER_BITS_MIN = 2 ** 10
/** With 16 bits per block, 1 of 2,000 is kept by mistake. */
const FILTER_BITS_PER_BLOCK = 16
const FILTER_HASHES = 8

export class MarkSet {
  readonly #nodes: FingerprintSet
  readonly #filter: Uint32Array
  readonly #mask: number
  readonly #salt: number

  /**
   * @param blocks in the store, of which the size of the filter follows
   * @param random 0 <= n < 1, drawn anew for each collection
   */
  constructor(blocks: number, random: () => number) {
    let bits = FILTER_BITS_MIN
    while (bits < FILTER_BITS_MAX && bits < blocks * FILTER_BITS_PER_BLOCK) bits *= 2
    this.#filter = new Uint32Array(bits / 32)
    this.#mask = bits - 1
    this.#salt = drawWord(random)
    this.#nodes = new FingerprintSet(random)
  }

  /** Bytes held now. */
  get heldBytes(): number {
    return this.#filter.byteLength + this.#nodes.heldBytes
  }

  add(link: Link): void {
    if (linkCodec(link) === CODEC_RAW) this.#probe(link, true)
    else this.#nodes.add(link)
  }

  has(link: Link): boolean {
    return linkCodec(link) === CODEC_RAW ? this.#probe(link, false) : this.#nodes.has(link)
  }

  /** Whether all bits of the link are set in the filter, or have been now. */
  #probe(link: Link, isAdding: boolean): boolean {
    const step = mix(word(link, 1) ^ this.#salt) | 1
    let at = mix(word(link, 0) ^ this.#salt)
    for (let i = 0; i < FILTER_HASHES; i++, at = (at + step) | 0) {
      const bit = at & this.#mask
      const bits = this.#filter[bit >>> 5] as number
      const flag = 1 << (bit & 31)
      if ((bits & flag) !== 0) continue
      if (!isAdding) return false
      this.#filter[bit >>> 5] = bits | flag
    }
    return true
  }
}

const FINGERPRINT_WORDS = 3
const DIGEST_WORDS = 8
const SLOTS_MIN = 1024

/** Open addressing; a slot of zeros is free, so the first word of a fingerprint is never 0. */
class FingerprintSet {
  readonly #salt: readonly number[]
  #slots = new Uint32Array(SLOTS_MIN * FINGERPRINT_WORDS)
  #size = 0

  constructor(random: () => number) {
    this.#salt = Array.from({ length: FINGERPRINT_WORDS }, () => drawWord(random))
  }

  get heldBytes(): number {
    return this.#slots.byteLength
  }

  add(link: Link): void {
    const [a, b, c] = this.#fingerprint(link)
    if (this.#put(a, b, c)) this.#size++
    if (this.#size * FINGERPRINT_WORDS * 4 > this.#slots.length * 3) this.#grow()
  }

  has(link: Link): boolean {
    const [a, b, c] = this.#fingerprint(link)
    return this.#slots[this.#find(a, b, c)] !== 0
  }

  #fingerprint(link: Link): [number, number, number] {
    const [s = 0, t = 0, u = 0] = this.#salt
    const first = hash(link, s)
    return [first === 0 ? 1 : first, hash(link, t), hash(link, u)]
  }

  /** Index of its slot, or of the free one where it belongs. */
  #find(a: number, b: number, c: number): number {
    const slots = this.#slots
    const count = slots.length / FINGERPRINT_WORDS
    for (let slot = b & (count - 1); ; slot = (slot + 1) & (count - 1)) {
      const at = slot * FINGERPRINT_WORDS
      if (slots[at] === 0 || (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c)) return at
    }
  }

  #put(a: number, b: number, c: number): boolean {
    const at = this.#find(a, b, c)
    if (this.#slots[at] !== 0) return false
    this.#slots[at] = a
    this.#slots[at + 1] = b
    this.#slots[at + 2] = c
    return true
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += FINGERPRINT_WORDS) {
      if (old[at] !== 0) this.#put(old[at] as number, old[at + 1] as number, old[at + 2] as number)
    }
  }
}

/** Of codec and digest: all of it, since two digests that begin alike can be found by trying. */
function hash(link: Link, salt: number): number {
  let state = mix(salt ^ linkCodec(link))
  for (let i = 0; i < DIGEST_WORDS; i++) state = mix(state ^ word(link, i))
  return state >>> 0
}

/** 32 bits of the digest, which stands after 4 bytes. */
function word(link: Link, i: number): number {
  const at = 4 + 4 * i
  return (
    ((link[at] as number) << 24) |
    ((link[at + 1] as number) << 16) |
    ((link[at + 2] as number) << 8) |
    (link[at + 3] as number)
  )
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function drawWord(random: () => number): number {
  return Math.floor(random() * 2 ** 32) | 0
}
