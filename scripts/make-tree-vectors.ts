/**
 * Writes test/vectors/tree.json, tree-negative.json and tree-changes.json: node scripts/make-tree-vectors.ts
 * With --check writes nothing, and exits 1 where the files hold something else.
 *
 * Nothing of src/ takes part: the trees come from test/support/tree-reference.ts, the sets from test/support/vector-sets.ts,
 * what they hold beyond 1 MiB from the importer of IPFS. What the files hold and how the sets are made is told in docs/spec/tree.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { CID } from 'multiformats/cid'
import { treeNegatives } from '../test/support/tree-negatives.ts'
import {
  REFERENCE_FORMAT_1,
  type ReferenceFormat,
  type ReferenceRow,
  type ReferenceTree,
  referenceTree,
} from '../test/support/tree-reference.ts'
import { referenceFile } from '../test/support/unixfs-reference.ts'
import { VECTOR_SETS, vectorSet } from '../test/support/vector-sets.ts'
import { boundaries } from './tree-vectors/boundaries.ts'
import { positions, sequences } from './tree-vectors/changes.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Left out for version 1. */
function formatField(format: ReferenceFormat): { format?: ReferenceFormat } {
  return format === REFERENCE_FORMAT_1 ? {} : { format }
}

function describe(name: string, format: ReferenceFormat, tree: ReferenceTree): object {
  const { root, levels, entries, bytes, nodes, maxNodeBytes } = tree
  return {
    name,
    ...formatField(format),
    root: root.toString(),
    levels,
    entries,
    bytes,
    nodes: nodes.size,
    maxNodeBytes,
  }
}

/** The root block of each small set, and the first leaf and the root of the deep one. */
function describeBlocks(name: string, tree: ReferenceTree): object[] {
  const [first] = tree.nodes
  const root = tree.root.toString()
  const found = [{ name: `${name} root`, cid: root, bytes: tree.nodes.get(root) }]
  if (tree.levels > 1 && first !== undefined) found.push({ name: `${name} first leaf`, cid: first[0], bytes: first[1] })
  return found.flatMap(({ bytes, ...block }) => (bytes === undefined ? [] : [{ ...block, hex: hex(bytes) }]))
}

const BLOCKS_OF = [
  'empty',
  'one',
  'empty-key-and-value',
  'head-widths',
  'times-5000',
  'equal-large-values-50',
  'deep-300',
]

/** The CIDs of values that no raw block may hold. */
async function filesOf(rows: readonly ReferenceRow[]): Promise<Map<Uint8Array, CID>> {
  const files = new Map<Uint8Array, CID>()
  for (const { value } of rows) {
    if (value.length > 1024 * 1024) files.set(value, (await referenceFile([value])).root)
  }
  return files
}

async function makeTrees(): Promise<object> {
  const trees: object[] = []
  const blocks: object[] = []
  for (const name of VECTOR_SETS) {
    const { format, rows } = vectorSet(name)
    const tree = referenceTree(rows, format, await filesOf(rows))
    trees.push(describe(name, format, tree))
    if (BLOCKS_OF.includes(name)) blocks.push(...describeBlocks(name, tree))
  }
  return { trees, blocks, boundaries: boundaries() }
}

function makeNegatives(): object[] {
  return treeNegatives().map(({ name, format, rule, root, entries, bytes, blocks, held, note }) => ({
    name,
    ...formatField(format),
    rule,
    root: root.toString(),
    entries,
    bytes,
    blocks: Object.fromEntries([...blocks].map(([cid, block]) => [cid, hex(block)])),
    ...(held.length === 0 ? {} : { held: held.map(String) }),
    ...(note === undefined ? {} : { note }),
  }))
}

/** One line per vector: short diffs. */
function toText(content: object): string {
  const list = (items: readonly object[]): string => `[\n${items.map((item) => JSON.stringify(item)).join(',\n')}\n]`
  if (Array.isArray(content)) return `${list(content as object[])}\n`
  const parts = Object.entries(content).map(([name, items]) => `${JSON.stringify(name)}: ${list(items as object[])}`)
  return `{\n${parts.join(',\n')}\n}\n`
}

const isCheck = process.argv.includes('--check')
for (const [name, content] of [
  ['tree.json', await makeTrees()],
  ['tree-negative.json', makeNegatives()],
  ['tree-changes.json', { sequences: sequences(), positions: positions() }],
] as const) {
  const url = new URL(`../test/vectors/${name}`, import.meta.url)
  const text = toText(content)
  if (!isCheck) writeFileSync(url, text)
  else if (readFileSync(url, 'utf8') !== text) {
    console.error(`${name}: expected what this script makes, got something else`)
    process.exitCode = 1
  }
}
