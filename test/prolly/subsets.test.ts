/** Exhaustive: every pair of subsets of seven keys, every pair of states of four keys with two values, every way to cut. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLink, linkMapKey } from '../../src/link.ts'
import { type Change, diffTrees, type Edit, editTree, type Put, type Tree } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { Forge } from '../support/tree-forge.ts'
import { collect, DEEP, refText, treeOf } from '../support/tree-sets.ts'
import { judgeTree } from '../support/tree-walk.ts'
import type { ReferenceInner } from '../support/tree-reference.ts'
import type { CID } from 'multiformats/cid'

const test = suite('prolly/subsets')

/** Keys of 9 bytes and values of 22: about every second row ends a leaf, so that seven rows make three levels. */
const KEYS: readonly Uint8Array[] = Array.from({ length: 7 }, (_, i) => Uint8Array.of(i * 30, 1, 2, 3, 4, 5, 6, 7, i))

function valueOf(i: number, version: number): Uint8Array {
  return new Uint8Array(version === 1 ? 22 : 17).fill(16 * version + i)
}

interface State {
  readonly tree: Tree
  /** Of each key: 0 where it is absent, else the version of its value. */
  readonly versions: readonly number[]
}

async function stateOf(versions: readonly number[], blocks: BlockMap): Promise<State> {
  const rows = versions.flatMap((version, i): Put[] => {
    const key = KEYS[i]
    return version === 0 || key === undefined ? [] : [{ key, value: valueOf(i, version) }]
  })
  return { tree: await treeOf(rows, DEEP, blocks), versions }
}

function digits(n: number, base: number, length: number): number[] {
  return Array.from({ length }, (_, i) => Math.floor(n / base ** i) % base)
}

function expectedTypes(from: State, to: State): string[] {
  return from.versions.flatMap((version, i) => {
    const next = to.versions[i]
    if (version === next) return []
    return [`${i} ${version === 0 ? 'add' : next === 0 ? 'remove' : 'update'}`]
  })
}

function describe(change: Change): string {
  return `${KEYS.findIndex((key) => linkMapKey(key) === linkMapKey(change.key))} ${change.type}`
}

function toEdit(change: Change): Edit {
  const value = change.type === 'remove' ? null : change.to
  if (value !== null && !(value instanceof Uint8Array)) throw new Error('a short value is inline')
  return { key: change.key, value }
}

async function assertPair(from: State, to: State, blocks: BlockMap): Promise<void> {
  const changes = await collect(diffTrees(from.tree, to.tree))
  assert.equal(changes.map(describe), expectedTypes(from, to))
  const patched = await editTree(from.tree, changes.map(toEdit), blocks, { format: DEEP })
  assert.is(linkMapKey(patched.root), linkMapKey(to.tree.ref.root))
}

/** Edits that say everything, changed or not: all keys put or deleted. */
async function assertOverwritten(from: State, to: State, blocks: BlockMap): Promise<void> {
  const edits = to.versions.map((version, i): Edit => {
    return { key: KEYS[i] ?? new Uint8Array(0), value: version === 0 ? null : valueOf(i, version) }
  })
  const ref = await editTree(from.tree, edits, blocks, { format: DEEP })
  assert.is(refText(ref), refText(to.tree.ref))
}

test('all 128 x 128 pairs of subsets: diff, and edit by the diff', async () => {
  const blocks = new BlockMap()
  const states: State[] = []
  for (let n = 0; n < 128; n++) states.push(await stateOf(digits(n, 2, 7), blocks))
  assert.ok((states.at(-1)?.tree.level ?? 0) >= 2, 'seven rows make three levels')
  assert.is(new Set(states.map(({ tree }) => formatLink(tree.ref.root))).size, 128)
  for (const from of states) for (const to of states) await assertPair(from, to, blocks)
})

test('all 81 x 81 pairs of states of four keys: updates too, and blind overwriting', async () => {
  const blocks = new BlockMap()
  const states: State[] = []
  for (let n = 0; n < 81; n++) states.push(await stateOf(digits(n, 3, 4), blocks))
  for (const from of states) {
    for (const to of states) {
      await assertPair(from, to, blocks)
      await assertOverwritten(from, to, blocks)
    }
  }
})

/** Every way to cut a row of items into runs. */
function* compositions<T>(items: readonly T[]): Generator<T[][]> {
  for (let mask = 0; mask < 2 ** (items.length - 1); mask++) {
    const runs: T[][] = [[]]
    for (const [i, item] of items.entries()) {
      runs.at(-1)?.push(item)
      if (i < items.length - 1 && (mask >> i) & 1) runs.push([])
    }
    yield runs
  }
}

/** Every tree of at most `levels` levels above the nodes given, whatever the rules say. */
function* treesAbove(forge: Forge, nodes: readonly CID[], levels: number): Generator<CID> {
  if (nodes.length === 1) yield nodes[0] as CID
  if (levels === 0) return
  for (const runs of compositions(nodes)) {
    yield* treesAbove(
      forge,
      runs.map((run) => forge.store(parentOf(forge, run))),
      levels - 1,
    )
  }
}

function parentOf(forge: Forge, children: readonly CID[]): ReferenceInner {
  const totals = children.map((cid) => forge.totals(cid))
  return [
    (totals[0]?.level ?? 0) + 1,
    totals.map(({ last }) => last),
    [...children],
    totals.map(({ entries }) => entries),
    totals.map(({ bytes }) => bytes),
  ]
}

test('of all trees that could hold six rows exactly one is accepted: the one that is built', async () => {
  const rows = KEYS.slice(0, 6).map((key, i) => ({ key, value: valueOf(i, 1) }))
  const built = await treeOf(rows, DEEP)
  const forge = new Forge()
  const accepted: string[] = []
  let tried = 0
  for (const runs of compositions(rows)) {
    const leaves = runs.map((run) => forge.store([0, run.map(({ key }) => key), run.map(({ value }) => value)]))
    for (const root of treesAbove(forge, leaves, 3)) {
      tried++
      if (judgeTree(forge, forge.ref(root), DEEP).rule === undefined) accepted.push(root.toString())
    }
  }
  assert.ok(built.level >= 2 && tried > 500, `${tried} trees of up to four levels`)
  assert.equal(accepted, [formatLink(built.ref.root)])
})

test.run()
