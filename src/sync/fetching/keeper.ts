/**
 * What becomes of verified blocks: counted, opened into the places below them, and recorded once everything below them is
 * here, bottom-up (tree.md, 4).
 */
import { copyBytes, EMPTY_BYTES } from '../../bytes.ts'
import type { Link } from '../../link.ts'
import {
  childClaim,
  type Format,
  isValueRef,
  mayReuse,
  mayReuseValue,
  type Node,
  type NodeClaim,
  valueRecord,
  type VerifiedNode,
} from '../../prolly/index.ts'
import type { CompleteRecord } from '../../store/interface.ts'
import { childPlace, rootPlace } from '../../unixfs/index.ts'
import { type NodePlace, type Place, type ValuePlace, type Verified, verifyAt } from './place.ts'
import { FilePart, type Incomplete, Subtree } from './subtree.ts'
import type { VerifiedWriter } from './verified-writer.ts'

export interface FrontierCounts {
  entries: number
  bytes: number
  /** Of these, what was here before. */
  bytesHere: number
  blocksHeld: number
  blocksDamaged: number
  subtreesSkipped: number
  entriesSkipped: number
  roundTrips: number
}

/** Takes places, the next one last. */
export interface PlaceStack {
  push(...places: Place[]): number
}

export class Keeper {
  readonly counts: FrontierCounts = {
    entries: 0,
    bytes: 0,
    bytesHere: 0,
    blocksHeld: 0,
    blocksDamaged: 0,
    subtreesSkipped: 0,
    entriesSkipped: 0,
    roundTrips: 0,
  }
  readonly #writer: VerifiedWriter
  readonly #format: Format

  constructor(writer: VerifiedWriter, format: Format) {
    this.#writer = writer
    this.#format = format
  }

  /**
   * Verifies `bytes` as the block of the place and keeps what it says; the places below it go onto `below`. `trips`: questions
   * that were answered one after the other until it was here.
   * @throws {CoppiceError} as {@link verifyAt}; nothing has changed then.
   */
  keep(place: Place, bytes: Uint8Array, isHashed: boolean, trips: number, below: PlaceStack): Verified {
    const verified = verifyAt(place, bytes, isHashed, this.#format)
    this.counts.roundTrips = Math.max(this.counts.roundTrips, trips)
    if (place.kind === 'value') this.#keepValue(place, verified as readonly Link[], trips, below)
    else this.#keepNode(place, bytes, verified as VerifiedNode, trips, below)
    return verified
  }

  /** Whether the record stands for all that the place wants; counted then, and recorded above. */
  reuse(place: Place, record: CompleteRecord): boolean {
    const { counts } = this
    if (place.kind === 'value') {
      // A record of another size leaves the verdict to the bytes.
      if (!mayReuseValue(record, place.block)) return false
      counts.bytes += record.bytes
      counts.bytesHere += record.bytes
      this.#completeValue(place)
      return true
    }
    if (!mayReuse(record, place.claim)) return false
    counts.subtreesSkipped++
    counts.entriesSkipped += record.entries
    counts.entries += record.entries
    counts.bytes += record.bytes
    counts.bytesHere += record.bytes
    this.#complete(place.parent?.completeChild(place.index, record.firstKey, record.spineClosed))
    return true
  }

  #keepNode(place: NodePlace, bytes: Uint8Array, verified: VerifiedNode, trips: number, below: PlaceStack): void {
    const { node } = verified
    this.counts.bytes += bytes.length
    const subtree = new Subtree(place.claim, verified, place.parent, place.index)
    if (node.level > 0) this.#expand(place.claim, node, subtree, trips, below)
    else this.#expandLeaf(node, subtree, trips, below)
    if (subtree.isComplete) this.#complete(subtree)
  }

  /** Children, the leftmost to be looked at first. */
  #expand(claim: NodeClaim, node: Node, parent: Subtree, trips: number, below: PlaceStack): void {
    parent.expect(node.length)
    for (let i = node.length - 1; i >= 0; i--) {
      below.push({ kind: 'node', claim: childClaim(node, i, claim), parent, index: i, trips })
    }
  }

  #expandLeaf(node: Node, parent: Subtree, trips: number, below: PlaceStack): void {
    this.counts.entries += node.length
    if (node.totalBytes === node.bytes.length) return
    for (let i = node.length - 1; i >= 0; i--) {
      if (node.isInline(i)) continue
      const ref = node.value(i)
      if (!isValueRef(ref)) continue
      parent.expect(1)
      const block = { link: ref.link, place: rootPlace(ref.size) }
      below.push({ kind: 'value', block, parent, index: i, trips })
    }
  }

  /** A leaf of a file, or the whole of a short value, is complete; the node of a file with its children. */
  #keepValue(place: ValuePlace, links: readonly Link[], trips: number, below: PlaceStack): void {
    const { block } = place
    if (links.length === 0) {
      this.counts.bytes += block.place.size
      this.#writer.putRecord(valueRecord(copyBytes(block.link), block.place))
      this.#completeValue(place)
      return
    }
    const parent = new FilePart(block, links.length, place.parent, place.index)
    for (let i = links.length - 1; i >= 0; i--) {
      const child = { link: links[i] as Link, place: childPlace(block.place, i) }
      below.push({ kind: 'value', block: child, parent, index: i, trips })
    }
  }

  #completeValue(place: ValuePlace): void {
    this.#complete(place.parent.completeChild(place.index, EMPTY_BYTES, false))
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
