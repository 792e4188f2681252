/**
 * Trees that look signed and are not canonical: an honest tree with a lie at one place, every link, count and length
 * above it made right again, as an author who forges would. Made by the reference implementation, not by src/.
 */
import { CID } from 'multiformats/cid'
import type { Link } from '../../src/link.ts'
import type { Format, Put, TreeRef } from '../../src/prolly/index.ts'
import type { Random } from './random.ts'
import {
  cidOf,
  decodeReference,
  encodeReference,
  type ReferenceInner,
  type ReferenceLeaf,
  type ReferenceNode,
  referenceTree,
} from './tree-reference.ts'

const DAG_CBOR = 0x71

/** What a node says of itself: what an honest parent would say of it. */
export interface Totals {
  readonly level: number
  readonly last: Uint8Array
  readonly entries: number
  readonly bytes: number
}

/** One step down: an internal node and which of its children. */
interface Step {
  readonly node: ReferenceInner
  readonly index: number
}

/** A place in a tree: the node and the way to it from the root. */
export interface Place {
  readonly path: readonly Step[]
  readonly cid: CID
  readonly node: ReferenceNode
}

export class Forge {
  readonly blocks: Map<string, Uint8Array> = new Map()

  get(link: Link): Uint8Array | undefined {
    return this.blocks.get(CID.decode(link).toString())
  }

  /** An honest tree's blocks; gives its root. */
  addTree(rows: readonly Put[], format: Format): CID {
    const tree = referenceTree(rows, format)
    for (const [cid, bytes] of [...tree.nodes, ...tree.values]) this.blocks.set(cid, bytes)
    return tree.root
  }

  load(cid: CID): ReferenceNode {
    const bytes = this.blocks.get(cid.toString())
    if (bytes === undefined) throw new Error(`forge: no block ${cid.toString()}`)
    return decodeReference(bytes)
  }

  store(node: ReferenceNode): CID {
    return this.storeBytes(encodeReference(node))
  }

  storeBytes(bytes: Uint8Array): CID {
    const cid = cidOf(DAG_CBOR, bytes)
    this.blocks.set(cid.toString(), bytes)
    return cid
  }

  totals(cid: CID): Totals {
    const node = this.load(cid)
    const own = this.blocks.get(cid.toString())?.length ?? 0
    const last = node[1].at(-1) ?? new Uint8Array(0)
    if (isLeaf(node)) {
      const outOfLine = node[2].reduce((sum, value) => sum + (Array.isArray(value) ? value[1] : 0), 0)
      return { level: 0, last, entries: node[1].length, bytes: own + outOfLine }
    }
    return { level: node[0], last, entries: total(node[3]), bytes: own + total(node[4]) }
  }

  /** As a signed root would name it, telling the truth. */
  ref(root: CID): TreeRef {
    const { entries, bytes } = this.totals(root)
    return { root: root.bytes, entries, bytes }
  }

  /** All nodes, the root first. */
  places(root: CID): Place[] {
    const out: Place[] = []
    const walk = (cid: CID, path: readonly Step[]): void => {
      const node = this.load(cid)
      out.push({ path, cid, node })
      if (isLeaf(node)) return
      for (const [index, child] of node[2].entries()) walk(child, [...path, { node, index }])
    }
    walk(root, [])
    return out
  }

  /** The root with another node at a place, links, counts and lengths above made right; keys too, unless told to keep them. */
  replace(place: Place, by: CID, keepKeys = false): CID {
    return place.path.reduceRight((below, { node, index }) => this.#withChild(node, index, below, keepKeys), by)
  }

  #withChild(node: ReferenceInner, index: number, child: CID, keepKeys: boolean): CID {
    const { last, entries, bytes } = this.totals(child)
    const [level, keys, links, counts, sizes] = node
    const key = keepKeys ? (keys[index] as Uint8Array) : last
    return this.store([
      level,
      keys.with(index, key),
      links.with(index, child),
      counts.with(index, entries),
      sizes.with(index, bytes),
    ])
  }
}

export function isLeaf(node: ReferenceNode): node is ReferenceLeaf {
  return node[0] === 0
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0)
}

type Forgery = (random: Random, forge: Forge, root: CID, donors: readonly Place[]) => TreeRef | undefined

/** Takes entry `i` out of every column, or puts the entries of `items` there instead. */
function spliceEntries<N extends ReferenceNode>(node: N, at: number, remove: number, from?: N, begin = 0, end = 0): N {
  const columns: readonly unknown[] = node
  return columns.map((column, c) => {
    if (!Array.isArray(column)) return column
    const items: readonly unknown[] = column
    const inserted = from === undefined ? [] : (from[c] as unknown[]).slice(begin, end)
    return items.toSpliced(at, remove, ...inserted)
  }) as unknown as N
}

function inner(place: Place): place is Place & { readonly node: ReferenceInner } {
  return !isLeaf(place.node)
}

/** An entry for `cid` as the only one of an internal node one level above it. */
function asParent(forge: Forge, cid: CID): ReferenceInner {
  const { level, last, entries, bytes } = forge.totals(cid)
  return [level + 1, [last], [cid], [entries], [bytes]]
}

const forgeries: Readonly<Record<string, Forgery>> = {
  /** An honest subtree of any place, and of another tree, under another parent. */
  spliceSubtree(random, forge, root, donors) {
    const parents = forge.places(root).filter(inner)
    if (parents.length === 0) return undefined
    const parent = random.pick(parents)
    const level = random.chance(0.95) ? parent.node[0] - 1 : random.below(parent.node[0] + 1)
    const fitting = donors.filter(({ node }) => node[0] === level)
    if (fitting.length === 0) return undefined
    const donor = asParent(forge, random.pick(fitting).cid)
    const at = random.below(parent.node[1].length + 1)
    const node = spliceEntries(parent.node, at, random.below(2), donor, 0, 1)
    return forge.ref(forge.replace(parent, forge.store(node)))
  },

  /** As above, put where its keys fit: order holds, so that only boundaries can tell. */
  spliceInOrder(random, forge, root, donors) {
    const parents = forge.places(root).filter(inner)
    if (parents.length === 0) return undefined
    const parent = random.pick(parents)
    const fitting = donors.filter(({ node }) => node[0] === parent.node[0] - 1)
    if (fitting.length === 0) return undefined
    const donor = asParent(forge, random.pick(fitting).cid)
    const last = donor[1][0] as Uint8Array
    const above = parent.node[1].findIndex((key) => Buffer.compare(key, last) >= 0)
    const at = above < 0 ? parent.node[1].length : above
    const replaces = above >= 0 && (Buffer.compare(parent.node[1][at] as Uint8Array, last) === 0 || random.chance(0.5))
    const node = spliceEntries(parent.node, at, replaces ? 1 : 0, donor, 0, 1)
    return forge.ref(forge.replace(parent, forge.store(node), random.chance(0.2)))
  },

  /** A key moved up past the first key right of it, so that what stands right, unchanged, is no longer above it. */
  shiftLowerBound(random, forge, root) {
    const leaves = forge.places(root).filter(({ node }) => isLeaf(node) && node[1].length > 0)
    if (leaves.length < 2) return undefined
    const i = random.below(leaves.length - 1)
    const left = leaves[i] as Place
    const right = leaves[i + 1] as Place
    const [, keys, values] = left.node as ReferenceLeaf
    const key = random.pick(right.node[1])
    const node: ReferenceLeaf = [0, keys.with(-1, key), values]
    return forge.ref(forge.replace(left, forge.store(node), random.chance(0.2)))
  },

  dropEntry(random, forge, root) {
    const place = random.pick(forge.places(root))
    if (place.node[1].length === 0) return undefined
    const node = spliceEntries(place.node, random.below(place.node[1].length), 1)
    return forge.ref(forge.replace(place, forge.store(node), random.chance(0.2)))
  },

  repeatOrSwapEntries(random, forge, root) {
    const place = random.pick(forge.places(root))
    const { length } = place.node[1]
    if (length < 2) return undefined
    const at = random.below(length - 1)
    const repeated = random.chance(0.5)
    const first = spliceEntries(place.node, at, repeated ? 0 : 1)
    const node = repeated
      ? spliceEntries(first, at, 0, place.node, at, at + 1)
      : spliceEntries(first, at + 1, 0, place.node, at, at + 1)
    return forge.ref(forge.replace(place, forge.store(node)))
  },

  /** A node cut in two, or two into one: the same rows in another tree. */
  cutOrJoin(random, forge, root) {
    const parents = forge.places(root).filter(inner)
    if (parents.length === 0) return undefined
    const parent = random.pick(parents)
    const at = random.below(parent.node[1].length)
    const child = forge.load(parent.node[2][at] as CID)
    const next = parent.node[2][at + 1]
    if (next !== undefined && random.chance(0.5)) {
      const right = forge.load(next)
      const joined = spliceEntries(child, child[1].length, 0, right, 0, right[1].length)
      const node = spliceEntries(parent.node, at, 2, asParent(forge, forge.store(joined)), 0, 1)
      return forge.ref(forge.replace(parent, forge.store(node)))
    }
    if (child[1].length < 2) return undefined
    const middle = random.between(1, child[1].length - 1)
    const halves = [spliceEntries(child, middle, child[1].length), spliceEntries(child, 0, middle)]
    const entries = halves.map((half) => asParent(forge, forge.store(half)))
    const [left, right] = entries as [ReferenceInner, ReferenceInner]
    const node = spliceEntries(spliceEntries(parent.node, at, 1, right, 0, 1), at, 0, left, 0, 1)
    return forge.ref(forge.replace(parent, forge.store(node)))
  },

  /** A level of one node more than there is, or of one less. */
  raiseOrLowerRoot(random, forge, root) {
    const node = forge.load(root)
    if (random.chance(0.5) || isLeaf(node)) return forge.ref(forge.store(asParent(forge, root)))
    return forge.ref(random.pick(node[2]))
  },

  wrongNumber(random, forge, root) {
    const parents = forge.places(root).filter(inner)
    if (parents.length === 0) return undefined
    const parent = random.pick(parents)
    const column = random.chance(0.5) ? 3 : 4
    const at = random.below(parent.node[1].length)
    const numbers = parent.node[column]
    const wrong = numbers.with(at, Math.max(0, (numbers[at] as number) + random.pick([-2, -1, 1, 2])))
    const node = parent.node.with(column, wrong) as ReferenceInner
    return forge.ref(forge.replace(parent, forge.store(node)))
  },

  wrongTotals(random, forge, root) {
    const { entries, bytes, ...ref } = forge.ref(root)
    const entriesOff = random.pick([-1, 0, 1])
    return { ...ref, entries: entries + entriesOff, bytes: bytes + (entriesOff === 0 ? random.pick([-1, 1]) : 0) }
  },

  /** Another size for an out-of-line value, and for all above it. */
  wrongSize(random, forge, root) {
    const leaves = forge.places(root).filter(({ node }) => isLeaf(node) && node[2].some(Array.isArray))
    if (leaves.length === 0) return undefined
    const place = random.pick(leaves)
    const [level, keys, values] = place.node as ReferenceLeaf
    const at = values.findIndex(Array.isArray)
    const [cid, size] = values[at] as [CID, number]
    const node: ReferenceLeaf = [level, keys, values.with(at, [cid, size + random.pick([-1, 1, 1 << 21])])]
    return forge.ref(forge.replace(place, forge.store(node)))
  },

  /** Any bytes changed, the hashes above made right. */
  flipBytes(random, forge, root) {
    const place = random.pick(forge.places(root))
    const bytes = Uint8Array.from(forge.blocks.get(place.cid.toString()) ?? [])
    for (let i = random.below(3); i >= 0; i--) bytes[random.below(bytes.length)] = random.below(256)
    const cid = forge.storeBytes(bytes)
    if (place.path.length === 0) return { ...forge.ref(root), root: cid.bytes }
    const { node, index } = place.path.at(-1) as Step
    const parent = node.with(2, node[2].with(index, cid)) as ReferenceInner
    const parentPlace: Place = { path: place.path.slice(0, -1), cid: place.cid, node }
    return forge.ref(forge.replace(parentPlace, forge.store(parent)))
  },
}

export const FORGERIES: readonly string[] = Object.keys(forgeries)

/** A forgery of that kind of the tree under `root`, with subtrees of `donors` where it needs any; undefined where the tree has no place for it. */
export function forgeTree(
  kind: string,
  random: Random,
  forge: Forge,
  root: CID,
  donors: readonly Place[],
): TreeRef | undefined {
  const make = forgeries[kind]
  if (make === undefined) throw new RangeError(`forgery: ${kind} is unknown`)
  return make(random, forge, root, donors)
}
