/**
 * How fast is the tree itself, without disk and network? One round: a bulk build of ENTRIES streamed entries into
 * memory, reads, a scan, random updates, and the diff of before and after.
 *
 *     node bench/tree.ts
 */
import { assert } from '../src/errors.ts'
import type { Link } from '../src/link.ts'
import { buildTree, diffTrees, editTree, NodeReader, Tree } from '../src/prolly/index.ts'
import { MemoryStore, Staging } from '../src/store/index.ts'
import { allEntries, ENTRIES, entryAt, randomPositions, randomUpdates, UPDATES } from './entries.ts'
import { type Figure, printFigures, seconds } from './figure.ts'

const GETS = 100_000

const store = new MemoryStore()
const staging = new Staging(store)
const figures: Figure[] = []

const generated = await seconds(() => {
  for (const _ of allEntries()) continue
})
figures.push({ name: 'making the entries, part of each build', value: generated, unit: 's' })

let root: Link = new Uint8Array()
const built = await seconds(async () => {
  ;({ root } = await buildTree(allEntries(), staging))
  await staging.commit()
})
figures.push({ name: 'bulk build in memory', value: ENTRIES / built, unit: 'entries/s' })
// Room for all nodes: measured is the tree, not what a cache of some size misses.
const before = await Tree.open(new NodeReader(store, Number.POSITIVE_INFINITY), root)

let scanned = 0
const scan = await seconds(async () => {
  for await (const { value } of before.scan()) scanned += (value as Uint8Array).length > 0 ? 1 : 0
})
assert(scanned === ENTRIES, 'a scan gives every entry')
figures.push({ name: 'scan, entry by entry', value: ENTRIES / scan, unit: 'entries/s' })

const keys = randomPositions(GETS, 0).map((i) => entryAt(i).key)
const gets = await seconds(async () => {
  for (const key of keys) {
    const found = before.get(key)
    assert((found instanceof Promise ? await found : found) !== undefined, 'every key is there')
  }
})
figures.push({ name: 'get of a random key', value: (gets / GETS) * 1e6, unit: 'us' })

const updates = randomUpdates(1)
let edited = before.ref
let blocksWritten = 0
const edits = await seconds(async () => {
  const report = await editTree(before, updates, staging)
  await staging.commit()
  edited = report
  blocksWritten = report.blocksWritten
})
figures.push({ name: `${UPDATES} random updates`, value: edits * 1000, unit: 'ms' })
figures.push({ name: `${UPDATES} random updates, blocks written`, value: blocksWritten, unit: 'count' })

const after = await Tree.open(new NodeReader(store), edited.root)
let changes = 0
const diff = await seconds(async () => {
  for await (const _ of diffTrees(before, after)) changes++
})
assert(changes === UPDATES, 'the diff is the updates')
figures.push({ name: `diff of ${UPDATES} updates`, value: diff * 1000, unit: 'ms' })
printFigures(figures)
