/** Trees that change, step by step, and positions of keys: test/vectors/tree-changes.json, byte for byte. */
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { formatLink } from '../../src/link.ts'
import { checkTree, diffTrees, editTree, Tree } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { hex } from '../support/hex.ts'
import { collect, treeOf } from '../support/tree-sets.ts'
import { vectorSet } from '../support/vector-sets.ts'

interface Sequence {
  readonly name: string
  readonly set: string
  readonly steps: readonly {
    /** In key order; a value of null deletes. */
    readonly edits: readonly (readonly [key: string, value: string | null])[]
    readonly root: string
    readonly entries: number
    readonly bytes: number
    /** What differs from the tree before, in key order. */
    readonly changes: readonly (readonly [type: string, key: string])[]
  }[]
}

interface Positions {
  readonly set: string
  readonly ranks: readonly (readonly [key: string, rank: number])[]
  readonly counts: readonly (readonly [start: string | null, end: string | null, count: number])[]
  readonly keys: readonly (readonly [position: number, key: string | null])[]
}

const { sequences, positions } = JSON.parse(
  readFileSync(new URL('../vectors/tree-changes.json', import.meta.url), 'utf8'),
) as { readonly sequences: readonly Sequence[]; readonly positions: readonly Positions[] }

const test = suite('prolly/change-vectors')

const REVERSED: Readonly<Record<string, string>> = { add: 'remove', remove: 'add', update: 'update' }

async function diffOf(from: Tree, to: Tree): Promise<[type: string, key: string][]> {
  return (await collect(diffTrees(from, to))).map(({ type, key }) => [type, bytesToHex(key)])
}

for (const { name, set, steps } of sequences) {
  test(`${name}: each step edited into being, and the difference both ways`, async () => {
    const { rows, format } = vectorSet(set)
    const blocks = new BlockMap()
    let tree = await treeOf(rows, format, blocks)
    const first = tree
    for (const [i, { edits, root, entries, bytes, changes }] of steps.entries()) {
      const list = edits.map(([key, value]) => ({ key: hex(key), value: value === null ? null : hex(value) }))
      const ref = await editTree(tree, list, blocks, { format })
      assert.equal([formatLink(ref.root), ref.entries, ref.bytes], [root, entries, bytes], `step ${i}`)
      const next = await Tree.open(blocks, ref.root)
      assert.equal(await diffOf(tree, next), changes, `step ${i}`)
      assert.equal(
        await diffOf(next, tree),
        changes.map(([type, key]) => [REVERSED[type], key]),
        `step ${i}, backwards`,
      )
      tree = next
    }
    assert.is((await checkTree(blocks, tree.ref, { format })).problemCount, 0)
    if (set === 'deep-300' && name.includes('back')) assert.equal(tree.ref, first.ref)
  })
}

for (const { set, ranks, counts, keys } of positions) {
  test(`${set}: ranks, counts and keys by position`, async () => {
    const { rows, format } = vectorSet(set)
    const tree = await treeOf(rows, format)
    for (const [key, rank] of ranks) assert.is(await tree.rank(hex(key)), rank, `rank of ${key}`)
    for (const [start, end, count] of counts) {
      const range = { ...(start === null ? {} : { start: hex(start) }), ...(end === null ? {} : { end: hex(end) }) }
      assert.is(await tree.count(range), count, `from ${start} to ${end}`)
    }
    for (const [position, key] of keys) {
      const found = await tree.at(position)
      assert.is(found === undefined ? null : bytesToHex(found.key), key, `position ${position}`)
    }
  })
}

test('there are such vectors, of trees that grow, shrink and lose levels', () => {
  assert.ok(sequences.length >= 8 && positions.length >= 5)
  const steps = sequences.flatMap((sequence) => sequence.steps)
  assert.ok(steps.length > 80)
  assert.ok(steps.some(({ entries, bytes }) => entries === 0 && bytes === 4))
  assert.ok(steps.some(({ changes }) => changes.length === 0))
})

test.run()
