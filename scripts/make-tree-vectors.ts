/**
 * Writes test/vectors/tree.json and tree-negative.json: node scripts/make-tree-vectors.ts
 * With --check writes nothing, and exits 1 where the files hold something else.
 *
 * Nothing of src/ takes part: the trees come from test/support/tree-reference.ts, the sets from
 * test/support/vector-sets.ts. What the files hold and how the sets are made is told in docs/spec/tree.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { treeNegatives } from '../test/support/tree-negatives.ts'
import {
  REFERENCE_FORMAT_1,
  referenceCloses,
  type ReferenceFormat,
  type ReferenceTree,
  referenceTree,
  referenceXxh32,
} from '../test/support/tree-reference.ts'
import { quickHash, u32be, VECTOR_SETS, vectorSet } from '../test/support/vector-sets.ts'
import { Random } from '../test/support/random.ts'

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

/** Decisions where they are close: `x` is searched until the next byte more or less would turn the answer. */
function boundaries(): object[] {
  const random = new Random(1)
  const out: object[] = []
  for (let i = 0; i < 120; i++) {
    const level = random.pick([0, 0, 1, 2, 7, 32])
    const key = random.bytes(random.between(0, 40))
    const e = random.between(1, 1200)
    const n = random.between(1, 40)
    const decide = (x: number): boolean => referenceCloses(REFERENCE_FORMAT_1, level, n, x, e, key)
    let low = 1024
    let high = 16384
    while (low < high) {
      const middle = (low + high) >> 1
      if (decide(middle)) high = middle
      else low = middle + 1
    }
    for (const x of [low - 1, low]) {
      out.push({ level, key: hex(key), n, x, e, h: referenceXxh32(key, level), closes: decide(x) })
    }
  }
  return out
}

/** A tie: with x = 2048 both sides are equal where h = e * 2^19. Equal is no boundary; one byte of e more is. */
function tie(): object[] {
  let i = 0
  while (quickHash(i) % 2 ** 19 !== 0 || quickHash(i) / 2 ** 19 > 2000 || quickHash(i) === 0) i++
  const key = u32be(i)
  const h = referenceXxh32(key, 0)
  return [0, 1].map((more) => {
    const e = h / 2 ** 19 + more
    const closes = referenceCloses(REFERENCE_FORMAT_1, 0, 2, 2048, e, key)
    return { level: 0, key: hex(key), n: 2, x: 2048, e, h, closes }
  })
}

function makeTrees(): object {
  const trees: object[] = []
  const blocks: object[] = []
  for (const name of VECTOR_SETS) {
    const { format, rows } = vectorSet(name)
    const tree = referenceTree(rows, format)
    trees.push(describe(name, format, tree))
    if (BLOCKS_OF.includes(name)) blocks.push(...describeBlocks(name, tree))
  }
  return { trees, blocks, boundaries: [...boundaries(), ...tie()] }
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
  ['tree.json', makeTrees()],
  ['tree-negative.json', makeNegatives()],
] as const) {
  const url = new URL(`../test/vectors/${name}`, import.meta.url)
  const text = toText(content)
  if (!isCheck) writeFileSync(url, text)
  else if (readFileSync(url, 'utf8') !== text) {
    console.error(`${name}: expected what this script makes, got something else`)
    process.exitCode = 1
  }
}
