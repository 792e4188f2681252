/**
 * Named trees that must be rejected, each with the rule of docs/spec/tree.md, 4 that fails first: what
 * scripts/make-tree-vectors.ts writes to test/vectors/tree-negative.json. Made with the reference implementation only.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { Forge, isLeaf, type Place } from './tree-forge.ts'
import {
  cidOf,
  REFERENCE_FORMAT_1,
  type ReferenceFormat,
  type ReferenceInner,
  type ReferenceLeaf,
  type ReferenceRow,
} from './tree-reference.ts'
import { vectorSet } from './vector-sets.ts'

const DEEP: ReferenceFormat = { targetBits: 6, chunkBytesMin: 16, chunkBytesMax: 256, inlineBytesMax: 24 }
const RAW = 0x55
const DAG_PB = 0x70
const DAG_CBOR = 0x71

export interface Negative {
  readonly name: string
  readonly format: ReferenceFormat
  readonly rule: number
  readonly root: CID
  readonly entries: number
  readonly bytes: number
  readonly blocks: ReadonlyMap<string, Uint8Array>
  readonly held: readonly CID[]
  readonly note?: string
}

interface Case {
  readonly rule: number
  readonly format?: ReferenceFormat
  readonly note?: string
  make(forge: Forge, format: ReferenceFormat): Made
}

interface Made {
  readonly root: CID
  /** The truth, unless given. */
  readonly entries?: number
  readonly bytes?: number
  readonly held?: readonly CID[]
}

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** 40 rows of the deep set: a tree of six levels or so. */
function rows(): readonly ReferenceRow[] {
  return vectorSet('deep-300').rows.slice(0, 40)
}

/** A root block of any bytes. */
function rawRoot(bytes: Uint8Array, entries = 1): Case['make'] {
  return (forge) => ({ root: forge.storeBytes(bytes), entries, bytes: bytes.length })
}

function honest(
  forge: Forge,
  format: ReferenceFormat,
): { root: CID; places: Place[]; leaves: Place[]; inner: Place[] } {
  const root = forge.addTree(rows(), format)
  const places = forge.places(root)
  return {
    root,
    places,
    leaves: places.filter(({ node }) => isLeaf(node)),
    inner: places.filter(({ node }) => !isLeaf(node)),
  }
}

function leafOf(place: Place | undefined): ReferenceLeaf {
  if (place === undefined || !isLeaf(place.node)) throw new Error('negative: expected a leaf')
  return place.node
}

function innerOf(place: Place | undefined): ReferenceInner {
  if (place === undefined || isLeaf(place.node)) throw new Error('negative: expected an internal node')
  return place.node
}

function required<T>(item: T | undefined): T {
  if (item === undefined) throw new Error('negative: the honest tree has no such place')
  return item
}

/** A leaf `[0, [61], [value]]` with that encoded value. */
function leafWithValue(encoded: string): Uint8Array {
  return hex(`83 00 81 41 61 81 ${encoded}`)
}

function cidHex(codec: number): string {
  return Buffer.from(cidOf(codec, utf8('x')).bytes).toString('hex')
}

const LINK = 'd8 2a 58 25 00'

const CASES: Readonly<Record<string, Case>> = {
  'bytes-of-another-block': {
    rule: 1,
    format: DEEP,
    make: (forge, format) => {
      const { root, leaves } = honest(forge, format)
      const truth = forge.ref(root)
      forge.blocks.set(required(leaves[1]).cid.toString(), encoded(leafOf(leaves[2])))
      return { root, entries: truth.entries, bytes: truth.bytes }
    },
  },
  'block-of-20-KiB-and-a-byte': {
    rule: 1,
    note: 'size comes before everything: the bytes would not decode either',
    make: rawRoot(new Uint8Array(20 * 1024 + 1)),
  },
  'no-bytes': { rule: 2, make: rawRoot(new Uint8Array(0)) },
  'depth-bomb': { rule: 2, make: rawRoot(new Uint8Array(4096).fill(0x81)) },
  'array-of-4-billion-keys': { rule: 2, make: rawRoot(hex('83 00 9a ff ff ff ff')) },
  'key-longer-than-the-block': { rule: 2, make: rawRoot(hex('83 00 81 5b 00 1f ff ff ff ff ff ff 61')) },
  'level-33': { rule: 2, make: rawRoot(hex('85 18 21 80 80 80 80')) },
  'leaf-of-5-elements': { rule: 2, make: rawRoot(hex('85 00 80 80 80 80')) },
  'internal-of-3-elements': { rule: 2, make: rawRoot(hex('83 01 80 80')) },
  'key-of-1025-bytes': {
    rule: 2,
    make: (forge) => ({ root: forge.store([0, [new Uint8Array(1025)], [new Uint8Array(0)]]) }),
  },
  'indefinite-byte-string': { rule: 2, make: rawRoot(leafWithValue('5f 41 31 ff')) },
  'value-true': { rule: 2, make: rawRoot(leafWithValue('f5')) },
  'value-integer': { rule: 2, make: rawRoot(leafWithValue('01')) },
  'value-of-one-element': { rule: 2, make: rawRoot(leafWithValue(`81 ${LINK} ${cidHex(RAW)}`)) },
  'value-of-three-elements': { rule: 2, make: rawRoot(leafWithValue(`83 ${LINK} ${cidHex(RAW)} 19 07d0 00`)) },
  'value-link-without-size': { rule: 2, make: rawRoot(leafWithValue(`${LINK} ${cidHex(RAW)}`)) },
  'value-link-to-a-node': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(DAG_CBOR)} 19 07d0`)) },
  'value-size-not-shortest': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(RAW)} 1a 000007d0`)) },
  'value-size-beyond-2^53': {
    rule: 2,
    make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(DAG_PB)} 1b 0020000000000000`)),
  },
  'value-size-bignum': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(RAW)} c2 42 07d0`)) },
  'value-size-negative': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(RAW)} 39 07cf`)) },
  'child-link-to-unixfs': {
    rule: 2,
    make: rawRoot(
      hex(`85 01 82 41 61 41 62 82 ${LINK} ${cidHex(DAG_PB)} ${LINK} ${cidHex(DAG_CBOR)} 82 01 01 82 08 08`),
      2,
    ),
  },
  'sum-of-counts-beyond-2^53': {
    rule: 2,
    make: rawRoot(
      hex(`85 01 82 41 61 41 62 82 ${`${LINK} ${cidHex(DAG_CBOR)} `.repeat(2)} 82 01 1b 001fffffffffffff 82 08 08`),
    ),
  },
  'sum-of-bytes-beyond-2^53': {
    rule: 2,
    make: rawRoot(
      hex(`85 01 82 41 61 41 62 82 ${`${LINK} ${cidHex(DAG_CBOR)} `.repeat(2)} 82 01 01 82 01 1b 001fffffffffffff`),
    ),
  },
  'child-of-its-parents-level': {
    rule: 3,
    format: DEEP,
    make: (forge, format) => {
      const { inner } = honest(forge, format)
      const place = required(inner.find(({ path, node }) => path.length === 1 && node[0] > 1))
      const [level, ...columns] = innerOf(place)
      return { root: forge.replace(place, forge.store([level + 1, ...columns])) }
    },
  },
  'held-leaf-two-levels-down': {
    rule: 3,
    format: DEEP,
    note: 'the last leaf stands where its parent stood: sound, held, and of the right key, count and bytes',
    make: (forge, format) => {
      const { root, places } = honest(forge, format)
      const leaf = required(places.at(-1))
      const parent = required(places.findLast(({ cid }) => cid === leaf.path.at(-2)?.node[2].at(-1)))
      return { root: forge.replace(parent, leaf.cid), held: [root] }
    },
  },
  'empty-internal-root': { rule: 4, make: rawRoot(hex('85 01 80 80 80 80'), 0) },
  'count-of-0-over-a-full-leaf': {
    rule: 4,
    format: DEEP,
    make: (forge, format) => {
      const place = required(honest(forge, format).inner.findLast(({ node }) => node[0] === 1))
      const [level, keys, links, counts, sizes] = innerOf(place)
      return { root: forge.replace(place, forge.store([level, keys, links, counts.with(0, 0), sizes])) }
    },
  },
  'prefix-after-its-extension': {
    rule: 5,
    make: (forge) => ({ root: forge.store([0, [utf8('ab'), utf8('a')], [utf8('1'), utf8('2')]]) }),
  },
  'children-swapped': {
    rule: 5,
    format: DEEP,
    make: (forge, format) => {
      const { root } = honest(forge, format)
      const [level, ...columns] = innerOf(forge.places(root)[0])
      const swapped = columns.map((column) => [column[1], column[0], ...column.slice(2)]) as typeof columns
      return { root: forge.store([level, ...swapped] as ReferenceInner) }
    },
  },
  'first-key-equals-the-lower-bound': {
    rule: 5,
    format: DEEP,
    make: (forge, format) => {
      const { leaves } = honest(forge, format)
      const before = required(leafOf(leaves[2])[1].at(-1))
      const [level, keys, values] = leafOf(leaves[3])
      return { root: forge.replace(required(leaves[3]), forge.store([level, keys.with(0, before), values])) }
    },
  },
  'held-subtree-below-a-raised-lower-bound': {
    rule: 5,
    format: DEEP,
    note: 'the last key of a leaf is raised above the first key of the next one, which is held, unchanged',
    make: (forge, format) => {
      const { root, leaves } = honest(forge, format)
      const [level, keys, values] = leafOf(leaves[2])
      const raised = required(leafOf(leaves[3])[1][0])
      const forged = forge.replace(required(leaves[2]), forge.store([level, keys.with(-1, raised), values]))
      return { root: forged, held: [root] }
    },
  },
  'inline-25-of-a-small-format': {
    rule: 6,
    format: DEEP,
    make: (forge) => ({ root: forge.store([0, [utf8('a')], [new Uint8Array(25)]]) }),
  },
  'empty-value-out-of-line': {
    rule: 6,
    make: (forge) => {
      forge.blocks.set(cidOf(RAW, new Uint8Array(0)).toString(), new Uint8Array(0))
      return { root: forge.store([0, [utf8('a')], [[cidOf(RAW, new Uint8Array(0)), 0]]]) }
    },
  },
  'leaf-joined-with-the-next': {
    rule: 7,
    format: DEEP,
    make: (forge, format) => {
      const { inner } = honest(forge, format)
      const place = required(inner.find(({ node }) => node[0] === 1 && node[1].length >= 2))
      const [level, keys, links] = innerOf(place)
      const [left, right] = links.map((link) => forge.load(link)) as [ReferenceLeaf, ReferenceLeaf]
      const joined = forge.store([0, [...left[1], ...right[1]], [...left[2], ...right[2]]])
      const { entries, bytes } = forge.totals(joined)
      const [, , , counts, sizes] = innerOf(place)
      const node: ReferenceInner = [
        level,
        keys.slice(1),
        [joined, ...links.slice(2)],
        [entries, ...counts.slice(2)],
        [bytes, ...sizes.slice(2)],
      ]
      return { root: forge.replace(place, forge.store(node)) }
    },
  },
  'internal-node-of-one-child-left-of-another': {
    rule: 7,
    format: DEEP,
    make: (forge, format) => {
      const { inner } = honest(forge, format)
      const place = required(inner.find(({ path, node }) => node[0] === 1 && path.length > 0))
      const [level, keys, links, counts, sizes] = innerOf(place)
      const single = forge.store([
        level,
        [required(keys.at(-1))],
        [required(links.at(-1))],
        [required(counts.at(-1))],
        [required(sizes.at(-1))],
      ])
      return { root: forge.replace(place, single) }
    },
  },
  'root-of-one-child-of-a-deep-tree': {
    rule: 7,
    format: DEEP,
    make: (forge, format) => {
      const { root } = honest(forge, format)
      const { level, last, entries, bytes } = forge.totals(root)
      return { root: forge.store([level + 1, [last], [root], [entries], [bytes]]), held: [root] }
    },
  },
  'held-right-edge-moved-left': {
    rule: 7,
    format: DEEP,
    note: 'the first child is the whole tree of the first rows: sound and held, but its right spine does not end at boundaries',
    make: (forge, format) => {
      const all = rows()
      const count = required(
        Array.from({ length: all.length - 9 }, (_, i) => i + 8).find(
          (n) => !endsClosed(forge, format, all.slice(0, n)),
        ),
      )
      const left = forge.addTree(all.slice(0, count), format)
      const { level } = forge.totals(left)
      const right = required(
        Array.from({ length: all.length - count - 1 }, (_, i) => all.slice(count, count + i + 1))
          .map((slice) => forge.addTree(slice, format))
          .find((root) => forge.totals(root).level === level),
      )
      const children = [left, right].map((cid) => ({ cid, ...forge.totals(cid) }))
      const node: ReferenceInner = [
        level + 1,
        children.map(({ last }) => last),
        [left, right],
        children.map(({ entries }) => entries),
        children.map(({ bytes }) => bytes),
      ]
      return { root: forge.store(node), held: [left, right] }
    },
  },
  'count-moved-between-two-children': {
    rule: 8,
    format: DEEP,
    note: 'the sum, and so every total above, is right',
    make: (forge, format) => {
      const place = required(honest(forge, format).inner.find(({ node }) => node[0] === 1 && (node[3][0] ?? 0) > 1))
      const [level, keys, links, counts, sizes] = innerOf(place)
      const moved = counts.with(0, required(counts[0]) - 1).with(1, required(counts[1]) + 1)
      return { root: forge.replace(place, forge.store([level, keys, links, moved, sizes])) }
    },
  },
  'bytes-without-an-out-of-line-value': {
    rule: 8,
    format: DEEP,
    make: (forge, format) => {
      const { leaves } = honest(forge, format)
      const leaf = required(
        leaves.find(({ node, path }) => path.length > 0 && leafOf({ node } as Place)[2].some(Array.isArray)),
      )
      const parent = required(leaf.path.at(-1))
      const [level, keys, links, counts, sizes] = parent.node
      const block = required(forge.blocks.get(leaf.cid.toString()))
      const node: ReferenceInner = [level, keys, links, counts, sizes.with(parent.index, block.length)]
      return { root: forge.replace({ path: leaf.path.slice(0, -1), cid: leaf.cid, node }, forge.store(node)) }
    },
  },
  'value-one-byte-shorter-than-its-size': {
    rule: 9,
    make: (forge) => {
      const value = new Uint8Array(1999).fill(0x78)
      const cid = cidOf(RAW, value)
      forge.blocks.set(cid.toString(), value)
      return { root: forge.store([0, [utf8('a')], [[cid, 2000]]]) }
    },
  },
  'value-of-raw-node-bytes-lies-about-its-size': {
    rule: 9,
    format: DEEP,
    note: 'the value holds the bytes of a node: what is held under that digest as a node proves nothing about it as a value',
    make: (forge, format) => {
      const { root, inner } = honest(forge, format)
      const bytes = required(forge.blocks.get(required(inner[1]).cid.toString()))
      const cid = cidOf(RAW, bytes)
      forge.blocks.set(cid.toString(), bytes)
      return { root: forge.store([0, [utf8('a')], [[cid, bytes.length + 1]]]), held: [root] }
    },
  },
}

function encoded(leaf: ReferenceLeaf): Uint8Array {
  return dagCbor.encode(leaf)
}

/** Whether the last leaf of the tree of `some` rows is one that a longer tree would have, too. */
function endsClosed(forge: Forge, format: ReferenceFormat, some: readonly ReferenceRow[]): boolean {
  const more = new Forge()
  const next = { key: Uint8Array.of(...required(some.at(-1)).key, 0), value: new Uint8Array(0) }
  more.addTree([...some, next], format)
  const last = required(forge.places(forge.addTree(some, format)).at(-1))
  return more.blocks.has(last.cid.toString())
}

/** Only what the root and the held trees reach, and only what is there. */
function reachable(forge: Forge, roots: readonly CID[]): Map<string, Uint8Array> {
  const out = new Map<string, Uint8Array>()
  const walk = (cid: CID): void => {
    const bytes = forge.blocks.get(cid.toString())
    if (bytes === undefined || out.has(cid.toString())) return
    out.set(cid.toString(), bytes)
    if (cid.code !== DAG_CBOR) return
    try {
      for (const [, link] of dagCborLinks(bytes)) walk(link)
    } catch {
      // Not DAG-CBOR: that is what the case is about.
    }
  }
  for (const root of roots) walk(root)
  return out
}

function dagCborLinks(bytes: Uint8Array): Map<string, CID> {
  const links = new Map<string, CID>()
  const search = (item: unknown): void => {
    if (Array.isArray(item)) for (const part of item) search(part)
    const cid = CID.asCID(item)
    if (cid !== null) links.set(cid.toString(), cid)
  }
  search(dagCbor.decode(bytes))
  return links
}

export function treeNegatives(): Negative[] {
  return Object.entries(CASES).map(([name, { rule, format = REFERENCE_FORMAT_1, note, make }]) => {
    const forge = new Forge()
    const { root, held = [], ...claimed } = make(forge, format)
    const truth = claimed.bytes === undefined ? forge.ref(root) : undefined
    return {
      name,
      format,
      rule,
      root,
      entries: claimed.entries ?? truth?.entries ?? 0,
      bytes: claimed.bytes ?? truth?.bytes ?? 0,
      blocks: reachable(forge, [root, ...held]),
      held,
      ...(note === undefined ? {} : { note }),
    }
  })
}
