/** Writers share memory: what one has handed over, or is about to, stays as it is whatever others do. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { matchesLink } from '../../src/link.ts'
import { buildTree, editTree, type Put, Tree } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { applyEdits, asyncOf, FORMATS, randomEdits, randomRows, refText } from '../support/tree-sets.ts'

const test = suite('prolly/level-chunk')

function isSound({ map }: BlockMap): boolean {
  return [...map].every(([key, bytes]) =>
    matchesLink(
      Uint8Array.from(key, (char) => char.charCodeAt(0)),
      bytes,
    ),
  )
}

test('builds and edits that run at the same time give what each gives alone, and blocks that stay', async () => {
  for (const seed of seeds(15)) {
    const random = new Random(seed)
    const [, format] = random.pick(FORMATS)
    const sets = Array.from({ length: 4 }, () => randomRows(random, random.below(300), format))
    const edits = sets.map((rows) => randomEdits(random, rows, random.below(60), format))
    const build = async (rows: readonly Put[]): Promise<string> =>
      refText(await buildTree(rows, new BlockMap(), { format }))
    const expected = []
    for (const [i, rows] of sets.entries()) expected.push(await build(applyEdits(rows, edits[i] ?? [])))
    const blocks = new BlockMap()
    const found = await Promise.all(
      sets.map(async (rows, i) => {
        const { root } = await buildTree(asyncOf(rows), blocks, { format })
        return refText(await editTree(await Tree.open(blocks, root), asyncOf(edits[i] ?? []), blocks, { format }))
      }),
    )
    assert.equal(found, expected, `seed ${seed}`)
    assert.ok(isSound(blocks), `seed ${seed}`)
  }
})

test.run()
