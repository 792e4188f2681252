/**
 * Decoded nodes by link, from blocks that are already verified: the store checks each block once, before it is
 * held, so nothing is hashed here. A byte-bounded cache keeps what was used last.
 */
import { CoppiceError } from '../errors.ts'
import { formatLink, type Link, linkMapKey } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader } from '../store/interface.ts'
import { DecodeFailure } from './cbor.ts'
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
  /** In order of last use, the oldest first. */
  readonly #cache = new Map<string, Node>()
  #cachedBytes = 0

  constructor(blocks: BlockReader, cacheBytes: number = NODE_CACHE_BYTES) {
    this.blocks = blocks
    this.#capacity = cacheBytes
  }

  /**
   * The node, at once where it is at hand.
   * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT` (held bytes that are no node).
   */
  get(link: Link): MaybePromise<Node> {
    const id = linkMapKey(link)
    const cached = this.#cache.get(id)
    if (cached !== undefined) {
      this.#cache.delete(id)
      this.#cache.set(id, cached)
      return cached
    }
    this.blocksRead++
    const bytes = this.blocks.get(link)
    return bytes instanceof Promise ? bytes.then((late) => this.#admit(id, link, late)) : this.#admit(id, link, bytes)
  }

  #admit(id: string, link: Link, bytes: Uint8Array | undefined): Node {
    if (bytes === undefined) {
      const cid = formatLink(link)
      throw new CoppiceError(
        'BLOCK_MISSING',
        `block ${cid}: expected it in the store, got nothing; verify the database`,
        {
          details: { cid },
        },
      )
    }
    const node = decodeHeld(link, bytes)
    this.#cache.set(id, node)
    this.#cachedBytes += cost(node)
    for (const [oldest, evicted] of this.#cache) {
      if (this.#cachedBytes <= this.#capacity) break
      this.#cache.delete(oldest)
      this.#cachedBytes -= cost(evicted)
    }
    return node
  }
}

function cost(node: Node): number {
  return node.bytes.length + node.length * ENTRY_OVERHEAD_BYTES + NODE_OVERHEAD_BYTES
}

function decodeHeld(link: Link, bytes: Uint8Array): Node {
  try {
    return Node.decode(bytes)
  } catch (error) {
    if (!(error instanceof DecodeFailure)) throw error
    const cid = formatLink(link)
    throw new CoppiceError(
      'STORE_CORRUPT',
      `block ${cid}: ${error.message}; the store is damaged, verify the database`,
      {
        cause: error,
        details: { cid },
      },
    )
  }
}
