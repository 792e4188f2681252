/**
 * A second implementation of which blocks a proof has (docs/spec/proof.md, 1 to 3), written from that page to be obviously
 * right: whole trees in memory, decoded by @ipld/dag-cbor, plain recursion, keys as hexadecimal text (which sorts as the
 * bytes do). It imports nothing of src/.
 */
import * as dagCbor from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { decodeReference, type ReferenceTree, type ReferenceValue } from './tree-reference.ts'

/** As in proof.md, 2, decoded. */
export type ReferenceQuestion =
  | readonly ['get', number, Uint8Array[]]
  | readonly ['scan', number, Uint8Array | null, Uint8Array | null, number | null, number]
  | readonly ['count', Uint8Array | null, Uint8Array | null]
  | readonly ['rank', Uint8Array]
  | readonly ['at', number, number]
  | readonly ['diff', number, CID, Uint8Array | null, Uint8Array | null, number]

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const hexOrNull = (bytes: Uint8Array | null): string | null => (bytes === null ? null : hexOf(bytes))

interface Item {
  readonly key: string
  /** The last key before it in the tree; null for the first. */
  readonly lower: string | null
  readonly count: number
  /** Of a child; a row has level -1. */
  readonly level: number
  readonly cid: string
  readonly value: ReferenceValue | undefined
}

/** Which blocks are asked for, each once, in order. */
class Shown {
  readonly blocks = new Map<string, Uint8Array>()
  readonly #trees: readonly ReferenceTree[]
  readonly #values: boolean

  constructor(trees: readonly ReferenceTree[], values: boolean) {
    this.#trees = trees
    this.#values = values
  }

  read(cid: string, lower: string | null): Item[] {
    const bytes = this.#bytes(cid, (tree) => tree.nodes)
    this.blocks.set(cid, bytes)
    const [level, keys, second, counts] = decodeReference(bytes)
    return keys.map((key, i) => ({
      key: hexOf(key),
      lower: i === 0 ? lower : hexOf(keys[i - 1] as Uint8Array),
      count: counts?.[i] ?? 1,
      level: level - 1,
      cid: level === 0 ? '' : String(second[i]),
      value: level === 0 ? (second[i] as ReferenceValue) : undefined,
    }))
  }

  root(tree: ReferenceTree): Item[] {
    return this.read(tree.root.toString(), null)
  }

  child(item: Item): Item[] {
    return this.read(item.cid, item.lower)
  }

  take(row: Item): void {
    if (!this.#values || !Array.isArray(row.value) || row.value[0].code !== 0x55) return
    const cid = row.value[0].toString()
    this.blocks.set(
      cid,
      this.#bytes(cid, (tree) => tree.values),
    )
  }

  #bytes(cid: string, of: (tree: ReferenceTree) => ReadonlyMap<string, Uint8Array>): Uint8Array {
    const bytes = this.#trees.map((tree) => of(tree).get(cid)).find((found) => found !== undefined)
    if (bytes === undefined) throw new Error(`expected block ${cid}`)
    return bytes
  }
}

function canHoldBelow(lower: string | null, end: string | null): boolean {
  if (end === null) return true
  return lower === null ? end !== '' : lower < end && end !== `${lower}00`
}

function get(shown: Shown, items: readonly Item[], keys: readonly string[]): void {
  for (const item of items) {
    const own = keys.filter((key) => key <= item.key && (item.lower === null || key > item.lower))
    if (own.length === 0) continue
    if (item.level >= 0) get(shown, shown.child(item), own)
    else if (own.includes(item.key)) shown.take(item)
  }
}

function scan(
  shown: Shown,
  top: readonly Item[],
  start: string | null,
  end: string | null,
  limit: number | null,
): void {
  let taken = 0
  const walk = (items: readonly Item[]): boolean => {
    for (const item of items) {
      if (start !== null && item.key < start) continue
      const isBelow = end === null || item.key < end
      if (item.level < 0 ? !isBelow : !canHoldBelow(item.lower, end)) return true
      if (isBelow && taken === limit) return true
      if (item.level >= 0) {
        if (walk(shown.child(item))) return true
        continue
      }
      shown.take(item)
      taken++
    }
    return false
  }
  walk(top)
}

function scanBack(
  shown: Shown,
  top: readonly Item[],
  start: string | null,
  end: string | null,
  limit: number | null,
): void {
  let taken = 0
  const walk = (items: readonly Item[]): boolean => {
    const first = end === null ? -1 : items.findIndex(({ key }) => key >= end)
    const through = first < 0 ? items.length : first + 1
    for (const item of items.slice(0, through).reverse()) {
      const isAbove = item.level < 0 ? end !== null && item.key >= end : !canHoldBelow(item.lower, end)
      if (start !== null && item.key < start) return true
      if (isAbove) continue
      if (taken === limit) return true
      if (item.level >= 0) {
        if (walk(shown.child(item))) return true
        continue
      }
      shown.take(item)
      taken++
    }
    return false
  }
  walk(top)
}

/** The path towards a key, for rank; for a bound of a count with `isBound`. */
function path(shown: Shown, top: readonly Item[], key: string, isBound: boolean): void {
  let items = top
  for (;;) {
    const next = items.find((item) => item.key >= key)
    if (next === undefined || next.level < 0 || next.key === key) return
    if (isBound && !canHoldBelow(next.lower, key)) return
    items = shown.child(next)
  }
}

function at(shown: Shown, top: readonly Item[], position: number): void {
  let left = position
  for (let items: readonly Item[] = top; ;) {
    let i = 0
    while (i < items.length && left >= (items[i] as Item).count) left -= (items[i++] as Item).count
    const item = items[i]
    if (item === undefined) return
    if (item.level < 0) return shown.take(item)
    items = shown.child(item)
  }
}

/** One side of a diff: what is left of it, the front first. */
interface Side {
  items: Item[]
  passed: string | null
}

function diff(
  shown: Shown,
  sides: readonly [Side, Side],
  start: string | null,
  end: string | null,
  limit: number,
): void {
  const [left, right] = sides
  let changes = 0
  const settle = (side: Side): void => {
    while (start !== null && side.items[0] !== undefined && side.items[0].key < start) pass(side)
    const [front] = side.items
    if (front === undefined) return
    const ends = front.level < 0 ? end !== null && front.key >= end : !canHoldBelow(front.lower, end)
    if (ends) side.items = []
  }
  const pass = (side: Side): Item => {
    const front = side.items.shift() as Item
    side.passed = front.key
    return front
  }
  const enter = (side: Side): void => {
    const front = side.items.shift() as Item
    side.items.unshift(...shown.child(front))
  }
  const isBefore = (a: Item, b: Item, other: Side): boolean =>
    a.level < 0 && b.level < 0 ? a.key < b.key : other.passed !== null && a.key <= other.passed
  const alone = (side: Side, front: Item): void => {
    if (front.level >= 0) return enter(side)
    shown.take(pass(side))
    changes++
  }
  while (changes < limit) {
    settle(left)
    settle(right)
    const [a, b] = [left.items[0], right.items[0]]
    if (a === undefined && b === undefined) return
    if (a !== undefined && (b === undefined || isBefore(a, b, right))) alone(left, a)
    else if (b !== undefined && (a === undefined || isBefore(b, a, left))) alone(right, b)
    else if (a === undefined || b === undefined) return
    else if (a.level < 0 && b.level < 0) {
      pass(left)
      pass(right)
      if (hexOf(dagCbor.encode(a.value)) === hexOf(dagCbor.encode(b.value))) continue
      shown.take(a)
      shown.take(b)
      changes++
    } else if (a.level >= 0 && a.cid === b.cid) {
      pass(left)
      pass(right)
    } else enter(a.level >= b.level ? left : right)
  }
}

/** The blocks of a proof, in order. */
export function referenceBlocks(question: ReferenceQuestion, tree: ReferenceTree, from?: ReferenceTree): Uint8Array[] {
  const carries = ['get', 'scan', 'at', 'diff'].includes(question[0]) && question[1] === 1
  const shown = new Shown(from === undefined ? [tree] : [tree, from], carries)
  const top = shown.root(tree)
  switch (question[0]) {
    case 'get':
      get(shown, top, question[2].map(hexOf))
      break
    case 'scan':
      ;(question[5] === 1 ? scanBack : scan)(shown, top, hexOrNull(question[2]), hexOrNull(question[3]), question[4])
      break
    case 'count':
      for (const bound of [question[1], question[2]]) if (bound !== null) path(shown, top, hexOf(bound), true)
      break
    case 'rank':
      path(shown, top, hexOf(question[1]), false)
      break
    case 'at':
      at(shown, top, question[2])
      break
    case 'diff': {
      if (from === undefined || from.root.equals(tree.root)) break
      const sides: [Side, Side] = [
        { items: shown.root(from), passed: null },
        { items: [...top], passed: null },
      ]
      diff(shown, sides, hexOrNull(question[3]), hexOrNull(question[4]), question[5])
    }
  }
  return [...shown.blocks.values()]
}

/** `roots` as in proof.md, 1. */
export function referenceProof(
  roots: readonly unknown[],
  question: ReferenceQuestion,
  blocks: readonly Uint8Array[],
): Uint8Array {
  return dagCbor.encode(['coppice/proof/1', roots, question, blocks])
}
