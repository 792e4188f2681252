/** Differences against two sorted Maps, within ranges too, and applied again. */
import * as assert from 'uvu/assert'
import { bytesToHex, compareBytes, equalBytes } from '../src/bytes.ts'
import { linkMapKey } from '../src/link.ts'
import {
  type Change,
  diffTrees,
  type Edit,
  editTree,
  type Format,
  type KeyRange,
  type Put,
  type Tree,
  type Value,
} from '../src/prolly/index.ts'
import { BlockMap } from '../test/support/blocks.ts'
import { Random } from '../test/support/random.ts'
import { applyEdits, collect, FORMATS, randomEdits, randomRows, refText, treeOf } from '../test/support/tree-sets.ts'

export const summary = 'a diff is complete, in order and reversible, also within a range'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const [name, format] = random.pick(FORMATS)
  const blocks = new BlockMap(random.chance(0.3))
  const rows = randomRows(random, random.below(250), format)
  const next = random.chance(0.2)
    ? randomRows(random, random.below(250), format)
    : applyEdits(rows, randomEdits(random, rows, random.below(30), format))
  const [from, to] = [await treeOf(rows, format, blocks), await treeOf(next, format, blocks)]
  await assertDiff(name, from, to, rows, next)
  for (let i = 0; i < 4; i++) {
    const [start, end] = [randomBound(random), randomBound(random)]
    await assertDiff(`${name}, range ${i}`, from, to, rows, next, { start, end })
  }
  await assertPatched(from, to, format, blocks)
  await assertPatched(to, from, format, blocks)
}

function randomBound(random: Random): Uint8Array | undefined {
  return random.chance(0.2) ? undefined : random.bytes(random.below(3))
}

/** Compares the diff of two trees with that of the rows they were made of. */
export async function assertDiff(
  what: string,
  from: Tree,
  to: Tree,
  fromRows: readonly Put[],
  toRows: readonly Put[],
  range: KeyRange = {},
): Promise<void> {
  const changes = await collect(diffTrees(from, to, range))
  const lines = await Promise.all(changes.map(async (change) => describe(change, from, to)))
  assert.equal(lines, expectedChanges(fromRows, toRows, range), what)
}

async function describe(change: Change, from: Tree, to: Tree): Promise<string> {
  const hex = async (tree: Tree, value: Value): Promise<string> => bytesToHex(await tree.readValue(value))
  const before = change.type === 'add' ? '' : await hex(from, change.from)
  const after = change.type === 'remove' ? '' : await hex(to, change.to)
  return `${change.type} ${bytesToHex(change.key)} ${before} ${after}`
}

function expectedChanges(from: readonly Put[], to: readonly Put[], { start, end }: KeyRange): string[] {
  const old = new Map(from.map((row) => [linkMapKey(row.key), row]))
  const next = new Map(to.map((row) => [linkMapKey(row.key), row]))
  return [...new Map([...old, ...next]).values()]
    .filter(({ key }) => start === undefined || compareBytes(key, start) >= 0)
    .filter(({ key }) => end === undefined || compareBytes(key, end) < 0)
    .sort((a, b) => compareBytes(a.key, b.key))
    .flatMap(({ key }) => {
      const [a, b] = [old.get(linkMapKey(key)), next.get(linkMapKey(key))]
      if (a === undefined) return b === undefined ? [] : [`add ${bytesToHex(key)}  ${bytesToHex(b.value)}`]
      if (b === undefined) return [`remove ${bytesToHex(key)} ${bytesToHex(a.value)} `]
      if (equalBytes(a.value, b.value)) return []
      return [`update ${bytesToHex(key)} ${bytesToHex(a.value)} ${bytesToHex(b.value)}`]
    })
}

async function assertPatched(from: Tree, to: Tree, format: Format, blocks: BlockMap): Promise<void> {
  const edits: Edit[] = []
  for await (const change of diffTrees(from, to)) {
    edits.push({ key: change.key, value: change.type === 'remove' ? null : await to.readValue(change.to) })
  }
  assert.is(refText(await editTree(from, edits, blocks, { format })), refText(to.ref), 'the diff applied')
}
