/**
 * Decoded nodes by link, from blocks of our own store, hashed as they enter the cache. A byte-bounded cache keeps what
 * was used last, in two generations: the younger takes what is read or found in the older, and becomes the older when it
 * has half of the bytes. A hit in the younger is one lookup; moving each hit to the end of one Map, as a plain LRU does,
 * made warm reads seven times slower.
 */
import { copyBytes } from '../bytes.ts'
import { BYTES_PER_TURN, eventLoopTurn } from '../event-loop.ts'
import { damagedBlock, requireHeld } from '../held-block.ts'
import type { Link } from '../link.ts'
import { LinkMap } from '../link-map.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader } from '../store/interface.ts'
import { DecodeFailure } from './cbor.ts'
import { Node } from './node.ts'

/** Bytes of decoded nodes kept by default. */
export const NODE_CACHE_BYTES: number = 32 * 1024 * 1024
/** Numbers and objects of a row, of a child and of a node, beside the block itself. */
const ROW_OVERHEAD_BYTES = 8
const CHILD_OVERHEAD_BYTES = 32
const NODE_OVERHEAD_BYTES = 400

export class NodeReader {
  readonly blocks: BlockReader
  /** Blocks asked of {@link blocks} so far: what tests and reports count. */
  blocksRead = 0
  readonly #capacity: number
  /** Used since the generations last changed. */
  #younger = new LinkMap<Node>()
  #older = new LinkMap<Node>()
  #youngerBytes = 0
  #generation = 0
  #bytesSinceTurn = 0

  constructor(blocks: BlockReader, cacheBytes: number = NODE_CACHE_BYTES) {
    this.blocks = blocks
    this.#capacity = cacheBytes
  }

  /**
   * The node, at once where it is at hand; now and then after a turn of the event loop, without which a long walk over a
   * store that answers at once could not be aborted.
   * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT` (held bytes that are not those of the link, or no node).
   */
  get(link: Link): MaybePromise<Node> {
    const young = this.#younger.get(link)
    if (young !== undefined) return young
    const old = this.#older.get(link)
    if (old !== undefined) {
      old.children = undefined
      this.#keep(link, old)
      return old
    }
    this.blocksRead++
    const bytes = this.blocks.get(link)
    return bytes instanceof Promise ? bytes.then((late) => this.#admit(link, late)) : this.#admit(link, bytes)
  }

  /**
   * Child `i` of a node that came from here; as {@link get} of its link. Children are remembered with the parent: on the
   * way down a large tree, a lookup misses the processor's caches several times. They are forgotten when the generations
   * change, so that a parent which is in use for long holds no more than the cache.
   */
  child(node: Node, i: number): MaybePromise<Node> {
    if (node.generation !== this.#generation) {
      node.generation = this.#generation
      node.children = undefined
    }
    const known = node.children?.[i]
    if (known !== undefined) return known
    const found = this.get(node.link(i))
    if (found instanceof Promise) return found
    node.children ??= Array<Node | undefined>(node.length)
    node.children[i] = found
    return found
  }

  #admit(link: Link, bytes: Uint8Array | undefined): MaybePromise<Node> {
    const node = decodeHeld(link, bytes)
    this.#keep(link, node)
    this.#bytesSinceTurn += node.bytes.length
    if (this.#bytesSinceTurn < BYTES_PER_TURN) return node
    this.#bytesSinceTurn = 0
    return eventLoopTurn().then(() => node)
  }

  #keep(link: Link, node: Node): void {
    const bytes = cost(node)
    if (this.#youngerBytes + bytes > this.#capacity / 2) {
      this.#older = this.#younger
      this.#younger = new LinkMap()
      this.#generation++
      this.#youngerBytes = 0
    }
    if (bytes > this.#capacity / 2) return
    // A copy: the link handed in is most often a view of the parent's block.
    this.#younger.set(copyBytes(link), node)
    this.#youngerBytes += bytes
  }
}

function cost(node: Node): number {
  const entryOverhead = node.level === 0 ? ROW_OVERHEAD_BYTES : CHILD_OVERHEAD_BYTES
  return node.bytes.length + node.length * entryOverhead + NODE_OVERHEAD_BYTES
}

function decodeHeld(link: Link, held: Uint8Array | undefined): Node {
  const bytes = requireHeld(link, held)
  try {
    return Node.decode(bytes)
  } catch (error) {
    if (error instanceof DecodeFailure) throw damagedBlock(link, error.message, error)
    throw error
  }
}
