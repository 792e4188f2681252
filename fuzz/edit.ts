/** Histories of edits against a bulk build of their outcome by the reference implementation. */
import * as assert from 'uvu/assert'
import { editTree, type Format, type Put, Tree } from '../src/prolly/index.ts'
import { BlockMap } from '../test/support/blocks.ts'
import { Random } from '../test/support/random.ts'
import { referenceTree } from '../test/support/tree-reference.ts'
import { applyEdits, asyncOf, FORMATS, randomEdits, randomRows, refText, treeOf } from '../test/support/tree-sets.ts'

export const summary = 'any history of edits gives the root of a bulk build'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const [name, format] = random.pick(FORMATS)
  const blocks = new BlockMap(random.chance(0.25))
  let rows = randomRows(random, random.below(120), format)
  let tree = await treeOf(rows, format, blocks)
  for (let batch = 0; batch < 6; batch++) {
    const edits = randomEdits(random, rows, random.pick([0, 1, 1, 2, 10, 80]), format)
    const ref = await editTree(tree, random.chance(0.3) ? asyncOf(edits) : edits, blocks, { format })
    rows = applyEdits(rows, edits)
    assert.is(refText(ref), referenceText(rows, format), `${name}, batch ${batch} of ${edits.length} edits`)
    tree = await Tree.open(blocks, ref.root)
  }
}

function referenceText(rows: readonly Put[], format: Format): string {
  const { root, entries, bytes } = referenceTree(rows, format)
  return `${root.toString()} entries ${entries} bytes ${bytes}`
}
