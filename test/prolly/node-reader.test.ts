/** The cache of decoded nodes: what was used last is at hand, what it may hold is bounded in bytes. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Link } from '../../src/link.ts'
import { NodeReader } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { treeOf, u32be } from '../support/tree-sets.ts'

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
