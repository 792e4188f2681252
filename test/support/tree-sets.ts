/** Formats with small chunks, rows to put into them, and trees of such rows. */
import { compareBytes, equalBytes } from '../../src/bytes.ts'
import { formatLink, linkMapKey } from '../../src/link.ts'
import {
  buildTree,
  type Edit,
  type Entry,
  type Format,
  FORMAT_1,
  isValueRef,
  Node,
  NodeReader,
  type Put,
  Tree,
  type TreeRef,
} from '../../src/prolly/index.ts'
import { BlockMap } from './blocks.ts'
import type { Random } from './random.ts'

/** A few rows per leaf, two children per internal node: the deepest trees. */
export const DEEP: Format = { targetBits: 6, chunkBytesMin: 16, chunkBytesMax: 256, inlineBytesMax: 24 }
/** Internal nodes of two to eight children, so that boundaries move on every level. */
export const WIDE: Format = { targetBits: 8, chunkBytesMin: 64, chunkBytesMax: 1024, inlineBytesMax: 24 }

export const FORMATS: readonly (readonly [name: string, format: Format])[] = [
  ['deep', DEEP],
  ['wide', WIDE],
  ['format 1', FORMAT_1],
]

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function u32be(n: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, n)
  return out
}

export function sortRows<T extends { readonly key: Uint8Array }>(rows: readonly T[]): T[] {
  return [...rows].sort((a, b) => compareBytes(a.key, b.key))
}

/** So many rows of distinct keys, sorted; with short keys, keys that are prefixes of others, and values on both sides of inline. */
export function randomRows(random: Random, count: number, format: Format = FORMAT_1): Put[] {
  const rows = new Map<string, Put>()
  const longest = random.chance(0.2) ? 40 : 6
  while (rows.size < count) {
    const key = random.bytes(random.between(count > 200 ? 3 : 0, longest))
    rows.set(linkMapKey(key), { key, value: randomValue(random, format) })
  }
  return sortRows([...rows.values()])
}

function randomValue(random: Random, format: Format): Uint8Array {
  const most = random.chance(0.05) ? format.inlineBytesMax * 2 : Math.min(format.inlineBytesMax, 60)
  return random.bytes(random.between(0, most))
}

/** Edits of about `count` keys, sorted: puts of new keys, changes, equal puts, deletes of present and absent keys. */
export function randomEdits(random: Random, rows: readonly Put[], count: number, format: Format): Edit[] {
  const edits = new Map<string, Edit>()
  for (let i = 0; i < count; i++) {
    const known = rows.length > 0 && random.chance(0.7) ? random.pick(rows) : undefined
    const key = known?.key ?? random.bytes(random.between(0, 6))
    const value = random.chance(0.4) ? null : random.chance(0.1) && known ? known.value : randomValue(random, format)
    edits.set(linkMapKey(key), { key, value })
  }
  return sortRows([...edits.values()])
}

/** The rows after the edits, by a Map and a sort. */
export function applyEdits(rows: readonly Put[], edits: readonly Edit[]): Put[] {
  const all = new Map(rows.map((row) => [linkMapKey(row.key), row]))
  for (const { key, value } of edits) {
    if (value === null) all.delete(linkMapKey(key))
    else all.set(linkMapKey(key), { key, value })
  }
  return sortRows([...all.values()])
}

/** A tree in a Map of its own, or in `blocks`. */
export async function treeOf(
  rows: readonly Put[],
  format: Format = FORMAT_1,
  blocks: BlockMap = new BlockMap(),
): Promise<Tree> {
  const ref = await buildTree(rows, blocks, { format })
  return await Tree.open(blocks, ref.root)
}

/** The same tree read anew: nothing cached, `nodes.blocksRead` at 0 and counting. */
export async function reopened(tree: Tree): Promise<Tree> {
  const fresh = await Tree.open(new NodeReader(tree.nodes.blocks), tree.ref.root)
  fresh.nodes.blocksRead = 0
  return fresh
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = []
  for await (const item of items) out.push(item)
  return out
}

/** Rows with their values read in, so that they compare with what was put. */
export async function readRows(tree: Tree, entries: AsyncIterable<Entry>): Promise<Put[]> {
  const out: Put[] = []
  for await (const { key, value } of entries) out.push({ key, value: await tree.readValue(value) })
  return out
}

export function equalRows(a: readonly Put[], b: readonly Put[]): boolean {
  return a.length === b.length && a.every((row, i) => isEqualRow(row, b[i]))
}

function isEqualRow(a: Put, b: Put | undefined): boolean {
  return b !== undefined && equalBytes(a.key, b.key) && equalBytes(a.value, b.value)
}

export function refText(ref: TreeRef): string {
  return `${formatLink(ref.root)} entries ${ref.entries} bytes ${ref.bytes}`
}

/** Map keys of the links of all nodes (and, with `values`, out-of-line values) of a tree. */
export async function blockSet(tree: Tree, values = false): Promise<Set<string>> {
  const out = new Set<string>()
  const walk = async (link: Uint8Array): Promise<void> => {
    out.add(linkMapKey(link))
    const bytes = await tree.nodes.blocks.get(link)
    if (bytes === undefined) throw new Error(`block ${formatLink(link)} is missing`)
    const node = Node.decode(bytes)
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) await walk(node.link(i))
      else if (values) {
        const value = node.value(i)
        if (isValueRef(value)) out.add(linkMapKey(value.link))
      }
    }
  }
  await walk(tree.ref.root)
  return out
}

/** Links in `a` that are not in `b`. */
export function countMissing(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let count = 0
  for (const link of a) if (!b.has(link)) count++
  return count
}

export async function* asyncOf<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item)
}
