/** The shape of a tree adds up to its signed totals. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildTree, measureTree, Tree } from '../../src/prolly/index.ts'
import { MemoryStore, Staging } from '../../src/store/index.ts'

const test = suite('prolly/measure')

async function treeOf(count: number, valueBytes: number): Promise<Tree> {
  const store = new MemoryStore()
  const staging = new Staging(store)
  const entries = Array.from({ length: count }, (_, i) => {
    const value = new Uint8Array(i % 10 === 0 ? valueBytes : 100)
    return { key: new TextEncoder().encode(String(i).padStart(8, '0')), value }
  })
  const { root } = await buildTree(entries, staging)
  await staging.commit()
  return await Tree.open(store, root)
}

for (const [count, valueBytes] of [
  [0, 0],
  [1, 5000],
  [5000, 2000],
] as const) {
  test(`${count} entries`, async () => {
    const tree = await treeOf(count, valueBytes)
    const { levels, values, valueBytes: outOfLine } = await measureTree(tree)
    assert.equal(
      levels.map(({ level }) => level),
      Array.from({ length: tree.level + 1 }, (_, level) => level),
    )
    assert.is(levels[0]?.entries, count)
    assert.is(levels.at(-1)?.nodes, 1)
    for (const [i, { nodes }] of levels.slice(0, -1).entries()) assert.is(levels[i + 1]?.entries, nodes)
    assert.is(values, valueBytes === 0 ? 0 : Math.ceil(count / 10))
    assert.is(outOfLine, values * valueBytes)
    assert.is(levels.reduce((sum, { bytes }) => sum + bytes, 0) + outOfLine, tree.ref.bytes)
    for (const { bytes, bytesMax, nodes } of levels) assert.ok(bytesMax <= bytes && bytes <= bytesMax * nodes)
  })
}

test.run()
