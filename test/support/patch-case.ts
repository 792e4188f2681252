/** One case of a patched pull, from a seed: shared by the tests and the fuzz target of it. */
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, linkCodec, linkMapKey } from '../../src/link.ts'
import { type Format, FORMAT_1 } from '../../src/prolly/index.ts'
import type { PeerDialer, PullReport } from '../../src/sync/index.ts'
import type { PatchAnswer, PatchValue, Refusal } from '../../src/sync/wire/index.ts'
import { type PatchCase, patchCase, patchPeer, pullBy } from './patch-lab.ts'
import { Random } from './random.ts'
import { type CountingStore, Lab, sameBlocks } from './sync-lab.ts'
import { applyEdits, FORMATS, randomEdits, randomRows } from './tree-sets.ts'

export interface RandomCase {
  readonly lab: Lab
  readonly random: Random
  readonly made: PatchCase
  readonly store: CountingStore
  readonly sizes: PatchSizesGiven
}

type PatchSizesGiven = Readonly<Record<string, number>>

/** What stands inline is part of the protocol, so it is that of version 1. */
const PATCH_FORMATS: readonly Format[] = FORMATS.map(([, format]) => ({
  ...format,
  inlineBytesMax: FORMAT_1.inlineBytesMax,
}))

/** A pair of trees, and sizes that make of their difference anything between one page and many pieces of many pages. */
export async function randomCase(seed: number): Promise<RandomCase> {
  const random = new Random(seed)
  const format = random.pick(PATCH_FORMATS)
  const rows = randomRows(random, random.pick([1, 20, 120, 300]), format)
  const edits = randomEdits(random, rows, random.pick([1, 3, 30, 150, 400]), format)
  const made = await patchCase(rows, applyEdits(rows, edits), format)
  const probe = random.pick([1, 40, 300, 100_000])
  const sizes = {
    probeBytesMin: probe,
    probeBytesMax: probe,
    pageBytesMax: random.pick([1, 60, 500, 100_000]),
    unitRowBytes: random.pick([1, 200, 2000]),
    pieceNodeBytes: random.pick([1, 300, 3000, 1e6]),
    pieceNodeBytesMax: random.chance(0.2) ? random.pick([100, 1000]) : 1e9,
    shareMax: Infinity,
  }
  return { lab: new Lab(seed), random, made, store: await made.replica(), sizes }
}

/**
 * Honest peers alone: the tree comes, nobody is blamed, and what came as blocks is values, and leaves where the pieces would have been
 * leaves or the rows too many.
 */
export async function assertHonestPatch(seed: number): Promise<void> {
  const { lab, random, made, store, sizes } = await randomCase(seed)
  const names = ['alice', 'bob', 'carol'].slice(0, random.between(1, 3))
  const report = await pullBy(
    lab,
    made,
    names.map((name) => lab.peer(name, made.to)),
    store,
    { sizes },
  )
  assertWhole(`seed ${seed}`, made, store, report, names)
  const { patch } = report
  if (patch === undefined) throw new Error(`seed ${seed}: no patch`)
  if (patch.way !== 'patch' || patch.subtreesLeft > 0) return
  const nodes = store.written.filter((key) => linkCodec(bytesOf(key)) === CODEC_DAG_CBOR)
  const came = nodes.length - patch.blocksRebuilt
  const upper = upperNodes(made)
  if (came > upper) throw new Error(`seed ${seed}: ${came} nodes came as blocks, ${upper} are above pieces`)
}

function bytesOf(key: string): Uint8Array {
  return Uint8Array.from(key, (c) => c.charCodeAt(0))
}

/** New nodes of the tree that no piece has: those above level 1, and all of a tree so low. */
function upperNodes({ from, to }: PatchCase): number {
  const top = to.store.records.get(linkMapKey(to.target.root))?.level ?? 0
  let count = 0
  for (const [key, { level }] of to.store.records) {
    if (to.blocks.has(key) && !from.blocks.has(key) && (level > 1 || (level >= 0 && top <= 1))) count++
  }
  return count
}

/** Peers some of which lie about rows: the tree comes, no honest one is blamed, and nothing foreign is kept. */
export async function assertLiesFound(seed: number): Promise<void> {
  const { lab, random, made, store, sizes } = await randomCase(seed)
  const honest = ['alice', 'bob'].slice(0, random.below(3))
  const liars = ['mallory', 'moriarty'].slice(0, random.between(1, 2))
  const chance = random.pick([0.1, 0.5, 1])
  const lied = new Set<string>()
  const dialers: PeerDialer[] = [
    ...honest.map((name) => lab.peer(name, made.to)),
    ...liars.map((name) =>
      patchPeer(lab, name, made, (answer) => {
        const lie = random.chance(chance) ? lieAbout(random, answer) : answer
        if (lie !== answer) lied.add(name)
        return lie
      }),
    ),
  ]
  try {
    const report = await pullBy(lab, made, dialers, store, { sizes })
    assertWhole(`seed ${seed}`, made, store, report, honest)
    for (const { name, outcome } of report.peers) {
      if (liars.includes(name) && !lied.has(name) && outcome !== 'used' && outcome !== 'unused') {
        throw new Error(`seed ${seed}: ${name}, which told the truth, is called ${outcome}`)
      }
    }
  } catch (error) {
    // Liars that broke the protocol are dropped; with nobody else there, that ends the pull.
    if (honest.length > 0 || !isCoppiceError(error, 'NO_PEER_LEFT')) throw error
  }
}

function assertWhole(
  where: string,
  { from, to }: PatchCase,
  store: CountingStore,
  report: PullReport,
  honest: readonly string[],
): void {
  if (!sameBlocks(to, store)) throw new Error(`${where}: blocks are missing`)
  if (report.entries !== to.target.entries || report.bytes !== to.target.bytes)
    throw new Error(`${where}: wrong totals`)
  for (const key of store.written) {
    if (!to.blocks.has(key) && !from.blocks.has(key)) throw new Error(`${where}: a foreign block was kept`)
  }
  for (const { name, outcome, reason } of report.peers) {
    if (!honest.includes(name) || outcome === 'used' || outcome === 'unused') continue
    throw new Error(`${where}: ${name} is called ${outcome} (${reason})`)
  }
}

/** Another answer than the honest one, which decodes. */
export function lieAbout(random: Random, answer: PatchAnswer | Refusal): PatchAnswer | Refusal {
  if (answer.type === 'refusal') return answer
  const { id, keys, values, isLast } = answer
  const at = random.below(Math.max(1, keys.length))
  const without = <T>(items: readonly T[]): T[] => items.filter((_, i) => i !== at)
  const changed = (value: PatchValue): PatchValue => (value === null ? random.bytes(4) : null)
  const lies: (() => PatchAnswer | Refusal)[] = [
    () => ({ type: 'refusal', id, reason: 'gone' }),
    () => ({ ...answer, isLast: !isLast }),
    () => ({ ...answer, keys: without(keys), values: without(values) }),
    () => ({ ...answer, values: values.map((value, i) => (i === at ? changed(value) : value)) }),
    () => ({ ...answer, keys: keys.map((key, i) => (i === at ? Uint8Array.of(...key.subarray(0, 1000), 0) : key)) }),
    () => ({ ...answer, keys: [], values: [], isLast: true }),
    () => ({ ...answer, values: values.map((value) => (value === null ? null : random.bytes(3))) }),
  ]
  return random.pick(lies)()
}
