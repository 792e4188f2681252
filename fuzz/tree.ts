/** Bulk builds against the reference implementation, and reads against a sorted array. */
import * as assert from 'uvu/assert'
import { compareBytes, equalBytes } from '../src/bytes.ts'
import { formatLink, linkMapKey } from '../src/link.ts'
import { buildTree, checkTree, type Format, type Put, type ScanOptions, Tree } from '../src/prolly/index.ts'
import { BlockMap } from '../test/support/blocks.ts'
import { Random } from '../test/support/random.ts'
import { referenceTree } from '../test/support/tree-reference.ts'
import { asyncOf, equalRows, FORMATS, randomRows, readRows, u32be } from '../test/support/tree-sets.ts'

export const summary = 'a build gives the blocks of the reference implementation; reads equal a sorted array'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const [name, format] = random.pick(FORMATS)
  const rows = randomRows(random, random.below(random.pick([1, 3, 40, 400])), format)
  const blocks = new BlockMap(random.chance(0.3))
  const tree = await assertBuild(`${name}, ${rows.length} rows`, random.chance(0.2), rows, format, blocks)
  for (let i = 0; i < 20; i++) await assertReads(random, tree, rows)
}

async function assertBuild(
  what: string,
  isAsync: boolean,
  rows: readonly Put[],
  format: Format,
  blocks: BlockMap,
): Promise<Tree> {
  const ref = await buildTree(isAsync ? asyncOf(rows) : rows, blocks, { format })
  const expected = referenceTree(rows, format)
  assert.is(formatLink(ref.root), expected.root.toString(), what)
  assert.is(ref.bytes, expected.bytes, what)
  assert.is(ref.entries, rows.length, what)
  assert.is(blocks.map.size, expected.nodes.size + expected.values.size, `${what}: blocks`)
  const report = await checkTree(blocks, ref, { format })
  assert.equal(report.problems, [], what)
  assert.is(report.bytes, ref.bytes, what)
  return await Tree.open(blocks, ref.root)
}

function inRange(rows: readonly Put[], { start, end, reverse, limit }: ScanOptions): Put[] {
  const found = rows.filter(({ key }) => {
    return (start === undefined || compareBytes(key, start) >= 0) && (end === undefined || compareBytes(key, end) < 0)
  })
  if (reverse === true) found.reverse()
  return found.slice(0, limit)
}

/** A key of the tree, one beside it, one anywhere, or none. */
function randomBound(random: Random, rows: readonly Put[]): Uint8Array | undefined {
  if (random.chance(0.2)) return undefined
  const key = rows.length > 0 && random.chance(0.7) ? random.pick(rows).key : random.bytes(random.below(7))
  if (random.chance(0.3)) return Uint8Array.of(...key, 0)
  return random.chance(0.1) ? key.subarray(0, -1) : key
}

async function assertReads(random: Random, tree: Tree, rows: readonly Put[]): Promise<void> {
  const [start, end] = [randomBound(random, rows), randomBound(random, rows)]
  const limit = random.chance(0.3) ? random.below(rows.length + 3) : undefined
  const options = { start, end, reverse: random.chance(0.5), ...(limit === undefined ? {} : { limit }) }
  assert.ok(equalRows(await readRows(tree, tree.scan(options)), inRange(rows, options)), 'scan')
  assert.is(await tree.count({ start, end }), inRange(rows, { start, end }).length, 'count')
  const key = start ?? u32be(random.below(1000))
  assert.is(await tree.rank(key), inRange(rows, { end: key }).length, 'rank')
  const n = random.below(rows.length + 2)
  const [found, row] = [await tree.at(n), rows[n]]
  assert.is(found && linkMapKey(found.key), row && linkMapKey(row.key), 'at')
  const expected = rows.find((candidate) => equalBytes(candidate.key, key))?.value
  const value = await tree.get(key)
  assert.is(value && linkMapKey(value), expected && linkMapKey(expected), 'get')
}
