/** Trees and blocks byte for byte: the project's own vectors, and the shared ones where they are. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import { CODEC_DAG_CBOR, formatLink, linkCodec, linkMapKey, parseLink } from '../../src/link.ts'
import { buildTree, checkTree, editTree, FORMAT_1, Node, Tree } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { hex } from '../support/hex.ts'
import { type BlockVector, ownVectors, sharedVectors, type TreeVector } from '../support/tree-vectors.ts'
import { VECTOR_SETS, vectorSet } from '../support/vector-sets.ts'

const test = suite('prolly/vectors')
const own = ownVectors()
const shared = sharedVectors()

async function assertTree(vector: TreeVector): Promise<void> {
  const { name, root, levels, entries, bytes, nodes, maxNodeBytes } = vector
  const { format, rows } = vectorSet(name)
  assert.equal(vector.format ?? FORMAT_1, format, 'format')
  const blocks = new BlockMap()
  const ref = await buildTree(rows, blocks, { format })
  const report = await checkTree(blocks, ref, { format })
  assert.equal(report.problems, [], name)
  const sizes = [...blocks.map]
    .filter(([link]) => link.charCodeAt(1) === CODEC_DAG_CBOR)
    .map(([, block]) => block.length)
  const made = {
    name,
    root: formatLink(ref.root),
    levels: report.levels,
    entries: ref.entries,
    bytes: ref.bytes,
    nodes: sizes.length,
    maxNodeBytes: Math.max(...sizes),
  }
  assert.equal(made, { name, root, levels, entries, bytes, nodes, maxNodeBytes })
  assert.is(report.bytes, ref.bytes, 'every place counted, what lies below adds up to the total')
  assert.is(report.nodes, nodes)
  assert.is(report.entries, entries)
}

/** Odd rows first, then a batch with the even ones: the way edits make trees. */
async function assertEdited(name: string, root: string): Promise<void> {
  const { format, rows } = vectorSet(name)
  const blocks = new BlockMap()
  const half = await buildTree(
    rows.filter((_, i) => i % 2 === 1),
    blocks,
    { format },
  )
  const evens = rows.filter((_, i) => i % 2 === 0)
  const ref = await editTree(await Tree.open(blocks, half.root), evens, blocks, { format })
  assert.is(formatLink(ref.root), root, name)
}

async function assertBlock({ name, cid, hex: text }: BlockVector): Promise<void> {
  const bytes = hex(text)
  const set = name.replace(/ (root|first leaf)$/, '')
  const { format, rows } = vectorSet(set)
  const blocks = new BlockMap()
  await buildTree(rows, blocks, { format })
  const link = parseLink(cid)
  assert.is(linkCodec(link), CODEC_DAG_CBOR)
  const made = blocks.map.get(linkMapKey(link))
  assert.ok(made !== undefined && equalBytes(made, bytes), `${name}: the block of that CID`)
  assert.ok(Node.decode(bytes).length <= bytes.length)
}

test('every set has a vector', () => {
  assert.equal(
    own.trees.map(({ name }) => name),
    VECTOR_SETS,
  )
  assert.ok(
    own.trees.some(({ levels }) => levels >= 7),
    'one of them is deep',
  )
})

for (const vector of own.trees) {
  test(`tree ${vector.name}`, async () => assertTree(vector))
}
for (const { name, root } of own.trees) {
  test(`tree ${name}, edited into being`, async () => assertEdited(name, root))
}
for (const vector of own.blocks) {
  test(`block ${vector.name}`, async () => assertBlock(vector))
}

const sharedTest = shared === undefined ? test.skip : test
const reason = shared === undefined ? ' (skipped: no shared folder)' : ''
sharedTest(`shared trees are among our own, and equal${reason}`, () => {
  const vectors = shared?.trees ?? []
  assert.is(vectors.length, 13)
  for (const vector of vectors) {
    assert.equal(
      own.trees.find(({ name }) => name === vector.name),
      vector,
    )
  }
})
sharedTest(`shared blocks${reason}`, async () => {
  const vectors = shared?.blocks ?? []
  assert.is(vectors.length, 5)
  for (const vector of vectors) await assertBlock(vector)
})

test.run()
