/** Three-way merges of trees in stores of their own against a merge of plain Maps. */
import * as assert from 'uvu/assert'
import { bytesToHex, equalBytes } from '../src/bytes.ts'
import { linkMapKey } from '../src/link.ts'
import {
  type Conflict,
  copyTree,
  editTree,
  type Format,
  mergeTrees,
  type Put,
  type Resolution,
  Tree,
} from '../src/prolly/index.ts'
import { BlockMap } from '../test/support/blocks.ts'
import { Random } from '../test/support/random.ts'
import { referenceTree } from '../test/support/tree-reference.ts'
import {
  applyEdits,
  blockSet,
  FORMATS,
  randomEdits,
  randomRows,
  refText,
  sortRows,
  treeOf,
} from '../test/support/tree-sets.ts'

export const summary = 'a merge of trees is the merge of their rows, whole in its store'

type Choice = 'left' | 'right' | 'conflict' | 'delete' | 'value'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const [name, format] = random.pick(FORMATS)
  const base = randomRows(random, random.below(random.pick([1, 20, 150])), format)
  const left = changed(random, base, base, format)
  // Often the same changes on both sides, and often none.
  const right = changed(random, random.pick([base, base, left]), base, format)
  const choice = random.pick<Choice>(['left', 'right', 'conflict', 'delete', 'value'])
  const chosen = random.bytes(random.pick([3, format.inlineBytesMax + 1]))
  const expected = mergeRows(base, left, right, (conflict) => rowOf(conflict, choice, chosen))

  const [own, other] = [new BlockMap(random.chance(0.2)), new BlockMap(random.chance(0.2))]
  const [ownBase, ownLeft] = [await grown(base, base, format, own), await grown(base, left, format, own)]
  const [otherBase, otherRight] = [await grown(base, base, format, other), await grown(base, right, format, other)]
  const conflicts: string[] = []
  const resolve = (conflict: Conflict): Resolution => {
    conflicts.push(bytesToHex(conflict.key))
    return choice === 'delete' ? { value: null } : choice === 'value' ? { value: chosen } : choice
  }
  const stayed: string[] = []
  const onConflict = ({ key }: Conflict): void => void stayed.push(bytesToHex(key))
  const options = { format, resolve, onConflict }
  const report = await mergeTrees(random.chance(0.5) ? ownBase : otherBase, ownLeft, otherRight, own, options)

  const reference = referenceTree(expected.rows, format)
  const text = `${reference.root.toString()} entries ${reference.entries} bytes ${reference.bytes}`
  assert.is(refText(report), text, `${name}, ${base.length} rows, ${choice}`)
  assert.equal(conflicts, expected.conflicts)
  assert.equal(stayed, choice === 'conflict' ? expected.conflicts : [])
  assert.is(report.conflicts, conflicts.length)
  assert.is(report.unresolved, stayed.length)
  const target = { getComplete: () => undefined }
  for await (const _ of copyTree(other, otherRight.ref, own, target, { format }));
  for (const link of await blockSet(await Tree.open(own, report.root), true)) {
    assert.ok(own.map.has(link), 'every block of the result is in its store')
  }
}

/** The rows after some changes, in places or along a run, an end of the keys among them. */
function changed(random: Random, from: readonly Put[], base: readonly Put[], format: Format): readonly Put[] {
  const rows = applyEdits(from, randomEdits(random, base, random.pick([0, 1, 3, 10, 60]), format))
  if (random.chance(0.7) || rows.length === 0) return rows
  const [start, end] = [random.below(rows.length), random.below(rows.length + 1)]
  if (random.chance(0.5)) return rows.filter((_, i) => i < start || i >= end)
  const prefix = random.pick([0x00, 0x80, 0xff])
  const run = randomRows(random, 30, format).map(({ key, value }) => ({ key: Uint8Array.of(prefix, ...key), value }))
  return applyEdits(rows, sortRows(run))
}

/** A tree of `rows` that grew out of one of `base`, so that the old blocks are there too. */
async function grown(base: readonly Put[], rows: readonly Put[], format: Format, blocks: BlockMap): Promise<Tree> {
  const before = await treeOf(base, format, blocks)
  const kept = new Set(rows.map(({ key }) => linkMapKey(key)))
  const gone = base.filter(({ key }) => !kept.has(linkMapKey(key))).map(({ key }) => ({ key, value: null }))
  const { root } = await editTree(before, sortRows([...rows, ...gone]), blocks, { format })
  return await Tree.open(blocks, root)
}

interface RowConflict {
  readonly key: Uint8Array
  readonly left: Uint8Array | undefined
  readonly right: Uint8Array | undefined
}

function rowOf({ left, right }: RowConflict, choice: Choice, chosen: Uint8Array): Uint8Array | undefined {
  if (choice === 'delete') return undefined
  return choice === 'value' ? chosen : choice === 'right' ? right : left
}

/** The model: three Maps, key by key. */
function mergeRows(
  base: readonly Put[],
  left: readonly Put[],
  right: readonly Put[],
  resolve: (conflict: RowConflict) => Uint8Array | undefined,
): { readonly rows: Put[]; readonly conflicts: string[] } {
  const [b, l, r] = [base, left, right].map((rows) => new Map(rows.map(({ key, value }) => [linkMapKey(key), value])))
  const keys = new Map([...base, ...left, ...right].map(({ key }) => [linkMapKey(key), key]))
  const rows: Put[] = []
  const conflicts: string[] = []
  for (const { key } of sortRows([...keys.values()].map((each) => ({ key: each })))) {
    const [was, mine, theirs] = [b, l, r].map((side) => side?.get(linkMapKey(key)))
    const isConflict = !same(mine, theirs) && !same(was, mine) && !same(was, theirs)
    if (isConflict) conflicts.push(bytesToHex(key))
    const value = isConflict ? resolve({ key, left: mine, right: theirs }) : same(was, mine) ? theirs : mine
    if (value !== undefined) rows.push({ key, value })
  }
  return { rows, conflicts }
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
