/**
 * The difference of two trees as an ordered stream. Both are walked from the left at once; where the fronts are the
 * same subtree (equal links are equal content), both sides skip it unread. Two trees of equal rows are equal trees, so
 * what is read is the changed paths, whatever the size of the rest.
 */
import { compareBytes, equalBytes } from '../bytes.ts'
import type { Link } from '../link.ts'
import { equalValues, type Node, type Value } from './node.ts'
import type { NodeReader } from './node-reader.ts'
import type { KeyRange } from './range.ts'
import type { Tree } from './tree.ts'

export type Change =
  | { readonly type: 'add'; readonly key: Uint8Array; readonly to: Value }
  | { readonly type: 'remove'; readonly key: Uint8Array; readonly from: Value }
  | { readonly type: 'update'; readonly key: Uint8Array; readonly from: Value; readonly to: Value }

export interface DiffOptions extends KeyRange {
  readonly signal?: AbortSignal | undefined
}

/** The changes that turn `from` into `to`, in key order. */
export async function* diffTrees(
  from: Tree,
  to: Tree,
  options: DiffOptions = {},
): AsyncGenerator<Change, void, undefined> {
  const left = new Front(from.nodes, from.ref.root, from.level, options)
  const right = new Front(to.nodes, to.ref.root, to.level, options)
  for (;;) {
    options.signal?.throwIfAborted()
    left.settle()
    right.settle()
    if (left.isDone && right.isDone) return
    if (left.isDone || right.isDone) {
      if (left.isDone ? right.isRow : left.isRow) yield left.isDone ? right.takeAdded() : left.takeRemoved()
      else await (left.isDone ? right : left).enter()
      continue
    }
    if (left.isRow && right.isRow) {
      const order = compareBytes(left.key, right.key)
      if (order < 0) yield left.takeRemoved()
      else if (order > 0) yield right.takeAdded()
      else {
        const change = { type: 'update', key: right.key, from: left.value, to: right.value } as const
        left.advance()
        right.advance()
        if (!equalValues(change.from, change.to)) yield change
      }
    } else if (!left.isRow && !right.isRow && equalBytes(left.link, right.link)) {
      left.advance()
      right.advance()
    } else if (right.lower !== undefined && compareBytes(left.key, right.lower) <= 0) {
      // All of the left front lies before the right one: it is gone as a whole, whatever it holds.
      if (left.isRow) yield left.takeRemoved()
      else await left.enter()
    } else if (left.lower !== undefined && compareBytes(right.key, left.lower) <= 0) {
      if (right.isRow) yield right.takeAdded()
      else await right.enter()
    } else {
      // The higher front may hold the lower one's equal further down; equal levels are entered together.
      const difference = left.level - right.level
      if (difference >= 0) await left.enter()
      if (difference <= 0) await right.enter()
    }
  }
}

interface Step {
  readonly node: Node
  index: number
}

/** Level of a row as a front: below every node. */
const ROW_LEVEL = -1

/** One side of the walk: what stands at its left edge, either a subtree not yet read or a row. */
class Front {
  readonly #nodes: NodeReader
  readonly #range: KeyRange
  readonly #path: Step[] = []
  /** The root before it is entered, then undefined. */
  #unread: { readonly link: Link; readonly level: number } | undefined
  /** The last key passed: all that is left lies above it. */
  #lower: Uint8Array | undefined

  constructor(nodes: NodeReader, root: Link, level: number, range: KeyRange) {
    this.#nodes = nodes
    this.#range = range
    this.#unread = { link: root, level }
  }

  get isDone(): boolean {
    return this.#unread === undefined && this.#path.length === 0
  }

  get #step(): Step {
    return this.#path.at(-1) as Step
  }

  get isRow(): boolean {
    return this.level === ROW_LEVEL
  }

  /** Of the subtree at the front, or {@link ROW_LEVEL}. */
  get level(): number {
    return this.#unread === undefined ? this.#step.node.level - 1 : this.#unread.level
  }

  get link(): Link {
    return this.#unread === undefined ? this.#step.node.link(this.#step.index) : this.#unread.link
  }

  /** The row's key, or the last key of the subtree; of the whole unread tree, something above every key. */
  get key(): Uint8Array {
    return this.#unread === undefined ? this.#step.node.key(this.#step.index) : ABOVE_EVERY_KEY
  }

  get value(): Value {
    return this.#step.node.value(this.#step.index)
  }

  get lower(): Uint8Array | undefined {
    return this.#lower
  }

  /** Leaves finished nodes behind, and what lies outside the range. */
  settle(): void {
    const { start, end } = this.#range
    while (this.#unread === undefined && this.#path.length > 0) {
      const { node, index } = this.#step
      if (index === node.length) {
        this.#path.pop()
        if (this.#path.length > 0) this.#step.index++
      } else if (start !== undefined && node.compareKey(index, start) < 0) {
        this.advance()
      } else {
        if (this.#isBeyond(end)) this.#path.length = 0
        return
      }
    }
  }

  #isBeyond(end: Uint8Array | undefined): boolean {
    if (end === undefined) return false
    if (this.isRow) return compareBytes(this.key, end) >= 0
    return this.#lower !== undefined && compareBytes(this.#lower, end) >= 0
  }

  /** Passes what stands at the front. */
  advance(): void {
    if (this.#unread !== undefined) {
      this.#unread = undefined
      return
    }
    this.#lower = this.key
    this.#step.index++
  }

  /** Reads the subtree at the front; its first child or row is the front then. */
  async enter(): Promise<void> {
    const found = this.#nodes.get(this.link)
    const node = found instanceof Promise ? await found : found
    this.#unread = undefined
    this.#path.push({ node, index: 0 })
  }

  takeRemoved(): Change {
    const change = { type: 'remove', key: this.key, from: this.value } as const
    this.advance()
    return change
  }

  takeAdded(): Change {
    const change = { type: 'add', key: this.key, to: this.value } as const
    this.advance()
    return change
  }
}

/** Longer than any key and of the highest bytes. */
const ABOVE_EVERY_KEY: Uint8Array = new Uint8Array(1025).fill(0xff)
