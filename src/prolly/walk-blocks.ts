/**
 * The blocks of a state in pre-order: a node, then what is below each of its children; a row's value with its leaf. This is the
 * depth-first order of IPFS tools, and one in which a reader can verify each block when it comes. Memory is one path,
 * whatever the size of the tree.
 */
import type { BlockReader } from '../store/interface.ts'
import { equalBytes } from '../bytes.ts'
import { BYTES_PER_TURN, eventLoopTurn } from '../event-loop.ts'
import { damagedBlock, requireHeld } from '../held-block.ts'
import type { Block, Link } from '../link.ts'
import { childPlace, type FileBlock, type FilePlace, heldLinks, placeId, rootPlace } from '../unixfs/index.ts'
import { DecodeFailure } from './cbor.ts'
import { hasNode } from './has-node.ts'
import { isValueRef, Node, type ValueRef } from './node.ts'
import type { Tree } from './tree.ts'

export interface WalkOptions {
  /**
   * What this tree has is left out, unread: its nodes, and values that stand under the same key there, or parts of them at the
   * same place. (An equal value under another key is not found.)
   */
  readonly base?: Tree | undefined
  /** Blocks of values that came before and are still remembered: they are left out with all below. Without, each comes at each of its places. */
  readonly seen?: SeenValues | undefined
  /** Of a file: only blocks with bytes from `start` up to `end`. */
  readonly range?: { readonly start: number; readonly end: number } | undefined
  readonly signal?: AbortSignal | undefined
}

/** A block that is to come, with what the base has in its place. */
type Step =
  | { readonly kind: 'node'; readonly link: Link }
  | { readonly kind: 'value'; readonly block: FileBlock; readonly before: FileBlock | undefined }

/**
 * The blocks of a tree, or of the subtree below a node.
 * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`; the signal's reason.
 */
export function walkTree(blocks: BlockReader, root: Link, options: WalkOptions = {}): AsyncGenerator<Block, void> {
  const isSame = options.base !== undefined && equalBytes(options.base.ref.root, root)
  return new Walk(blocks, options).run(isSame ? [] : [{ kind: 'node', link: root }])
}

/** The blocks of a value, or of a part of its file. @throws as {@link walkTree}. */
export function walkValue(
  blocks: BlockReader,
  block: FileBlock,
  options: WalkOptions = {},
): AsyncGenerator<Block, void> {
  return new Walk(blocks, options).run([{ kind: 'value', block, before: undefined }])
}

/** Which blocks of values came before. Bounded: beyond it forgets all, and blocks may come again. */
export class SeenValues {
  readonly #max: number
  readonly #ids = new Set<string>()

  constructor(max: number) {
    this.#max = max
  }

  /** Whether it came before; from now on it has. */
  see(block: FileBlock): boolean {
    const id = placeId(block)
    if (this.#ids.has(id)) return true
    if (this.#ids.size >= this.#max) this.#ids.clear()
    this.#ids.add(id)
    return false
  }
}

class Walk {
  readonly #blocks: BlockReader
  readonly #options: WalkOptions
  readonly #fileLinks: (node: FileBlock) => Promise<readonly Link[]>

  constructor(blocks: BlockReader, options: WalkOptions) {
    this.#blocks = blocks
    this.#options = options
    this.#fileLinks = heldLinks(blocks)
  }

  async *run(stack: Step[]): AsyncGenerator<Block, void> {
    const { seen, signal } = this.#options
    let sinceTurn = 0
    for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
      signal?.throwIfAborted()
      if (step.kind === 'value' && seen?.see(step.block) === true) continue
      const link = step.kind === 'node' ? step.link : step.block.link
      const bytes = requireHeld(link, await this.#blocks.get(link))
      yield { link, bytes }
      const children = step.kind === 'node' ? await this.#below(link, bytes) : await this.#parts(step)
      for (let i = children.length - 1; i >= 0; i--) stack.push(children[i] as Step)
      sinceTurn += bytes.length
      if (sinceTurn >= BYTES_PER_TURN) {
        sinceTurn = 0
        await eventLoopTurn()
      }
    }
  }

  async #below(link: Link, bytes: Uint8Array): Promise<Step[]> {
    const node = decodeHeld(link, bytes)
    const steps: Step[] = []
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) {
        if (!(await this.#hasNode(node, i))) steps.push({ kind: 'node', link: node.link(i) })
        continue
      }
      const value = node.value(i)
      if (!isValueRef(value)) continue
      const before = await this.#valueBefore(node.key(i))
      if (before === undefined || !equalBytes(before.link, value.link))
        steps.push({ kind: 'value', block: fileOf(value), before })
    }
    return steps
  }

  async #hasNode(parent: Node, i: number): Promise<boolean> {
    const { base } = this.#options
    return base !== undefined && (await hasNode(base, parent.link(i), parent.level - 1, parent.key(i)))
  }

  async #valueBefore(key: Uint8Array): Promise<FileBlock | undefined> {
    const value = await this.#options.base?.getValue(key)
    return value !== undefined && isValueRef(value) ? fileOf(value) : undefined
  }

  /** What is below a block of a value, but for what stands at the same place in the file that was there before. */
  async #parts({ block, before }: Extract<Step, { kind: 'value' }>): Promise<Step[]> {
    if (block.place.height === 0) return []
    const links = await this.#fileLinks(block)
    const old = before !== undefined && before.place.height === block.place.height ? await this.#fileLinks(before) : []
    return links.flatMap((link, i): Step[] => {
      const place = childPlace(block.place, i)
      if (!this.#isWanted(place)) return []
      const known = old[i]
      if (known !== undefined && equalBytes(known, link)) return []
      const oldPart =
        before === undefined || known === undefined ? undefined : { link: known, place: childPlace(before.place, i) }
      return [{ kind: 'value', block: { link, place }, before: oldPart }]
    })
  }

  #isWanted({ offset, size }: FilePlace): boolean {
    const { range } = this.#options
    return range === undefined || (offset < range.end && offset + size > range.start)
  }
}

function fileOf({ link, size }: ValueRef): FileBlock {
  return { link, place: rootPlace(size) }
}

function decodeHeld(link: Link, bytes: Uint8Array): Node {
  try {
    return Node.decode(bytes)
  } catch (error) {
    if (error instanceof DecodeFailure) throw damagedBlock(link, error.message, error)
    throw error
  }
}
