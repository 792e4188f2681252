/**
 * Decoded nodes by link, from blocks of our own store, hashed as they enter the cache. A byte-bounded cache keeps what was used last, in two generations: the younger takes
 * what is read or found in the older, and becomes the older when it has half of the bytes. A hit in the younger is one
 * lookup; moving each hit to the end of one Map, as a plain LRU does, made warm reads seven times slower.
 */
import { type Link, linkMapKey } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader } from '../store/interface.ts'
import { DecodeFailure } from './cbor.ts'
import { damagedBlock, requireHeld } from './held-block.ts'
import { Node } from './node.ts'

/** Bytes of decoded nodes kept by default. */
export const NODE_CACHE_BYTES: number = 32 * 1024 * 1024
/** Offsets and objects of one entry and of one node, beside the block itself. */
const ENTRY_OVERHEAD_BYTES = 8
const NODE_OVERHEAD_BYTES = 400

export class NodeReader {
  readonly blocks: BlockReader
  /** Blocks asked of {@link blocks} so far: what tests and reports count. */
  blocksRead = 0
  readonly #capacity: number
  /** Used since the generations last changed. */
  #younger = new Map<string, Node>()
  #older: ReadonlyMap<string, Node> = new Map()
  #youngerBytes = 0

  constructor(blocks: BlockReader, cacheBytes: number = NODE_CACHE_BYTES) {
    this.blocks = blocks
    this.#capacity = cacheBytes
  }

  /**
   * The node, at once where it is at hand.
   * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT` (held bytes that are not those of the link, or no node).
   */
  get(link: Link): MaybePromise<Node> {
    const id = linkMapKey(link)
    const young = this.#younger.get(id)
    if (young !== undefined) return young
    const old = this.#older.get(id)
    if (old !== undefined) {
      this.#keep(id, old)
      return old
    }
    this.blocksRead++
    const bytes = this.blocks.get(link)
    return bytes instanceof Promise ? bytes.then((late) => this.#admit(id, link, late)) : this.#admit(id, link, bytes)
  }

  #admit(id: string, link: Link, bytes: Uint8Array | undefined): Node {
    const node = decodeHeld(link, bytes)
    this.#keep(id, node)
    return node
  }

  #keep(id: string, node: Node): void {
    const bytes = cost(node)
    if (this.#youngerBytes + bytes > this.#capacity / 2) {
      this.#older = this.#younger
      this.#younger = new Map()
      this.#youngerBytes = 0
    }
    if (bytes > this.#capacity / 2) return
    this.#younger.set(id, node)
    this.#youngerBytes += bytes
  }
}

function cost(node: Node): number {
  return node.bytes.length + node.length * ENTRY_OVERHEAD_BYTES + NODE_OVERHEAD_BYTES
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
