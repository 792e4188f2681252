/** The cache of decoded nodes: what was used last is at hand, what it may hold is bounded in bytes. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Link } from '../../src/link.ts'
import { type Node, NodeReader, Tree } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { treeOf, u32be, WIDE } from '../support/tree-sets.ts'

const test = suite('prolly/node-reader')

const rows = Array.from({ length: 4000 }, (_, i) => ({ key: u32be(i), value: new Uint8Array(60).fill(i) }))

async function leafLinks(blocks: BlockMap): Promise<Link[]> {
  const tree = await treeOf(rows, undefined, blocks)
  const links: Link[] = []
  const walk = async (link: Link): Promise<void> => {
    const node = await tree.nodes.get(link)
    if (node.level === 0) links.push(link)
    else for (let i = 0; i < node.length; i++) await walk(node.link(i))
  }
  await walk(tree.ref.root)
  return links
}

test('a node is read once while it is held', async () => {
  const blocks = new BlockMap()
  const links = await leafLinks(blocks)
  const reader = new NodeReader(blocks)
  for (let round = 0; round < 3; round++) for (const link of links) await reader.get(link)
  assert.is(reader.blocksRead, links.length)
})

test('a small cache keeps what was used last and drops what was not', async () => {
  const blocks = new BlockMap()
  const links = await leafLinks(blocks)
  assert.ok(links.length > 40)
  const [hot, ...others] = links as [Link, ...Link[]]
  // Room for some eight nodes of about 3.7 KB with their offsets, at least half of them the last used.
  const reader = new NodeReader(blocks, 32 * 1024)
  for (const link of others) {
    await reader.get(hot)
    await reader.get(link)
  }
  assert.is(reader.blocksRead, links.length, 'the hot node was read once')
  await reader.get(others.at(-1) as Link)
  await reader.get(others.at(-3) as Link)
  assert.is(reader.blocksRead, links.length, 'the last few are at hand')
  for (const link of others.slice(0, -12)) await reader.get(link)
  assert.is(reader.blocksRead, 2 * links.length - 1 - 12, 'the others were dropped')
})

test('children that a node remembers are at hand, and no longer than in the cache', async () => {
  const blocks = new BlockMap()
  const { ref } = await treeOf(rows, undefined, blocks)
  const leaves = (await leafLinks(blocks)).length
  /** Blocks read to get every row, each from the root down. */
  const readAll = async (tree: Tree): Promise<number> => {
    const before = tree.nodes.blocksRead
    for (const { key, value } of rows) assert.is((await tree.get(key))?.[0], value[0])
    return tree.nodes.blocksRead - before
  }
  const roomy = await Tree.open(new NodeReader(blocks), ref.root)
  assert.ok((await readAll(roomy)) >= leaves)
  assert.is(await readAll(roomy), 0)
  const tight = await Tree.open(new NodeReader(blocks, 60 * 1024), ref.root)
  // Inner nodes are used all the time and so stay; what they remembered of leaves that were dropped is gone with those.
  for (let round = 0; round < 3; round++) assert.ok((await readAll(tight)) >= leaves - 16)
})

/** Bytes of the nodes that can be reached from `node` by what is remembered. */
function remembered(node: Node): number {
  const children = (node.children ?? []).filter((child) => child !== undefined)
  return children.reduce((sum, child) => sum + remembered(child), node.bytes.length)
}

test('a long walk holds no more than the cache and what is below one node on the way', async () => {
  const blocks = new BlockMap()
  const { ref } = await treeOf(rows, WIDE, blocks)
  const reader = new NodeReader(blocks, 32 * 1024)
  const tree = await Tree.open(reader, ref.root)
  const root = await reader.get(ref.root)
  assert.ok(root.level >= 3)
  const widest = Math.max(...Array.from({ length: root.length }, (_, i) => root.childBytes(i)))
  let most = 0
  for await (const _ of tree.leaves()) most = Math.max(most, remembered(root))
  const bound = 32 * 1024 + widest
  assert.ok(bound < ref.bytes / 2, `${widest} of ${ref.bytes} bytes below one child`)
  assert.ok(most <= bound, `${most} of ${ref.bytes} bytes, at most ${bound} expected`)
})

test('a node that stays in use as a whole forgets the children of which nobody asks', async () => {
  const blocks = new BlockMap()
  const { ref } = await treeOf(rows, undefined, blocks)
  const links = await leafLinks(blocks)
  const reader = new NodeReader(blocks, 60 * 1024)
  const root = await reader.get(ref.root)
  await reader.child(root, 0)
  assert.ok(remembered(root) > root.bytes.length)
  for (const link of links) {
    await reader.get(link)
    assert.is(await reader.get(ref.root), root)
  }
  assert.is(remembered(root), root.bytes.length)
})

test('a node larger than the cache is still given', async () => {
  const blocks = new BlockMap()
  const [first] = await leafLinks(blocks)
  const reader = new NodeReader(blocks, 100)
  for (let i = 1; i <= 3; i++) {
    assert.ok((await reader.get(first as Link)).length > 0)
    assert.is(reader.blocksRead, i)
  }
})

test.run()
