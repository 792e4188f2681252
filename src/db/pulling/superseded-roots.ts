/**
 * Which blocks are root nodes of signed trees that are served no more (gateway.md, 2). A request over HTTP names a block and no
 * tree, so the window of served trees can be applied to their tops only; what is below belongs to many trees at once.
 */
import { isCoppiceError } from '../../errors.ts'
import { eventLoopTurn } from '../../event-loop.ts'
import { type Link, linkMapKey } from '../../link.ts'
import { hasNode, Tree } from '../../prolly/index.ts'
import { decodeOwn } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'
import type { ServedWindow } from './served-window.ts'

/** Of the log, between two turns of the event loop. */
const ENTRIES_PER_TURN = 1024

export class SupersededRoots {
  readonly #state: DatabaseState
  readonly #window: ServedWindow
  /** Roots of all trees of the log, some 100 bytes for each; empty until the first question. */
  readonly #signed = new Set<string>()
  #entriesRead = 0
  #reading: Promise<void> | undefined

  constructor(state: DatabaseState, window: ServedWindow) {
    this.#state = state
    this.#window = window
  }

  /** Whether it is such a root node. One that became a part of a tree that is served is none: readers of that tree need it. */
  async has(link: Link): Promise<boolean> {
    // One at a time: each entry is read once.
    this.#reading ??= this.#readLog().finally(() => (this.#reading = undefined))
    await this.#reading
    if (!this.#signed.has(linkMapKey(link)) || (await this.#window.serves(link))) return false
    return !(await this.#isPartOfServed(link))
  }

  async #readLog(): Promise<void> {
    const length = await this.#state.logLength()
    for (; this.#entriesRead < length; this.#entriesRead++) {
      const { root } = decodeOwn(await this.#state.logAt(this.#entriesRead)).payload
      this.#signed.add(linkMapKey(root))
      if (this.#entriesRead % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await eventLoopTurn()
    }
  }

  async #isPartOfServed(link: Link): Promise<boolean> {
    const { nodes } = this.#state
    const old = await ifHere(() => nodes.get(link))
    if (old?.lastKey === undefined) return false
    const { level, lastKey } = old
    for (const root of await this.#window.roots()) {
      const isPart = await ifHere(async () => await hasNode(await Tree.open(nodes, root), link, level, lastKey))
      if (isPart === true) return true
    }
    return false
  }
}

/** Undefined where blocks are lost or damaged here. */
async function ifHere<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isCoppiceError(error, 'BLOCK_MISSING') || isCoppiceError(error, 'STORE_CORRUPT')) return undefined
    throw error
  }
}
