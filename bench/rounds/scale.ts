/**
 * A phase in the life of a large tree in LMDB, in a process of its own, so that its memory is its own: build, edit, diff
 * or check. Nothing is held that grows with the tree. Prints a line of JSON.
 *
 *     node bench/rounds/scale.ts '{"phase":"build","directory":"...","size":1000000}'
 */
import { bytesToHex, hexToBytes } from '../../src/bytes.ts'
import type { Link } from '../../src/link.ts'
import { buildTree, checkTree, diffTrees, editTree, NodeReader, Tree, type TreeRef } from '../../src/prolly/index.ts'
import { Staging } from '../../src/store/index.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { Entries } from '../data/entries.ts'
import { CountingReader } from '../engines/coppice.ts'
import { directoryBytes } from '../process/disk.ts'
import { seconds } from '../report/figure.ts'
import { median } from '../report/statistics.ts'

export interface ScaleOptions {
  readonly phase: 'build' | 'edit' | 'diff' | 'check'
  readonly directory: string
  readonly size: number
  /** Roots so far, in hex. */
  readonly roots: readonly string[]
}

export interface ScaleResult {
  /** Rows built or checked; of `edit` and `diff`, of one batch. */
  readonly count: number
  /** Of all, or of one batch: the median. */
  readonly seconds: number
  /** Of `build`: the part that making the entries takes. */
  readonly generating?: number
  /** Of `edit` and `diff`: of one batch, the median. */
  readonly blocksRead: number
  readonly bytesRead: number
  readonly blocksWritten: number
  readonly bytesWritten: number
  readonly levels: number
  readonly diskBytes: number
  /** Roots that came of it, in hex. */
  readonly roots: readonly string[]
}

/** Batches of UPDATES random rows. */
const BATCHES = 10
const UPDATES = 1_000

const { phase, directory, size, roots } = JSON.parse(process.argv[2] ?? '{}') as ScaleOptions
const entries = new Entries(size)
const store = await LmdbStore.open(directory, 'write')
const reader = new CountingReader(store)
const staging = new Staging(store)

/** Counts of a batch, and how long it took. */
interface Batch {
  readonly seconds: number
  readonly blocksRead: number
  readonly bytesRead: number
  readonly blocksWritten: number
  readonly bytesWritten: number
}

async function measured(work: () => Promise<unknown>): Promise<Batch> {
  const before = { ...staging.counters, blocksRead: reader.blocksRead, bytesRead: reader.bytesRead }
  const taken = await seconds(work)
  return {
    seconds: taken,
    blocksRead: reader.blocksRead - before.blocksRead,
    bytesRead: reader.bytesRead - before.bytesRead,
    blocksWritten: staging.counters.blocksWritten - before.blocksWritten,
    bytesWritten: staging.counters.bytesWritten - before.bytesWritten,
  }
}

async function build(): Promise<ScaleResult> {
  const generating = await seconds(() => {
    for (const _ of entries.all()) continue
  })
  let root: Link = new Uint8Array()
  const batch = await measured(async () => {
    ;({ root } = await buildTree(entries.all(), staging))
    await staging.commit({ durable: true })
  })
  return { count: size, generating, ...batch, ...(await standing(root)), roots: [bytesToHex(root)] }
}

async function edit(): Promise<ScaleResult> {
  let tree = await openTree(roots.at(-1))
  const batches: Batch[] = []
  const after: string[] = []
  for (let version = 1; version <= BATCHES; version++) {
    const updates = entries.updates(UPDATES, version)
    batches.push(
      await measured(async () => {
        const { root } = await editTree(tree, updates, staging)
        await staging.commit({ durable: true })
        tree = await Tree.open(tree.nodes, root)
      }),
    )
    after.push(bytesToHex(tree.ref.root))
  }
  return { count: UPDATES, ...medians(batches), ...(await standing(tree.ref.root)), roots: after }
}

async function diff(): Promise<ScaleResult> {
  const batches: Batch[] = []
  for (let i = 1; i < roots.length; i++) {
    const from = await openTree(roots[i - 1])
    const to = await Tree.open(from.nodes, linkOf(roots[i]))
    let changes = 0
    batches.push(
      await measured(async () => {
        for await (const { type } of diffTrees(from, to)) if (type === 'update') changes++
      }),
    )
    if (changes !== UPDATES) throw new Error(`wrong result: the diff gave ${changes} rows instead of ${UPDATES}`)
  }
  return { count: UPDATES, ...medians(batches), ...(await standing(linkOf(roots.at(-1)))), roots: [] }
}

async function check(): Promise<ScaleResult> {
  const { ref } = await openTree(roots.at(-1))
  const batch = await measured(() => requireSound(ref))
  return { count: size, ...batch, ...(await standing(ref.root)), roots: [] }
}

async function requireSound(ref: TreeRef): Promise<void> {
  const report = await checkTree(reader, ref)
  if (report.problemCount > 0 || report.entries !== size) {
    throw new Error(`wrong result: ${report.problemCount} problems, ${report.entries} rows instead of ${size}`)
  }
}

async function standing(root: Link): Promise<{ levels: number; diskBytes: number }> {
  const { level } = await Tree.open(new NodeReader(store), root)
  return { levels: level + 1, diskBytes: directoryBytes(directory) }
}

/** With a node cache of its own, of the default size. */
function openTree(root: string | undefined): Promise<Tree> {
  return Tree.open(new NodeReader(reader), linkOf(root))
}

function linkOf(root: string | undefined): Link {
  const link = hexToBytes(root ?? '')
  if (link === undefined) throw new Error('root: expected one in hex')
  return link
}

function medians(batches: readonly Batch[]): Batch {
  const middle = (name: keyof Batch): number => median(batches.map((batch) => batch[name]))
  return {
    seconds: middle('seconds'),
    blocksRead: middle('blocksRead'),
    bytesRead: middle('bytesRead'),
    blocksWritten: middle('blocksWritten'),
    bytesWritten: middle('bytesWritten'),
  }
}

const result = await { build, edit, diff, check }[phase]()
console.log(JSON.stringify(result))
await store.close()
