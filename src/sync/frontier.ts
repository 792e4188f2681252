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
import { copyBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { formatLink, type Link, linkMapKey, matchesLink } from '../link.ts'
import {
  childClaim,
  type Format,
  FORMAT_1,
  isValueRef,
  mayReuse,
  type Node,
  type NodeClaim,
  NODE_BYTES_MAX,
  RAW_VALUE_BYTES_MAX,
  rootClaim,
  type TreeRef,
  valueRecord,
  type VerifiedNode,
  verifyHeldNode,
  verifyNode,
  verifyValue,
} from '../prolly/index.ts'
import { BYTES_PER_TURN, INTERNAL_NODES_MAX, READY_BLOCKS_MAX, SHARED_PLACES_MAX } from './limits.ts'
import { isInternal, linkOf, mismatch, type NodePlace, type Place, tooLarge, type ValuePlace } from './place.ts'
import { Subtree } from './subtree.ts'
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
  readonly internal: boolean
  readonly places: Place[]
}

/** The mean length of a node (tree.md, 3), rounded up: a request is sized by it. */
const NODE_BYTES_LIKELY = 4096

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
  /** Wants of internal nodes among them. */
  #internalOpen = 0
  /** Places behind the first of each want. */
  #sharedPlaces = 0
  #done = false
  #bytesThisTurn = 0

  constructor(target: TreeRef, writer: VerifiedWriter, format: Format = FORMAT_1) {
    this.#writer = writer
    this.#format = format
    this.#places.push({ kind: 'node', claim: rootClaim(target), parent: undefined, index: 0, trips: 1 })
  }

  /** The whole tree is here, and recorded as far as the writer is flushed. */
  get isDone(): boolean {
    return this.#done
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
   * @throws {CoppiceError} `TREE_MALFORMED` with `details.path`, `FORMAT_NEWER` for a value this version cannot read; errors of the
   *   store as they are.
   */
  async lookAhead(breathe: () => Promise<void>): Promise<void> {
    for (;;) {
      const place = this.#places.at(-1)
      if (place === undefined || this.#ready.length >= READY_BLOCKS_MAX) return
      if (isInternal(place) && this.#internalOpen >= INTERNAL_NODES_MAX) return
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
   * @throws {CoppiceError} `BLOCK_MISMATCH`: the peer lied, the want is still open. `TREE_MALFORMED` with `details.path`,
   *   `FORMAT_NEWER`: the author's.
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
    const verified = this.#judge(first, () => this.#verify(first, bytes, true))
    open.asked--
    this.#settle(open)
    this.#writer.putBlock({ link: copyBytes(open.link), bytes })
    this.#keep(first, bytes, verified, trips)
    for (const place of others) {
      const again = this.#judge(place, () => this.#verify(place, bytes, false))
      this.#keep(place, bytes, again, trips)
    }
    return true
  }

  #settle(want: OpenWant): void {
    want.settled = true
    this.#open.delete(want.key)
    if (want.internal) this.#internalOpen--
    this.#sharedPlaces -= want.places.length - 1
  }

  #want(place: Place, key: string): void {
    const node = place.kind === 'node'
    const bytes = node ? place.claim.bytes : place.ref.size
    const internal = isInternal(place)
    const want: OpenWant = {
      link: linkOf(place),
      key,
      internal,
      places: [place],
      bytesLikely: node ? Math.min(bytes, NODE_BYTES_LIKELY) : bytes,
      trips: place.trips,
      asked: 0,
      settled: false,
    }
    this.#open.set(key, want)
    if (internal) this.#internalOpen++
    this.#ready.push(want)
  }

  /** Whether the place needs no fetching: its subtree is recorded, or its block is here and sound. */
  #settleHere(place: Place): MaybeSettled {
    if (place.kind === 'value' && place.ref.size > RAW_VALUE_BYTES_MAX) throw tooLarge(place.ref)
    const record = this.#writer.getComplete(linkOf(place))
    if (record instanceof Promise) return record.then((found) => this.#reuse(place, found) || this.#useHeld(place))
    return this.#reuse(place, record) || this.#useHeld(place)
  }

  #reuse(place: Place, record: Awaited<ReturnType<VerifiedWriter['getComplete']>>): boolean {
    if (record === undefined) return false
    if (place.kind === 'value') {
      // A record of another size leaves the verdict to the bytes.
      if (record.level !== -1 || record.bytes !== place.ref.size) return false
      this.#countValue(place)
      this.#complete(place.parent.completeValue())
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
    const bytesMax = place.kind === 'node' ? NODE_BYTES_MAX : RAW_VALUE_BYTES_MAX
    // Hashed again: whatever is not what its link says must not count against the author.
    if (bytes.length > bytesMax || !matchesLink(linkOf(place), bytes)) {
      this.counts.blocksDamaged++
      return false
    }
    const verified = this.#judge(place, () => this.#verify(place, bytes, false))
    this.counts.blocksHeld++
    this.#keep(place, bytes, verified, place.trips)
    return true
  }

  /** A verified node, undefined for a value. `fresh`: the hash has not been checked yet. */
  #verify(place: Place, bytes: Uint8Array, fresh: boolean): Verified {
    if (place.kind === 'node') {
      return fresh ? verifyNode(bytes, place.claim, this.#format) : verifyHeldNode(bytes, place.claim, this.#format)
    }
    if (fresh || bytes.length !== place.ref.size) verifyValue(bytes, place.ref)
    return undefined
  }

  /** Adds to an error about the author's tree the way from the root, which makes it evidence. */
  #judge(place: Place, verify: () => Verified): Verified {
    try {
      return verify()
    } catch (error) {
      if (!(error instanceof CoppiceError) || error.code !== 'TREE_MALFORMED') throw error
      const path = [...(place.parent?.path() ?? []), { cid: formatLink(linkOf(place)), index: place.index }]
      throw new CoppiceError(error.code, error.message, { cause: error, details: { ...error.details, path } })
    }
  }

  #keep(place: Place, bytes: Uint8Array, verified: Verified, trips: number): void {
    if (place.kind === 'value') {
      this.#countValue(place)
      this.#writer.putRecord(valueRecord(copyBytes(place.ref.link), bytes.length))
      this.#complete(place.parent.completeValue())
      return
    }
    if (verified === undefined) throw new TypeError('frontier: a node without its verification')
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
      this.#places.push({ kind: 'value', ref, parent: subtree, index: i, trips })
    }
  }

  #countValue(place: ValuePlace): void {
    this.counts.bytes += place.ref.size
  }

  #completeNode(place: NodePlace, firstKey: Uint8Array, spineClosed: boolean): void {
    if (place.parent === undefined) this.#done = true
    else this.#complete(place.parent.completeChild(place.index, firstKey, spineClosed))
  }

  /** Records a complete subtree, and every one above that it completes. */
  #complete(start: Subtree | undefined): void {
    let subtree = start
    while (subtree !== undefined) {
      const record = subtree.record()
      this.#writer.putRecord(record)
      if (subtree.parent === undefined) this.#done = true
      subtree = subtree.parent?.completeChild(subtree.index, record.firstKey, record.spineClosed)
    }
  }
}

/** Undefined for a value. */
type Verified = VerifiedNode | undefined
type MaybeSettled = boolean | Promise<boolean>
