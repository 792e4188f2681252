/**
 * Finds what states need. Every node is read and hashed: all of the first state, of each further one what differs from one
 * that was marked before. So what is missing or damaged below a state that is to be kept is found before anything is
 * removed. Values up to 1 MiB are looked up, not read. Memory is one path, two small caches and the {@link MarkSet}.
 */
import { isCoppiceError } from '../../errors.ts'
import { requireHeld } from '../../held-block.ts'
import type { Link } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { diffTrees, isValueRef, type Node, NodeReader, Tree, type ValueRef } from '../../prolly/index.ts'
import type { BlockReader, Store } from '../../store/interface.ts'
import { type FileBlock, heldLinks, rootPlace, walkFile } from '../../unixfs/index.ts'
import type { MarkSet } from './mark-set.ts'

/** Of nodes: both walks go from left to right and come back to none but those above. */
const CACHE_BYTES: number = 1024 * 1024

export interface Pace {
  /** To be called for each block; a promise gives others a turn, and rejects when the work is to end. */
  step(): MaybePromise<void>
}

export class Marker {
  readonly #store: Store
  readonly #marks: MarkSet
  readonly #pace: Pace
  readonly #marking: BlockReader
  readonly #reading: BlockReader
  /** A state that is marked as a whole. */
  #base: Link | undefined

  constructor(store: Store, marks: MarkSet, pace: Pace) {
    this.#store = store
    this.#marks = marks
    this.#pace = pace
    this.#marking = this.#reader(true)
    this.#reading = this.#reader(false)
  }

  /** Marks all that the state needs. @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`. */
  async markState(root: Link): Promise<void> {
    const tree = await this.#open(this.#marking, root)
    if (this.#base === undefined) await this.#markTree(tree)
    else {
      const base = await this.#open(this.#reading, this.#base)
      for await (const change of diffTrees(base, tree)) {
        if (change.type !== 'remove' && isValueRef(change.to)) await this.#markValue(change.to)
      }
    }
    this.#base = root
  }

  /**
   * Marks what is here of a state that is not complete. What is recorded as complete has to be; what else is missing or
   * damaged is to be fetched again.
   * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`.
   */
  async markPart(root: Link): Promise<void> {
    // Below what is marked, all that is here is marked.
    if (this.#marks.has(root)) return
    if ((await this.#store.getComplete(root)) !== undefined) {
      await this.#markTree(await this.#open(this.#marking, root))
      return
    }
    const node = await this.#nodeIfSound(root)
    if (node === undefined) return
    this.#marks.add(root)
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) {
        await this.markPart(node.link(i))
        continue
      }
      const value = node.value(i)
      if (isValueRef(value)) await this.#markPartOfValue(value)
    }
  }

  #open(reader: BlockReader, root: Link): Promise<Tree> {
    return Tree.open(new NodeReader(reader, CACHE_BYTES), root)
  }

  /** Reads the store, and marks what is read where `isMarking`. */
  #reader(isMarking: boolean): BlockReader {
    const get = (link: Link): MaybePromise<Uint8Array | undefined> => this.#read(link, isMarking)
    return { get, getMany: (links) => Promise.all(links.map(async (link) => await get(link))) }
  }

  #read(link: Link, isMarked: boolean): MaybePromise<Uint8Array | undefined> {
    if (isMarked) this.#marks.add(link)
    const turn = this.#pace.step()
    return turn instanceof Promise ? turn.then(() => this.#store.get(link)) : this.#store.get(link)
  }

  async #markTree(tree: Tree): Promise<void> {
    for await (const { leaf } of tree.leaves()) {
      for (let i = 0; i < leaf.length; i++) {
        const value = leaf.value(i)
        if (isValueRef(value)) await this.#markValue(value)
      }
    }
  }

  async #markValue(value: ValueRef): Promise<void> {
    for await (const { link, place } of walkFile(value, heldLinks(this.#marking))) {
      // Nodes of files are marked as they are read.
      if (place.height > 0) continue
      const turn = this.#pace.step()
      if (turn instanceof Promise) await turn
      if (!(await this.#store.has(link))) requireHeld(link, undefined)
      this.#marks.add(link)
    }
  }

  async #markPartOfValue(value: ValueRef): Promise<void> {
    const held = heldLinks(this.#reading)
    const linksOf = async (block: FileBlock): Promise<readonly Link[]> => {
      try {
        return await held(block)
      } catch (error) {
        if (!isDamage(error) || (await this.#store.getComplete(block.link)) !== undefined) throw error
        return []
      }
    }
    if (rootPlace(value.size).height > 0 && !(await this.#store.has(value.link))) return
    for await (const { link } of walkFile(value, linksOf)) if (await this.#store.has(link)) this.#marks.add(link)
  }

  async #nodeIfSound(link: Link): Promise<Node | undefined> {
    try {
      return await new NodeReader(this.#reading, 0).get(link)
    } catch (error) {
      if (isDamage(error)) return undefined
      throw error
    }
  }
}

function isDamage(error: unknown): boolean {
  return isCoppiceError(error, 'BLOCK_MISSING') || isCoppiceError(error, 'STORE_CORRUPT')
}
