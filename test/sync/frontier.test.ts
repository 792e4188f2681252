/** What a frontier remembers is bounded by what is under way, not by the tree; wants are deduplicated and come back. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { linkMapKey } from '../../src/link.ts'
import { type Format, FORMAT_1, Node } from '../../src/prolly/index.ts'
import { Frontier } from '../../src/sync/fetching/frontier.ts'
import { INTERNAL_NODES_MAX, RANGE_BLOCKS_MAX, READY_BLOCKS_MAX, SCATTERED_NODES_MAX } from '../../src/sync/limits.ts'
import { VerifiedWriter } from '../../src/sync/fetching/verified-writer.ts'
import type { Want } from '../../src/sync/fetching/wants.ts'
import { takeBlocks } from '../support/frontier.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { CountingStore, publish, type Published, sameBlocks } from '../support/sync-lab.ts'
import { type BlockSource, prefixOf, rangeBlocks } from '../support/sync-range.ts'
import { DEEP, randomRows, u32be, utf8, WIDE } from '../support/tree-sets.ts'

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
  const frontier = new Frontier(source.target, writer, { format: DEEP })
  const leaves: Want[] = []
  let most = 0
  for (;;) {
    await frontier.lookAhead(breathe)
    most = Math.max(most, frontier.rememberedCount)
    const wants = takeBlocks(frontier, 50)
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
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), { format: DEEP })
  const internal: Want[] = []
  for (let round = 0; round < 200; round++) {
    await frontier.lookAhead(breathe)
    const [want] = takeBlocks(frontier, 1)
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
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), { format: DEEP })
  await frontier.lookAhead(breathe)
  const [root] = takeBlocks(frontier, 10) as [Want]
  assert.is(takeBlocks(frontier, 10).length, 0)
  frontier.giveBack([root])
  assert.equal(takeBlocks(frontier, 10), [root])
  frontier.askAgain([root])
  frontier.giveBack([root])
  assert.is(frontier.readyCount, 0, 'somebody else still owes it')
  assert.is(frontier.accept(root, bytesOf(source, root)), true)
  frontier.giveBack([root])
  assert.is(frontier.readyCount, 0)
  await frontier.lookAhead(breathe)
  const keys = takeBlocks(frontier, 100).map(({ link }) => linkMapKey(link))
  assert.is(new Set(keys).size, keys.length)
})

test('a late answer is compared with its hash, and otherwise ignored', async () => {
  const source = await numbers(500, DEEP)
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), { format: DEEP })
  await frontier.lookAhead(breathe)
  const [root] = takeBlocks(frontier, 1) as [Want]
  frontier.askAgain([root])
  assert.is(frontier.accept(root, bytesOf(source, root)), true)
  const { entries, bytes } = frontier.counts
  assert.is(frontier.accept(root, bytesOf(source, root)), false)
  assert.throws(() => frontier.accept(root, new Uint8Array(3)), /BLOCK_MISMATCH|other/)
  assert.equal([frontier.counts.entries, frontier.counts.bytes], [entries, bytes])
})

test('in random order, as in a swarm: other parts come first, and memory is bounded too', async () => {
  const source = await numbers(30_000, DEEP)
  const firsts = new Set<string>()
  for (const seed of [1, 2, 3]) {
    const random = new Random(seed)
    const writer = new VerifiedWriter(new CountingStore())
    const frontier = new Frontier(source.target, writer, { format: DEEP, random: () => random.below(1000) / 1000 })
    let most = 0
    let first: string | undefined
    for (;;) {
      await frontier.lookAhead(breathe)
      most = Math.max(most, frontier.rememberedCount)
      const wants = takeBlocks(frontier, 200)
      if (wants.length === 0) break
      for (const want of wants) {
        const bytes = bytesOf(source, want)
        if (first === undefined && Node.decode(bytes).level === 0) first = linkMapKey(want.link)
        frontier.accept(want, bytes)
      }
      frontier.giveBack(wants)
    }
    assert.ok(frontier.isDone)
    firsts.add(first ?? '')
    const bound = READY_BLOCKS_MAX + SCATTERED_NODES_MAX + 200 * 40
    assert.ok(most < bound, `${most} places and wants, ${source.blocks.size} blocks`)
  }
  assert.is(firsts.size, 3)
})

test('a range may bring any of what is below, in order: the rest is asked for, and nothing twice', async () => {
  for (const seed of seeds(60)) {
    const random = new Random(seed)
    const format = random.pick([DEEP, WIDE])
    const source = await publish(randomRows(random, random.between(1, 300), format), { format })
    const store = new CountingStore()
    const writer = new VerifiedWriter(store)
    const frontier = new Frontier(source.target, writer, { format })
    let received = 0
    for (;;) {
      await frontier.lookAhead(breathe)
      const wants = frontier.take(random.between(1, 5), Infinity, (want) =>
        want.byLink || want.subtreeBytes === undefined ? undefined : { kind: 'range', bytes: 1 },
      )?.wants
      if (wants === undefined) break
      const left = random.pick([0, 0.1, 0.5])
      const links = wants.map(({ link }) => link).filter(() => !random.chance(left))
      const all = links.length === 0 ? [] : [...rangeBlocks(withHoles(source, random, left), links, null)]
      const blocks = all.slice(0, random.between(0, all.length))
      const { accepted, fresh, foreign } = frontier.acceptRange(wants, blocks)
      frontier.giveBack(wants)
      assert.equal([accepted, foreign], [blocks.length, undefined], `seed ${seed}`)
      received += fresh
    }
    for (let wants = takeBlocks(frontier, 9); wants.length > 0; wants = takeBlocks(frontier, 9)) {
      for (const want of wants) if (frontier.accept(want, bytesOf(source, want))) received++
      frontier.giveBack(wants)
      await frontier.lookAhead(breathe)
    }
    assert.ok(frontier.isDone, `seed ${seed}`)
    await writer.flush()
    assert.ok(sameBlocks(source, store), `seed ${seed}`)
    assert.is(received, source.blocks.size, `seed ${seed}`)
    assert.equal([frontier.counts.entries, frontier.counts.bytes], [source.target.entries, source.target.bytes])
  }
})

/** The source without some of its blocks, and what is below them. */
function withHoles(source: Published, random: Random, chance: number): BlockSource {
  return { get: (link) => (random.chance(chance) ? undefined : source.store.get(link)) }
}

test('a range that goes wrong: what came before counts, the rest stays open', async () => {
  const source = await numbers(800, DEEP)
  const { store } = source
  const blocks = [...rangeBlocks(store, [source.target.root], null)]
  const lies: readonly (readonly [string, (at: number) => readonly Uint8Array[]])[] = [
    ['a wrong block', (at) => blocks.with(at, (blocks[at] as Uint8Array).with(0, 1))],
    ['a block twice', (at) => [...blocks.slice(0, at), blocks[at - 1] as Uint8Array, ...blocks.slice(at)]],
    ['one before its parent', (at) => [...blocks.slice(0, at - 1), ...blocks.slice(at - 1).toReversed()]],
    ['a block of another tree', (at) => blocks.with(at, Uint8Array.of(0x83, 0, 0x80, 0x80))],
    ['a block that is too large', (at) => blocks.with(at, new Uint8Array(2 ** 20 + 1))],
  ]
  for (const [name, lie] of lies) {
    for (const at of [1, 2, 7, blocks.length - 1]) {
      const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), { format: DEEP })
      await frontier.lookAhead(breathe)
      const wants = takeBlocks(frontier, 1)
      const { accepted, fresh, foreign } = frontier.acceptRange(wants, lie(at))
      frontier.giveBack(wants)
      assert.ok(isCoppiceError(foreign, 'BLOCK_MISMATCH'), name)
      assert.ok(accepted >= at - 1 && accepted === fresh && accepted < blocks.length, `${name}: ${accepted} at ${at}`)
      assert.not(frontier.isDone)
      await frontier.lookAhead(breathe)
      const open = takeBlocks(frontier, 10_000)
      assert.ok(open.length > 0 && open.every((want) => !want.settled))
    }
  }
})

test('values that a range leaves out are remembered up to what its leaves can name', async () => {
  const rows = Array.from({ length: 40_000 }, (_, i) => ({ key: u32be(i), value: utf8(`${i}`.repeat(9)) }))
  const source = await publish(rows, { format: { ...FORMAT_1, inlineBytesMax: 20 } })
  const nodes = [...rangeBlocks(source.store, [source.target.root], null)].filter(
    (bytes) => bytes[0] === 0x83 || bytes[0] === 0x85,
  )
  const prefix = prefixOf(nodes, 2 ** 20, RANGE_BLOCKS_MAX)
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), {
    format: { ...FORMAT_1, inlineBytesMax: 20 },
  })
  await frontier.lookAhead(breathe)
  const { accepted } = frontier.acceptRange(takeBlocks(frontier, 1), prefix)
  assert.is(accepted, prefix.length)
  await frontier.lookAhead(breathe)
  assert.ok(frontier.rememberedCount < 2 ** 20 / 40, `${frontier.rememberedCount} for ${accepted} leaves`)
})

test.run()
