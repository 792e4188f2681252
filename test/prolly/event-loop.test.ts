/**
 * Long work over stores that answer at once lets the event loop go round now and then, so that timers, input and signals
 * are seen: a build, an edit, a scan and a diff in memory are aborted by a signal that only the event loop could set.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BYTES_PER_TURN } from '../../src/event-loop.ts'
import { buildTree, diffTrees, editTree, NodeReader, type Put, Tree, type TreeRef } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('prolly/event-loop')

const VALUE_BYTES = 1000
/** Rows for so many turns of the event loop. */
const TURNS = 5
const ROWS = Math.ceil((TURNS * BYTES_PER_TURN) / VALUE_BYTES)
/** The signal is set in the first turn, which comes this early, and seen soon after. */
const SEEN_WITHIN = Math.ceil((1.2 * BYTES_PER_TURN) / VALUE_BYTES)

const sink = { put(): void {} }
const reason = new Error('enough')

function row(i: number, fill: number): Put {
  return { key: u32be(i), value: new Uint8Array(VALUE_BYTES).fill(fill) }
}

/** What `work` fails with once the event loop sets its signal, and how often it came round to `count` before. */
async function aborted(
  work: (signal: AbortSignal, count: () => void) => Promise<unknown>,
): Promise<{ readonly error: unknown; readonly counted: number }> {
  const controller = new AbortController()
  let counted = 0
  setImmediate(() => controller.abort(reason))
  try {
    await work(controller.signal, () => void counted++)
  } catch (error) {
    return { error, counted }
  }
  return { error: undefined, counted }
}

async function assertAborted(work: Parameters<typeof aborted>[0], within: number): Promise<void> {
  const { error, counted } = await aborted(work)
  assert.is(error, reason)
  assert.ok(counted > 0 && counted <= within, `${counted} steps, at most ${within} expected`)
}

function* rows(fill: number, count: () => void): Generator<Put> {
  for (let i = 0; i < ROWS; i++) {
    count()
    yield row(i, fill)
  }
}

const blocks = new BlockMap()
const [first, second] = [await treeOf([...rows(1, () => {})], undefined, blocks), await rewritten()]

async function rewritten(): Promise<Tree> {
  return await Tree.open(
    blocks,
    (
      await buildTree(
        rows(2, () => {}),
        blocks,
      )
    ).root,
  )
}

/** As after a restart: nothing is cached. */
async function cold(ref: TreeRef): Promise<Tree> {
  return await Tree.open(new NodeReader(blocks), ref.root)
}

test('a build', async () => {
  await assertAborted((signal, count) => buildTree(rows(3, count), sink, { signal }), SEEN_WITHIN)
})

test('an edit, of which nothing is new too', async () => {
  for (const fill of [1, 3]) {
    const tree = await cold(first.ref)
    await assertAborted((signal, count) => editTree(tree, rows(fill, count), sink, { signal }), SEEN_WITHIN)
  }
})

test('a scan, either way', async () => {
  for (const reverse of [false, true]) {
    const tree = await cold(first.ref)
    await assertAborted(async (signal, count) => {
      for await (const _ of tree.scan({ signal, reverse })) count()
    }, SEEN_WITHIN)
  }
})

test('a diff', async () => {
  const [from, to] = [await cold(first.ref), await cold(second.ref)]
  await assertAborted(async (signal, count) => {
    for await (const _ of diffTrees(from, to, { signal })) count()
  }, SEEN_WITHIN)
})

test('short work goes on without a turn', async () => {
  let turns = 0
  setImmediate(() => turns++)
  const tree = await treeOf(Array.from({ length: 1000 }, (_, i) => row(i, 0)))
  await editTree(tree, [row(5, 1)], sink)
  for await (const _ of tree.scan()) continue
  assert.is(turns, 0)
})

test.run()
