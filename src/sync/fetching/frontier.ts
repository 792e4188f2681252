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
import { copyBytes } from '../../bytes.ts'
import type { CoppiceError } from '../../errors.ts'
import { type Link, linkMapKey, matchesLink } from '../../link.ts'
import { type Format, FORMAT_1, rootClaim, type TreeRef } from '../../prolly/index.ts'
import type { CompleteRecord } from '../../store/interface.ts'
import { BYTES_PER_TURN, SCATTERED_NODES_MAX } from '../limits.ts'
import { type FrontierCounts, Keeper, type PlaceStack } from './keeper.ts'
import { bytesMaxOf, foreignBlock, linkOf, mismatch, type Place, subtreeBytes, weightOf } from './place.ts'
import { type Expected, linkOfExpected, RangeMatch } from './range-match.ts'
import type { VerifiedWriter } from './verified-writer.ts'
import { type Offer, type OpenWant, type Taken, type Want, Wants } from './wants.ts'

/** What a range brought. */
export interface RangeTaken {
  /** Blocks of these places. */
  readonly accepted: number
  /** Of them, those that were not here. */
  readonly fresh: number
  /** Of the wants asked for, what the range has passed, as the author counts it: came or was left out. */
  readonly passedBytes: number
  /** `BLOCK_MISMATCH`: what came next is none of these places' blocks. */
  readonly foreign: CoppiceError | undefined
}

export interface FrontierOptions {
  readonly format?: Format | undefined
  /** 0 <= n < 1. With it, subtrees are looked at in random order: of many who fetch one tree, each begins elsewhere. */
  readonly random?: (() => number) | undefined
}

export class Frontier {
  readonly #writer: VerifiedWriter
  readonly #keeper: Keeper
  readonly #random: (() => number) | undefined
  /** Places not looked at yet, the next one last. */
  readonly #places: Place[] = []
  readonly #wants: Wants
  #bytesThisTurn = 0

  constructor(target: TreeRef, writer: VerifiedWriter, options: FrontierOptions = {}) {
    this.#writer = writer
    this.#keeper = new Keeper(writer, options.format ?? FORMAT_1)
    this.#random = options.random
    this.#wants = new Wants(options.random === undefined ? undefined : SCATTERED_NODES_MAX)
    this.#places.push({ kind: 'node', claim: rootClaim(target), parent: undefined, index: 0, trips: 1 })
  }

  get counts(): Readonly<FrontierCounts> {
    return this.#keeper.counts
  }

  /** Nothing is missing any more: the whole tree is here, and recorded as far as the writer is flushed, but for what was given up. */
  get isDone(): boolean {
    return this.#places.length === 0 && this.#wants.openCount === 0
  }

  /** Wants that can be taken. */
  get readyCount(): number {
    return this.#wants.readyCount
  }

  /** As {@link Wants.internalAsked}. */
  get internalAsked(): number {
    return this.#wants.internalAsked
  }

  /** Places and wants held in memory now: bounded whatever the size of the tree. */
  get rememberedCount(): number {
    return this.#places.length + this.#wants.openCount + this.#wants.sharedCount
  }

  /**
   * Looks at places until enough wants are ready: skips what is recorded, verifies what is held. One call at a time.
   * `breathe` is awaited now and then where much is held.
   * @throws {CoppiceError} `TREE_MALFORMED` with `details.path`; errors of the store as they are.
   */
  async lookAhead(breathe: () => Promise<void>): Promise<void> {
    for (;;) {
      const place = this.#places.at(-1)
      if (place === undefined) return
      const key = linkMapKey(linkOf(place))
      const open = this.#wants.get(key)
      if (!this.#wants.hasRoomFor(place, open)) return
      this.#places.pop()
      if (open !== undefined) {
        this.#wants.share(open, place)
        continue
      }
      const settled = this.#settleHere(place)
      if (settled instanceof Promise ? !(await settled) : !settled) this.#wants.add(place, key)
      const full = this.#writer.writeIfFull()
      if (full instanceof Promise) await full
      if (this.#bytesThisTurn >= BYTES_PER_TURN) {
        this.#bytesThisTurn = 0
        await breathe()
      }
    }
  }

  /** As {@link Wants.take}. */
  take<K>(max: number, bytesMax: number, offer: (want: Want) => Offer<K> | undefined): Taken<K> | undefined {
    return this.#wants.take(max, bytesMax, offer)
  }

  /** As {@link Wants.ready}. */
  ready(test: (want: Want) => boolean): Generator<Want, void, undefined> {
    return this.#wants.ready(test)
  }

  /** Whether any want that can be taken passes `test`. */
  someReady(test: (want: Want) => boolean): boolean {
    return this.#wants.ready(test).next().done === false
  }

  /** As {@link Wants.askAgain}. */
  askAgain(wants: readonly Want[]): void {
    this.#wants.askAgain(wants)
  }

  /** Gives up the wants that can be taken and pass `test`: what stands above them is never complete, and not recorded. */
  giveUp(test: (want: Want) => boolean): Link[] {
    return this.#wants.giveUp(test)
  }

  /** As {@link Wants.giveBack}. */
  giveBack(wants: readonly Want[]): void {
    this.#wants.giveBack(wants)
  }

  /**
   * Takes the bytes that a peer sent for `want`, verifies and keeps them; the question about it is not over. False: they
   * came before, from another peer.
   * @throws {CoppiceError} `BLOCK_MISMATCH`: the peer lied, the want is still open. `TREE_MALFORMED` with `details.path`: the
   *   author's.
   */
  accept(want: Want, bytes: Uint8Array): boolean {
    const open = want as OpenWant
    if (!open.settled) {
      this.#keepWanted(open, bytes, false, open.trips + 1, this.#places)
      return true
    }
    if (!matchesLink(open.link, bytes)) throw mismatch(open.link)
    return false
  }

  /**
   * Takes the blocks that a peer sent for `wants`: what is below them in pre-order, of which any may have been left out. Ends at the first
   * one that has no place there. The question about them is not over.
   * @throws {CoppiceError} `TREE_MALFORMED` with `details.path`: the author's fault.
   */
  acceptRange(wants: readonly Want[], blocks: readonly Uint8Array[]): RangeTaken {
    const match = new RangeMatch(wants as readonly OpenWant[])
    const trips = Math.max(...wants.map((want) => want.trips)) + 1
    let accepted = 0
    let fresh = 0
    let foreign: CoppiceError | undefined
    try {
      for (const bytes of blocks) {
        const expected = match.next(bytes)
        if (expected === undefined) {
          foreign = foreignBlock(bytes)
          break
        }
        if (this.#keepExpected(expected, bytes, trips, match)) fresh++
        accepted++
      }
    } finally {
      this.#putBack(match)
    }
    const asked = wants.reduce((sum, want) => sum + (want.subtreeBytes ?? 0), 0)
    const left = match.rest.reduce((sum, expected) => sum + bytesOf(expected), 0)
    // What was left out before the last block that came will not come with a range.
    for (const expected of match.skipped) if (expected.kind === 'want') expected.byLink = true
    if (accepted === 0) for (const want of wants) want.byLink = true
    return { accepted, fresh, passedBytes: asked - left, foreign }
  }

  /** False where the block came before. */
  #keepExpected(expected: Expected, bytes: Uint8Array, trips: number, match: RangeMatch): boolean {
    const link = linkOfExpected(expected)
    const isPlace = expected.kind === 'node' || expected.kind === 'value'
    const open = expected.kind === 'want' ? expected : this.#wants.get(linkMapKey(link))
    if (open !== undefined && !open.settled) {
      if (isPlace) this.#wants.share(open, expected)
      this.#keepWanted(open, bytes, true, trips, match)
      return true
    }
    if (!isPlace) {
      match.pushBelow(link, bytes)
      return false
    }
    // A value of many rows comes with each range that has one of them.
    if (expected.kind === 'value' && this.#isRecorded(expected)) return false
    this.#keeper.keep(expected, bytes, true, trips, match)
    this.#writer.putBlock({ link: copyBytes(link), bytes })
    return true
  }

  /** Whether a record that is at hand stands for the place. */
  #isRecorded(place: Place): boolean {
    const record = this.#writer.getComplete(linkOf(place))
    return !(record instanceof Promise) && this.#reuse(place, record)
  }

  /** Places that were expected and did not come are looked at like all others. */
  #putBack(match: RangeMatch): void {
    const isPlace = (expected: Expected): expected is Place => expected.kind === 'node' || expected.kind === 'value'
    for (const expected of match.rest) if (isPlace(expected)) this.#places.push(expected)
    for (let i = match.skipped.length - 1; i >= 0; i--) {
      const expected = match.skipped[i] as Expected
      if (isPlace(expected)) this.#places.push(expected)
    }
  }

  /** At all its places. The first verification includes the hash; nothing has changed before it has passed. */
  #keepWanted(want: OpenWant, bytes: Uint8Array, isHashed: boolean, trips: number, below: PlaceStack): void {
    const [first, ...others] = want.places
    const children: Place[] = []
    this.#keeper.keep(first, bytes, isHashed, trips, children)
    this.#wants.settle(want)
    this.#writer.putBlock({ link: copyBytes(want.link), bytes })
    // A file's node has as many children at each of its places: once they are here, the other places need only its record.
    if (first.kind === 'value' && weightOf(first) > 0) this.#places.push(...others)
    else for (const place of others) this.#keeper.keep(place, bytes, true, trips, children)
    if (below === this.#places) this.#mix(children)
    below.push(...children)
  }

  /** Whole subtrees only: leaves stay beside their neighbours, which are asked for together. */
  #mix(children: Place[]): void {
    const random = this.#random
    const [first] = children
    if (random === undefined || first?.kind !== 'node' || first.claim.level === 0) return
    for (let i = children.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1))
      const other = children[j] as Place
      children[j] = children[i] as Place
      children[i] = other
    }
  }

  /** Whether the place needs no fetching: its subtree is recorded, or its block is here and sound. */
  #settleHere(place: Place): MaybeSettled {
    const record = this.#writer.getComplete(linkOf(place))
    if (record instanceof Promise) return record.then((found) => this.#reuse(place, found) || this.#useHeld(place))
    return this.#reuse(place, record) || this.#useHeld(place)
  }

  #reuse(place: Place, record: CompleteRecord | undefined): boolean {
    return record !== undefined && this.#keeper.reuse(place, record)
  }

  #useHeld(place: Place): MaybeSettled {
    const held = this.#writer.get(linkOf(place))
    return held instanceof Promise ? held.then((bytes) => this.#keepHeld(place, bytes)) : this.#keepHeld(place, held)
  }

  #keepHeld(place: Place, bytes: Uint8Array | undefined): boolean {
    if (bytes === undefined) return false
    this.#bytesThisTurn += bytes.length
    // Hashed again: whatever is not what its link says must not count against the author.
    if (bytes.length > bytesMaxOf(linkOf(place)) || !matchesLink(linkOf(place), bytes)) {
      this.#keeper.counts.blocksDamaged++
      return false
    }
    this.#keeper.keep(place, bytes, true, place.trips, this.#places)
    this.#keeper.counts.blocksHeld++
    this.#keeper.counts.bytesHere += bytes.length
    return true
  }
}

function bytesOf(expected: Expected): number {
  if (expected.kind === 'known') return 0
  return (expected.kind === 'want' ? expected.subtreeBytes : subtreeBytes(expected)) ?? 0
}

type MaybeSettled = boolean | Promise<boolean>
