/**
 * Which parts of a tree are still missing, and what becomes of those that arrive: the engine's knowledge of trees, with
 * no knowledge of peers. Everything is verified under the claim of its parent before it is kept (tree.md, 4), whether it
 * arrives or was here before. A subtree is skipped only by its completeness record, and recorded once all below it is
 * here, bottom-up.
 *
 * A place is where the signed root's tree wants a block; a want is a block that is not here, with all places waiting for
 * it. Places are looked at depth first and only while few internal nodes are under way, so that what is remembered is
 * bounded by those and not by the tree: about INTERNAL_NODES_MAX times the children of a node.
 */
import { copyBytes, EMPTY_BYTES } from '../../bytes.ts'
import { type Link, linkMapKey, matchesLink } from '../../link.ts'
import {
  childClaim,
  type Format,
  FORMAT_1,
  isValueRef,
  mayReuse,
  mayReuseValue,
  type Node,
  type NodeClaim,
  rootClaim,
  type TreeRef,
  valueRecord,
  type VerifiedNode,
} from '../../prolly/index.ts'
import { childPlace, rootPlace } from '../../unixfs/index.ts'
import { BYTES_PER_TURN, INTERNAL_NODES_MAX, READY_BLOCKS_MAX, SHARED_PLACES_MAX } from '../limits.ts'
import {
  bytesMaxOf,
  likelyBytes,
  linkOf,
  mismatch,
  type NodePlace,
  type Place,
  type ValuePlace,
  type Verified,
  verifyAt,
  weightOf,
} from './place.ts'
import { FilePart, type Incomplete, Subtree } from './subtree.ts'
import type { VerifiedWriter } from './verified-writer.ts'

/** A block that is missing. */
export interface Want {
  readonly link: Link
  /** About how many bytes the block has, by the author's word. */
  readonly bytesLikely: number
  readonly trips: number
  /** Questions about it that are under way. */
  asked: number
  /** It has arrived, or the tree is given up. */
  settled: boolean
}

interface OpenWant extends Want {
  readonly key: string
  /** Of an internal node, or a node of a file; 0 for what has nothing below. */
  readonly weight: number
  readonly places: Place[]
}

export interface FrontierCounts {
  entries: number
  bytes: number
  blocksHeld: number
  blocksDamaged: number
  subtreesSkipped: number
  entriesSkipped: number
  roundTrips: number
}

export class Frontier {
  readonly counts: FrontierCounts = {
    entries: 0,
    bytes: 0,
    blocksHeld: 0,
    blocksDamaged: 0,
    subtreesSkipped: 0,
    entriesSkipped: 0,
    roundTrips: 0,
  }
  readonly #writer: VerifiedWriter
  readonly #format: Format
  /** Places not looked at yet, the next one last. */
  readonly #places: Place[] = []
  /** Wants nobody has been asked for, the next one last. */
  readonly #ready: OpenWant[] = []
  /** All wants that are not settled. */
  readonly #open = new Map<string, OpenWant>()
  /** The weight of all of them. */
  #internalOpen = 0
  /** Places behind the first of each want. */
  #sharedPlaces = 0
  #bytesThisTurn = 0

  constructor(target: TreeRef, writer: VerifiedWriter, format: Format = FORMAT_1) {
    this.#writer = writer
    this.#format = format
    this.#places.push({ kind: 'node', claim: rootClaim(target), parent: undefined, index: 0, trips: 1 })
  }

  /** Nothing is missing any more: the whole tree is here, and recorded as far as the writer is flushed, but for what was given up. */
  get isDone(): boolean {
    return this.#places.length === 0 && this.#open.size === 0
  }

  /** Wants that can be taken. */
  get readyCount(): number {
    return this.#ready.length
  }

  /** Places and wants held in memory now: bounded whatever the size of the tree. */
  get rememberedCount(): number {
    return this.#places.length + this.#open.size + this.#sharedPlaces
  }

  /**
   * Looks at places until enough wants are ready: skips what is recorded, verifies what is held. One call at a time.
   * `breathe` is awaited now and then where much is held.
   * @throws {CoppiceError} `TREE_MALFORMED` with `details.path`; errors of the store as they are.
   */
  async lookAhead(breathe: () => Promise<void>): Promise<void> {
    for (;;) {
      const place = this.#places.at(-1)
      if (place === undefined || this.#ready.length >= READY_BLOCKS_MAX) return
      if (weightOf(place) > 0 && this.#internalOpen >= INTERNAL_NODES_MAX) return
      const key = linkMapKey(linkOf(place))
      const open = this.#open.get(key)
      if (open !== undefined && this.#sharedPlaces >= SHARED_PLACES_MAX) return
      this.#places.pop()
      if (open !== undefined) {
        open.places.push(place)
        this.#sharedPlaces++
        continue
      }
      const settled = this.#settleHere(place)
      if (settled instanceof Promise ? !(await settled) : !settled) this.#want(place, key)
      const full = this.#writer.writeIfFull()
      if (full instanceof Promise) await full
      if (this.#bytesThisTurn >= BYTES_PER_TURN) {
        this.#bytesThisTurn = 0
        await breathe()
      }
    }
  }

  /** Up to `max` wants of at most about `bytesMax` bytes together, for one question; those that `skip` says are left. */
  take(max: number, bytesMax: number, skip?: (want: Want) => boolean): Want[] {
    const taken: OpenWant[] = []
    const left: OpenWant[] = []
    let bytes = 0
    while (taken.length < max) {
      const want = this.#ready.pop()
      if (want === undefined) break
      if (want.settled) continue
      if (!this.#mayTake(want) || skip?.(want) === true) {
        left.push(want)
        continue
      }
      if (taken.length > 0 && bytes + want.bytesLikely > bytesMax) {
        left.push(want)
        break
      }
      bytes += want.bytesLikely
      want.asked++
      taken.push(want)
    }
    while (left.length > 0) this.#ready.push(left.pop() as OpenWant)
    return taken
  }

  /** Whether any want that can be taken passes `test`. */
  someReady(test: (want: Want) => boolean): boolean {
    return this.#ready.some((want) => !want.settled && this.#mayTake(want) && test(want))
  }

  /** While too many places wait for what others asked for, only that is worth asking for: leaves would bring more of them. */
  #mayTake(want: OpenWant): boolean {
    return this.#sharedPlaces < SHARED_PLACES_MAX || want.places.length > 1
  }

  /** `wants`, which somebody owes, are asked for once more. */
  askAgain(wants: readonly Want[]): void {
    for (const want of wants) want.asked++
  }

  /** Gives up the wants that can be taken and pass `test`: what stands above them is never complete, and not recorded. */
  giveUp(test: (want: Want) => boolean): Link[] {
    const links: Link[] = []
    for (const want of this.#ready.splice(0)) {
      if (want.settled) continue
      if (test(want)) {
        this.#settle(want)
        links.push(want.link)
      } else this.#ready.push(want)
    }
    return links
  }

  /** A question about `wants` came to nothing: they can be taken again, unless they are settled or asked elsewhere too. */
  giveBack(wants: readonly Want[]): void {
    for (let i = wants.length - 1; i >= 0; i--) {
      const want = wants[i] as OpenWant
      want.asked--
      if (!want.settled && want.asked === 0) this.#ready.push(want)
    }
  }

  /**
   * Takes the bytes that a peer sent for `want`, verifies and keeps them. False: they came before, from another peer.
   * @throws {CoppiceError} `BLOCK_MISMATCH`: the peer lied, the want is still open. `TREE_MALFORMED` with `details.path`: the
   *   author's.
   */
  accept(want: Want, bytes: Uint8Array): boolean {
    const open = want as OpenWant
    if (open.settled) {
      if (!matchesLink(open.link, bytes)) throw mismatch(open.link)
      open.asked--
      return false
    }
    const trips = open.trips + 1
    this.counts.roundTrips = Math.max(this.counts.roundTrips, trips)
    const [first, ...others] = open.places as [Place, ...Place[]]
    // The first verification includes the hash; nothing has changed here before it has passed.
    const verified = verifyAt(first, bytes, false, this.#format)
    open.asked--
    this.#settle(open)
    this.#writer.putBlock({ link: copyBytes(open.link), bytes })
    // A file's node has as many children at each of its places: once they are here, the other places need only its record.
    const isFileNode = first.kind === 'value' && weightOf(first) > 0
    if (isFileNode) this.#places.push(...others)
    this.#keep(first, bytes, verified, trips)
    if (isFileNode) return true
    for (const place of others) {
      const again = verifyAt(place, bytes, true, this.#format)
      this.#keep(place, bytes, again, trips)
    }
    return true
  }

  #settle(want: OpenWant): void {
    want.settled = true
    this.#open.delete(want.key)
    this.#internalOpen -= want.weight
    this.#sharedPlaces -= want.places.length - 1
  }

  #want(place: Place, key: string): void {
    const weight = weightOf(place)
    const want: OpenWant = {
      link: linkOf(place),
      key,
      weight,
      places: [place],
      bytesLikely: likelyBytes(place),
      trips: place.trips,
      asked: 0,
      settled: false,
    }
    this.#open.set(key, want)
    this.#internalOpen += weight
    this.#ready.push(want)
  }

  /** Whether the place needs no fetching: its subtree is recorded, or its block is here and sound. */
  #settleHere(place: Place): MaybeSettled {
    const record = this.#writer.getComplete(linkOf(place))
    if (record instanceof Promise) return record.then((found) => this.#reuse(place, found) || this.#useHeld(place))
    return this.#reuse(place, record) || this.#useHeld(place)
  }

  #reuse(place: Place, record: Awaited<ReturnType<VerifiedWriter['getComplete']>>): boolean {
    if (record === undefined) return false
    if (place.kind === 'value') {
      // A record of another size leaves the verdict to the bytes.
      if (!mayReuseValue(record, place.block)) return false
      this.counts.bytes += record.bytes
      this.#completeValue(place)
      return true
    }
    if (!mayReuse(record, place.claim)) return false
    const { counts } = this
    counts.subtreesSkipped++
    counts.entriesSkipped += record.entries
    counts.entries += record.entries
    counts.bytes += record.bytes
    this.#completeNode(place, record.firstKey, record.spineClosed)
    return true
  }

  #useHeld(place: Place): MaybeSettled {
    const held = this.#writer.get(linkOf(place))
    return held instanceof Promise ? held.then((bytes) => this.#keepHeld(place, bytes)) : this.#keepHeld(place, held)
  }

  #keepHeld(place: Place, bytes: Uint8Array | undefined): boolean {
    if (bytes === undefined) return false
    this.#bytesThisTurn += bytes.length
    // Hashed again: whatever is not what its link says must not count against the author.
    if (bytes.length > bytesMaxOf(place) || !matchesLink(linkOf(place), bytes)) {
      this.counts.blocksDamaged++
      return false
    }
    const verified = verifyAt(place, bytes, true, this.#format)
    this.counts.blocksHeld++
    this.#keep(place, bytes, verified, place.trips)
    return true
  }

  #keep(place: Place, bytes: Uint8Array, verified: Verified, trips: number): void {
    if (place.kind === 'value') return this.#keepValue(place, verified as readonly Link[], trips)
    this.#keepNode(place, bytes, verified as VerifiedNode, trips)
  }

  #keepNode(place: NodePlace, bytes: Uint8Array, verified: VerifiedNode, trips: number): void {
    const { node } = verified
    this.counts.bytes += bytes.length
    const subtree = new Subtree(place.claim, verified, place.parent, place.index)
    if (node.level > 0) this.#expand(place.claim, node, subtree, trips)
    else this.#expandLeaf(node, subtree, trips)
    if (subtree.isComplete) this.#complete(subtree)
  }

  /** Children, the leftmost to be looked at first. */
  #expand(claim: NodeClaim, node: Node, subtree: Subtree, trips: number): void {
    subtree.expect(node.length)
    for (let i = node.length - 1; i >= 0; i--) {
      this.#places.push({ kind: 'node', claim: childClaim(node, i, claim), parent: subtree, index: i, trips })
    }
  }

  #expandLeaf(node: Node, subtree: Subtree, trips: number): void {
    this.counts.entries += node.length
    if (node.totalBytes === node.bytes.length) return
    for (let i = node.length - 1; i >= 0; i--) {
      if (node.isInline(i)) continue
      const ref = node.value(i)
      if (!isValueRef(ref)) continue
      subtree.expect(1)
      const block = { link: ref.link, place: rootPlace(ref.size) }
      this.#places.push({ kind: 'value', block, parent: subtree, index: i, trips })
    }
  }

  /** A leaf of a file, or the whole of a short value, is complete; the node of a file with its children. */
  #keepValue(place: ValuePlace, links: readonly Link[], trips: number): void {
    const { block } = place
    if (links.length === 0) {
      this.counts.bytes += block.place.size
      this.#writer.putRecord(valueRecord(copyBytes(block.link), block.place))
      this.#completeValue(place)
      return
    }
    const part = new FilePart(block, links.length, place.parent, place.index)
    for (const [i, link] of [...links.entries()].reverse()) {
      const child = { link, place: childPlace(block.place, i) }
      this.#places.push({ kind: 'value', block: child, parent: part, index: i, trips })
    }
  }

  #completeValue(place: ValuePlace): void {
    this.#complete(place.parent.completeChild(place.index, EMPTY_BYTES, false))
  }

  #completeNode(place: NodePlace, firstKey: Uint8Array, spineClosed: boolean): void {
    this.#complete(place.parent?.completeChild(place.index, firstKey, spineClosed))
  }

  /** Records a complete subtree, and every one above that it completes. */
  #complete(start: Incomplete | undefined): void {
    let subtree = start
    while (subtree !== undefined) {
      const record = subtree.record()
      this.#writer.putRecord(record)
      subtree = subtree.parent?.completeChild(subtree.index, record.firstKey, record.spineClosed)
    }
  }
}

type MaybeSettled = boolean | Promise<boolean>
