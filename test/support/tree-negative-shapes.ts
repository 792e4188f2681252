/** Trees of sound blocks in the wrong place, order, number or size: rules 3 to 9 of docs/spec/tree.md, 4. */
import {
  type Case,
  DEEP,
  honest,
  innerOf,
  leafOf,
  RAW,
  rawRoot,
  required,
  rows,
  utf8,
  hex,
} from './tree-negative-case.ts'
import { Forge, type Place } from './tree-forge.ts'
import {
  cidOf,
  type ReferenceFormat,
  type ReferenceInner,
  type ReferenceLeaf,
  type ReferenceRow,
} from './tree-reference.ts'

export const SHAPE_CASES: Readonly<Record<string, Case>> = {
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

/** Whether the last leaf of the tree of `some` rows is one that a longer tree would have, too. */
function endsClosed(forge: Forge, format: ReferenceFormat, some: readonly ReferenceRow[]): boolean {
  const more = new Forge()
  const next = { key: Uint8Array.of(...required(some.at(-1)).key, 0), value: new Uint8Array(0) }
  more.addTree([...some, next], format)
  const last = required(forge.places(forge.addTree(some, format)).at(-1))
  return more.blocks.has(last.cid.toString())
}
