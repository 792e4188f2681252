/**
 * Which blocks are root nodes of signed trees that are served no more (gateway.md, 2). A request over HTTP names a block and no
 * tree, so the window of served trees can be applied to their tops only; what is below belongs to many trees at once. Of a log
 * without end the newest roots are remembered: an older one's node is given by its record, as any other node is.
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
/** Of the log's newest, some 7 MB: what an author who publishes every minute signs in six weeks. */
const ROOTS_MAX = 65_536

export class SupersededRoots {
  readonly #state: DatabaseState
  readonly #window: ServedWindow
  readonly #rootsMax: number
  /** Roots of the trees of the log's newest entries, the oldest first, some 100 bytes for each; empty until the first question. */
  readonly #signed = new Set<string>()
  #entriesRead = 0
  #reading: Promise<void> | undefined

  /** @param rootsMax tests only */
  constructor(state: DatabaseState, window: ServedWindow, rootsMax: number = ROOTS_MAX) {
    this.#state = state
    this.#window = window
    this.#rootsMax = rootsMax
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
    this.#entriesRead = Math.max(this.#entriesRead, length - this.#rootsMax)
    for (; this.#entriesRead < length; this.#entriesRead++) {
      const { root } = decodeOwn(await this.#state.logAt(this.#entriesRead)).payload
      const key = linkMapKey(root)
      // A tree that is signed again is as new as its newest root.
      this.#signed.delete(key)
      this.#signed.add(key)
      if (this.#signed.size > this.#rootsMax) this.#forgetOldest()
      if (this.#entriesRead % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await eventLoopTurn()
    }
  }

  #forgetOldest(): void {
    for (const key of this.#signed) {
      this.#signed.delete(key)
      return
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
