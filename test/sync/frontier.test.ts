/** What a frontier remembers is bounded by what is under way, not by the tree; wants are deduplicated and come back. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey } from '../../src/link.ts'
import { type Format, Node } from '../../src/prolly/index.ts'
import { Frontier, type Want } from '../../src/sync/fetching/frontier.ts'
import { INTERNAL_NODES_MAX, READY_BLOCKS_MAX } from '../../src/sync/limits.ts'
import { VerifiedWriter } from '../../src/sync/fetching/verified-writer.ts'
import { CountingStore, publish, type Published, sameBlocks } from '../support/sync-lab.ts'
import { DEEP, u32be, utf8 } from '../support/tree-sets.ts'

const test = suite('sync/frontier')

const breathe = (): Promise<void> => Promise.resolve()

function numbers(count: number, format: Format): Promise<Published> {
  const rows = Array.from({ length: count }, (_, i) => ({ key: u32be(i), value: utf8(`v${i}`) }))
  return publish(rows, { format })
}

function bytesOf(published: Published, want: Want): Uint8Array {
  return published.store.get(want.link) as Uint8Array
}

test('memory is bounded whatever the tree, also when leaves never arrive', async () => {
  const source = await numbers(60_000, DEEP)
  assert.ok(source.blocks.size > 4 * READY_BLOCKS_MAX)
  const store = new CountingStore()
  const writer = new VerifiedWriter(store)
  const frontier = new Frontier(source.target, writer, DEEP)
  const leaves: Want[] = []
  let most = 0
  for (;;) {
    await frontier.lookAhead(breathe)
    most = Math.max(most, frontier.rememberedCount)
    const wants = frontier.take(50, Infinity)
    if (wants.length === 0) break
    for (const want of wants) {
      const bytes = bytesOf(source, want)
      if (Node.decode(bytes).level > 0) frontier.accept(want, bytes)
      else leaves.push(want)
    }
    // Two requests of leaves are under way; older ones are answered.
    for (const want of leaves.splice(0, leaves.length - 512)) frontier.accept(want, bytesOf(source, want))
  }
  for (const want of leaves) frontier.accept(want, bytesOf(source, want))
  await frontier.lookAhead(breathe)
  await writer.flush()
  assert.ok(frontier.isDone)
  assert.ok(sameBlocks(source, store))
  const bound = READY_BLOCKS_MAX + 512 + INTERNAL_NODES_MAX * 40
  assert.ok(most < bound, `${most} places and wants, ${source.blocks.size} blocks`)
})

test('few internal nodes are under way at once', async () => {
  const source = await numbers(20_000, DEEP)
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), DEEP)
  const internal: Want[] = []
  for (let round = 0; round < 200; round++) {
    await frontier.lookAhead(breathe)
    const [want] = frontier.take(1, Infinity)
    if (want !== undefined) internal.push(want)
    if (internal.length > INTERNAL_NODES_MAX) {
      const first = internal.shift() as Want
      frontier.accept(first, bytesOf(source, first))
    } else if (want === undefined || internal.length === 1) {
      const first = internal.shift()
      if (first === undefined) break
      frontier.accept(first, bytesOf(source, first))
    }
    assert.ok(frontier.readyCount <= INTERNAL_NODES_MAX + READY_BLOCKS_MAX)
  }
})

test('wants that come back are asked for again, unless they are settled or asked elsewhere', async () => {
  const source = await numbers(500, DEEP)
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), DEEP)
  await frontier.lookAhead(breathe)
  const [root] = frontier.take(10, Infinity) as [Want]
  assert.is(frontier.take(10, Infinity).length, 0)
  frontier.giveBack([root])
  assert.equal(frontier.take(10, Infinity), [root])
  frontier.askAgain([root])
  frontier.giveBack([root])
  assert.is(frontier.readyCount, 0, 'somebody else still owes it')
  assert.is(frontier.accept(root, bytesOf(source, root)), true)
  frontier.giveBack([root])
  assert.is(frontier.readyCount, 0)
  await frontier.lookAhead(breathe)
  const keys = frontier.take(100, Infinity).map(({ link }) => linkMapKey(link))
  assert.is(new Set(keys).size, keys.length)
})

test('a late answer is compared with its hash, and otherwise ignored', async () => {
  const source = await numbers(500, DEEP)
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), DEEP)
  await frontier.lookAhead(breathe)
  const [root] = frontier.take(1, Infinity) as [Want]
  frontier.askAgain([root])
  assert.is(frontier.accept(root, bytesOf(source, root)), true)
  const { entries, bytes } = frontier.counts
  assert.is(frontier.accept(root, bytesOf(source, root)), false)
  assert.throws(() => frontier.accept(root, new Uint8Array(3)), /BLOCK_MISMATCH|other/)
  assert.equal([frontier.counts.entries, frontier.counts.bytes], [entries, bytes])
})

test.run()
