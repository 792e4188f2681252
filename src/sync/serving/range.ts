/**
 * Answers to `get range`: whole subtrees in pre-order, the values of a leaf right after it, without what the base has
 * (protocol.md, 8 and 9). The base is looked at only where a block is sent: on the path to that block's place. So the cost follows what
 * is sent, and a bound on blocks read keeps a small question from causing a long walk; what is left is asked for again.
 */
import { isCoppiceError } from '../../errors.ts'
import { type Link, linkMapKey } from '../../link.ts'
import { hasNode, isValueRef, Node, NODE_BYTES_MAX, NodeReader, RAW_VALUE_BYTES_MAX, Tree } from '../../prolly/index.ts'
import { RANGE_BLOCKS_MAX, RANGE_READS_MAX } from '../limits.ts'
import type { GetRange, RangeAnswer } from '../wire/index.ts'
import { intact } from './blocks.ts'
import type { ServedTrees } from './served-trees.ts'

/** Blocks looked up together. */
const LOOKUP_BLOCKS = 32
/** Nodes of the base are read along one front: a few paths. */
const BASE_CACHE_BYTES: number = 2 * 1024 * 1024

/** Memory is the budget, one batch of lookups and the base's cache. @throws the signal's reason. */
export async function answerRange(
  { id, base, links, bytesMax }: GetRange,
  trees: ServedTrees,
  signal: AbortSignal,
): Promise<RangeAnswer> {
  const answer = new Answer(bytesMax, trees, await openBase(base, trees), signal)
  for (const link of links) {
    const record = await trees.store.getComplete(link)
    if (record === undefined || record.level < 0) continue
    if (await answer.isInBase(link, record.level, record.lastKey)) continue
    if (!(await answer.addNodes([{ link, bytes: record.bytes }]))) break
  }
  return { type: 'range', id, blocks: answer.blocks }
}

/** Undefined where the tree is not wholly here: nothing is left out then. */
async function openBase(base: Link | null, { store }: ServedTrees): Promise<Tree | undefined> {
  if (base === null || (await store.getComplete(base)) === undefined) return undefined
  try {
    return await Tree.open(new NodeReader(store, BASE_CACHE_BYTES), base)
  } catch (error) {
    if (isCoppiceError(error)) return undefined
    throw error
  }
}

/** A block to be sent, with what its parent says of its length and all below. */
interface Wanted {
  readonly link: Link
  readonly bytes: number
}

class Answer {
  readonly blocks: Uint8Array[] = []
  readonly #trees: ServedTrees
  readonly #signal: AbortSignal
  #base: Tree | undefined
  #room: number
  #reads = 0
  /** Values that were sent: one of many rows is sent once. */
  readonly #values = new Set<string>()

  constructor(room: number, trees: ServedTrees, base: Tree | undefined, signal: AbortSignal) {
    this.#room = room
    this.#trees = trees
    this.#base = base
    this.#signal = signal
  }

  get #isOver(): boolean {
    return this.#reads + (this.#base?.nodes.blocksRead ?? 0) >= RANGE_READS_MAX
  }

  /** Adds nodes of one level, each followed by all below it. False: the answer ends here. */
  async addNodes(nodes: readonly Wanted[]): Promise<boolean> {
    return await this.#each(nodes, NODE_BYTES_MAX, async (bytes) => {
      const node = Node.decode(bytes)
      if (node.level > 0) return await this.addNodes(await this.#childrenOf(node))
      if (node.totalBytes === node.bytes.length) return true
      return await this.#each(await this.#valuesOf(node), RAW_VALUE_BYTES_MAX)
    })
  }

  /** Reads blocks in batches and adds them one by one; `below` adds what follows each. What is not here is left out. */
  async #each(
    wanted: readonly Wanted[],
    bytesMax: number,
    below?: (bytes: Uint8Array) => Promise<boolean>,
  ): Promise<boolean> {
    for (let next = 0; next < wanted.length;) {
      if (this.#isOver) return false
      this.#signal.throwIfAborted()
      const batch = this.#batchOf(wanted, next, bytesMax)
      next += batch.length
      this.#reads += batch.length
      const links = batch.map(({ link }) => link)
      const found = this.#trees.store.getMany(links)
      const blocks = found instanceof Promise ? await found : found
      for (const [i, link] of links.entries()) {
        const bytes = intact(link, blocks[i], this.#trees)
        if (bytes === null) continue
        if (!this.#add(bytes)) return false
        if (below !== undefined && !(await below(bytes))) return false
      }
    }
    return true
  }

  /** As many as fit, and one: what a subtree has in all comes before the next of its level. */
  #batchOf(wanted: readonly Wanted[], start: number, bytesMax: number): Wanted[] {
    const batch: Wanted[] = []
    let room = this.#room
    for (let i = start; i < wanted.length && batch.length < LOOKUP_BLOCKS; i++) {
      const next = wanted[i] as Wanted
      if (batch.length > 0 && Math.min(next.bytes, bytesMax) > room) break
      batch.push(next)
      room -= next.bytes
    }
    return batch
  }

  #add(bytes: Uint8Array): boolean {
    if (this.blocks.length >= RANGE_BLOCKS_MAX) return false
    if (bytes.length > this.#room && this.blocks.length > 0) return false
    this.blocks.push(bytes)
    this.#room -= bytes.length
    return true
  }

  async #childrenOf(node: Node): Promise<Wanted[]> {
    const children: Wanted[] = []
    for (let i = 0; i < node.length; i++) {
      const link = node.link(i)
      if (this.#base !== undefined && (await this.isInBase(link, node.level - 1, node.key(i)))) continue
      children.push({ link, bytes: node.childBytes(i) })
    }
    return children
  }

  /** Values of one block each, but for those that came before and those of the same key in the base. */
  async #valuesOf(leaf: Node): Promise<Wanted[]> {
    const values: Wanted[] = []
    for (let i = 0; i < leaf.length; i++) {
      if (leaf.isInline(i)) continue
      const value = leaf.value(i)
      if (!isValueRef(value) || value.size > RAW_VALUE_BYTES_MAX) continue
      const key = linkMapKey(value.link)
      if (this.#values.has(key) || (await this.#hasValue(leaf.key(i), key))) continue
      this.#values.add(key)
      values.push({ link: value.link, bytes: value.size })
    }
    return values
  }

  async isInBase(link: Link, level: number, lastKey: Uint8Array): Promise<boolean> {
    return await this.#askBase(false, (base) => hasNode(base, link, level, lastKey))
  }

  async #hasValue(key: Uint8Array, linkKey: string): Promise<boolean> {
    const value = await this.#askBase(undefined, (base) => base.getValue(key))
    return value !== undefined && isValueRef(value) && linkMapKey(value.link) === linkKey
  }

  /** `none` where there is no base, or where its blocks are damaged here: then it is not asked again. */
  async #askBase<T>(none: T, ask: (base: Tree) => T | Promise<T>): Promise<T> {
    const base = this.#base
    if (base === undefined || this.#isOver) return none
    try {
      return await ask(base)
    } catch (error) {
      if (!isCoppiceError(error)) throw error
      this.#reads += base.nodes.blocksRead
      this.#base = undefined
      return none
    }
  }
}
