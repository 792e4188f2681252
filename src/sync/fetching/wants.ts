/**
 * Blocks that are missing, each with all places that wait for it: which ones can be asked for, and which are being asked
 * for. How many are open is bounded: by what stands below them, and by the places that share them.
 */
import type { Link } from '../../link.ts'
import { INTERNAL_NODES_MAX, READY_BLOCKS_MAX, SHARED_PLACES_MAX } from '../limits.ts'
import { likelyBytes, linkOf, type Place, subtreeBytes, weightOf } from './place.ts'

/** A block that is missing. */
export interface Want {
  readonly link: Link
  /** About how many bytes the block has, by the author's word. */
  readonly bytesLikely: number
  /** Of the block of a node and all below it, by the author's word; undefined for what is no node. */
  readonly subtreeBytes: number | undefined
  /** Of a node; undefined for the root, whose level is not known, and for what is no node. */
  readonly level: number | undefined
  readonly trips: number
  /** Of an internal node, or a node of a file, the places that come with it; 0 for what has nothing below. */
  readonly weight: number
  /** Questions about it that are under way. */
  asked: number
  /** It has arrived, or the tree is given up. */
  settled: boolean
  /** It was left out of a range that should have had it: it is asked for by its link. */
  byLink: boolean
}

export interface OpenWant extends Want {
  readonly kind: 'want'
  readonly key: string
  readonly places: [Place, ...Place[]]
}

/** How a want would be asked for. */
export interface Offer<K> {
  readonly kind: K
  /** About how many bytes that would bring. */
  readonly bytes: number
}

/** Wants for one question. */
export interface Taken<K> {
  readonly kind: K
  readonly wants: readonly Want[]
  /** About how many bytes they bring. */
  readonly bytes: number
}

export class Wants {
  /** Nobody has been asked for these, the next one last. */
  readonly #ready: OpenWant[] = []
  /** All that are not settled. */
  readonly #open = new Map<string, OpenWant>()
  /** The weight of all of them, and of those that are asked for. */
  #internalOpen = 0
  #internalAsked = 0
  readonly #internalMax: number
  /** Places behind the first of each. */
  #sharedPlaces = 0

  /** Of internal nodes so many are known to be missing at once. */
  constructor(internalMax: number = INTERNAL_NODES_MAX) {
    this.#internalMax = internalMax
  }

  /** The weight of what is asked for. */
  get internalAsked(): number {
    return this.#internalAsked
  }

  /** Not settled. */
  get openCount(): number {
    return this.#open.size
  }

  /** Can be taken, some that are settled included. */
  get readyCount(): number {
    return this.#ready.length
  }

  get sharedCount(): number {
    return this.#sharedPlaces
  }

  get(key: string): OpenWant | undefined {
    return this.#open.get(key)
  }

  /** Whether another place may be looked at, whose block `open` is asked for already. */
  hasRoomFor(place: Place, open: OpenWant | undefined): boolean {
    if (this.#ready.length >= READY_BLOCKS_MAX) return false
    if (weightOf(place) > 0 && this.#internalOpen >= this.#internalMax) return false
    return open === undefined || this.#sharedPlaces < SHARED_PLACES_MAX
  }

  add(place: Place, key: string): void {
    const weight = weightOf(place)
    const want: OpenWant = {
      kind: 'want',
      link: linkOf(place),
      key,
      weight,
      places: [place],
      bytesLikely: likelyBytes(place),
      subtreeBytes: subtreeBytes(place),
      level: place.kind === 'node' ? place.claim.level : undefined,
      trips: place.trips,
      asked: 0,
      settled: false,
      byLink: false,
    }
    this.#open.set(key, want)
    this.#internalOpen += weight
    this.#ready.push(want)
  }

  /** Another place that waits for the same block. */
  share(want: OpenWant, place: Place): void {
    want.places.push(place)
    this.#sharedPlaces++
  }

  settle(want: OpenWant): void {
    want.settled = true
    this.#open.delete(want.key)
    this.#internalOpen -= want.weight
    this.#sharedPlaces -= want.places.length - 1
  }

  /**
   * Up to `max` wants of about `bytesMax` bytes together, for one question: those that `offer` has the same kind for as for the first one,
   * and undefined for none between them. The first may have more bytes.
   */
  take<K>(max: number, bytesMax: number, offer: (want: Want) => Offer<K> | undefined): Taken<K> | undefined {
    const taken: OpenWant[] = []
    const left: OpenWant[] = []
    let kind: K | undefined
    let bytes = 0
    while (taken.length < max) {
      const want = this.#ready.pop()
      if (want === undefined) break
      if (want.settled) continue
      const found = this.#mayTake(want) ? offer(want) : undefined
      if (found === undefined || (kind !== undefined && found.kind !== kind)) {
        left.push(want)
        continue
      }
      if (taken.length > 0 && bytes + found.bytes > bytesMax) {
        left.push(want)
        break
      }
      kind = found.kind
      bytes += found.bytes
      this.#ask(want)
      taken.push(want)
    }
    while (left.length > 0) this.#ready.push(left.pop() as OpenWant)
    return kind === undefined ? undefined : { kind, wants: taken, bytes }
  }

  /** Those that can be taken and pass `test`, the next one first. */
  *ready(test: (want: Want) => boolean): Generator<Want, void, undefined> {
    for (let i = this.#ready.length - 1; i >= 0; i--) {
      const want = this.#ready[i] as OpenWant
      if (!want.settled && this.#mayTake(want) && test(want)) yield want
    }
  }

  /** While too many places wait for what others asked for, only that is worth asking for: leaves would bring more of them. */
  #mayTake(want: OpenWant): boolean {
    return this.#sharedPlaces < SHARED_PLACES_MAX || want.places.length > 1
  }

  /** `wants`, which somebody owes, are asked for once more. */
  askAgain(wants: readonly Want[]): void {
    for (const want of wants) this.#ask(want)
  }

  #ask(want: Want): void {
    if (want.asked++ === 0) this.#internalAsked += want.weight
  }

  /** A question about `wants` is over: they can be taken again, unless they are settled or asked elsewhere too. */
  giveBack(wants: readonly Want[]): void {
    for (let i = wants.length - 1; i >= 0; i--) {
      const want = wants[i] as OpenWant
      if (--want.asked > 0) continue
      this.#internalAsked -= want.weight
      if (!want.settled) this.#ready.push(want)
    }
  }

  /** Settles the wants that can be taken and pass `test`. */
  giveUp(test: (want: Want) => boolean): Link[] {
    const links: Link[] = []
    for (const want of this.#ready.splice(0)) {
      if (want.settled) continue
      if (test(want)) {
        this.settle(want)
        links.push(want.link)
      } else this.#ready.push(want)
    }
    return links
  }
}
