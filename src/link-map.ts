/**
 * A map from links. A digest is as good a hash as any, so its first bits are the key of a Map of small integers and no
 * string is made of the link: a third of the cost of a Map of strings. Whoever looks for links that share these bits
 * finds them by trial at 2^30 hashes each, and then costs a step per link found.
 */
import { LINK_BYTES, type Link } from './link.ts'

interface Slot<V> {
  readonly link: Link
  value: V
  /** Another link of the same first bits. */
  readonly next: Slot<V> | undefined
}

export class LinkMap<V> {
  readonly #slots = new Map<number, Slot<V>>()

  get(link: Link): V | undefined {
    return find(this.#slots.get(firstBits(link)), link)?.value
  }

  /** Keeps `link` itself: a view of a block keeps the block in memory. */
  set(link: Link, value: V): void {
    const bits = firstBits(link)
    const first = this.#slots.get(bits)
    const known = find(first, link)
    if (known === undefined) this.#slots.set(bits, { link, value, next: first })
    else known.value = value
  }
}

function find<V>(first: Slot<V> | undefined, link: Link): Slot<V> | undefined {
  let slot = first
  while (slot !== undefined && !isSame(slot.link, link)) slot = slot.next
  return slot
}

/** 30 bits of the digest: small integers on every engine. */
function firstBits(link: Link): number {
  return (
    (link[4] as number) |
    ((link[5] as number) << 8) |
    ((link[6] as number) << 16) |
    (((link[7] as number) & 0x3f) << 24)
  )
}

function isSame(a: Link, b: Link): boolean {
  for (let i = 0; i < LINK_BYTES; i++) if (a[i] !== b[i]) return false
  return true
}
