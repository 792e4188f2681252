/** Answers to ranges: for any tree, base, links and budget exactly what is missing, in pre-order, and no more read than that is worth. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Link, linkCodec, linkMapKey, CODEC_DAG_CBOR } from '../../src/link.ts'
import { type Format, FORMAT_1, Node } from '../../src/prolly/index.ts'
import { RANGE_BLOCKS_MAX, RANGE_READS_MAX } from '../../src/sync/limits.ts'
import { answerRange } from '../../src/sync/serving/range.ts'
import { BlockMap } from '../support/blocks.ts'
import { MIB, publishFiles, putFile } from '../support/file-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { CountingStore, publish, type Published } from '../support/sync-lab.ts'
import { prefixOf, rangeBlocks } from '../support/sync-range.ts'
import { applyEdits, DEEP, FORMATS, randomEdits, randomRows, u32be, utf8, WIDE } from '../support/tree-sets.ts'

const test = suite('sync/range')

/** Counts what is read. */
class ReadStore extends CountingStore {
  reads = 0

  override get(link: Link): Uint8Array | undefined {
    this.reads++
    return super.get(link)
  }
}

interface Asked {
  readonly links: readonly Link[]
  readonly base?: Link | null
  readonly bytesMax?: number
}

async function ask(
  store: CountingStore,
  { links, base = null, bytesMax = 2 ** 30 }: Asked,
): Promise<readonly Uint8Array[]> {
  const root = links[0] as Link
  const { signal } = new AbortController()
  const answer = await answerRange({ type: 'get range', id: 7, root, base, links, bytesMax }, { store }, signal)
  assert.is(answer.id, 7)
  return answer.blocks
}

function assertSame(actual: readonly Uint8Array[], expected: readonly Uint8Array[], what: string): void {
  assert.is(actual.length, expected.length, what)
  for (const [i, bytes] of actual.entries()) assert.ok(Buffer.from(bytes).equals(expected[i] as Uint8Array), what)
}

function nodesOf(source: Published): Link[] {
  return [...source.blocks]
    .map((key) => Uint8Array.from(key, (unit) => unit.charCodeAt(0)))
    .filter((link) => linkCodec(link) === CODEC_DAG_CBOR)
}

async function twoStates(random: Random, format: Format, rows: number, edits: number): Promise<[Published, Published]> {
  const first = randomRows(random, rows, format)
  const before = await publish(first, { format })
  const changed = applyEdits(first, randomEdits(random, first, edits, format))
  return [before, await publish(changed, { format, sequence: 2, store: before.store })]
}

test('any tree, base, links and budget: the prefix that fits of what the base does not have', async () => {
  for (const seed of seeds(150)) {
    const random = new Random(seed)
    const [, format] = random.pick(FORMATS)
    const [before, after] = await twoStates(random, format, random.between(0, 400), random.between(0, 60))
    const links = Array.from({ length: random.between(1, 4) }, () => random.pick(nodesOf(after)))
    const base = random.pick([null, before.target.root, after.target.root, random.pick(nodesOf(after))])
    const bytesMax = random.pick([1, 300, random.between(1, 20_000), 2 ** 20])
    const blocks = await ask(after.store, { links, base, bytesMax })
    const expected = prefixOf(rangeBlocks(after.store, links, base), bytesMax, RANGE_BLOCKS_MAX)
    assertSame(blocks, expected, `seed ${seed}`)
  }
})

test('the blocks that a change made, from the root: no others', async () => {
  const [before, after] = await twoStates(new Random(5), WIDE, 3000, 25)
  const blocks = await ask(after.store, { links: [after.target.root], base: before.target.root })
  const nodes = new Set(nodesOf(before).map(linkMapKey))
  assert.is(
    blocks.length,
    [...after.blocks].filter((key) => !before.blocks.has(key)).length,
    'each new block once, and nothing that is known',
  )
  assert.ok(nodes.size > blocks.length * 3)
})

test('a base that is not wholly here is no base', async () => {
  const [before, after] = await twoStates(new Random(6), WIDE, 500, 10)
  await before.store.write({ removeComplete: [before.target.root] })
  const links = [after.target.root]
  assertSame(
    await ask(after.store, { links, base: before.target.root }),
    [...rangeBlocks(after.store, links, null)],
    'everything',
  )
})

test('a base that is damaged here: what cannot be compared is sent', async () => {
  for (const seed of seeds(20)) {
    const random = new Random(seed)
    const [before, after] = await twoStates(random, DEEP, 200, 10)
    const links = [after.target.root]
    const shared = [...before.blocks].filter((key) => !after.blocks.has(key))
    const rotten = Uint8Array.from(random.pick(shared), (unit) => unit.charCodeAt(0))
    const honest = [...rangeBlocks(after.store, links, before.target.root)]
    await after.store.write({ removeBlocks: [rotten] })
    const blocks = await ask(after.store, { links, base: before.target.root })
    const sent = new Set(blocks.map((bytes) => Buffer.from(bytes).toString('latin1')))
    for (const block of honest) assert.ok(sent.has(Buffer.from(block).toString('latin1')), `seed ${seed}`)
  }
})

test('what has no record is not here, and what rotted is left out with all below it', async () => {
  const source = await publish(randomRows(new Random(7), 300, DEEP), { format: DEEP })
  const { store, target } = source
  const root = Node.decode(store.get(target.root) as Uint8Array)
  const child = root.link(0).slice()
  const rest = [...rangeBlocks(store, [target.root], null)].length - [...rangeBlocks(store, [child], null)].length
  await store.write({ blocks: [{ link: child, bytes: utf8('rotten') }] })
  const damaged: Link[] = []
  const { signal } = new AbortController()
  const { blocks } = await answerRange(
    { type: 'get range', id: 1, root: target.root, base: null, links: [target.root], bytesMax: 2 ** 20 },
    { store, onDamage: (link) => damaged.push(link) },
    signal,
  )
  assert.is(blocks.length, rest)
  assert.equal(damaged.map(linkMapKey), [linkMapKey(child)])
  await store.write({ removeComplete: [target.root] })
  assert.equal(await ask(store, { links: [target.root] }), [])
})

test('values follow their leaf, equal ones once, files not at all', async () => {
  const map = new BlockMap()
  const file = await putFile(map, 2 * MIB)
  const value = new Uint8Array(2000).fill(3)
  const rows = Array.from({ length: 50 }, (_, i) => ({
    key: u32be(i),
    value: i === 7 ? file : i % 3 === 0 ? value : new Uint8Array(1500).fill(i),
  }))
  const source = await publishFiles(rows, map)
  const blocks = await ask(source.store, { links: [source.target.root] })
  assertSame(blocks, [...rangeBlocks(source.store, [source.target.root], null)], 'in order')
  assert.is(blocks.length, 1 + 1 + 32)
})

test('a small question about much that is the same reads no more than its bound', async () => {
  const rows = Array.from({ length: 60_000 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const store = new ReadStore()
  const base = await publish(rows, { format: DEEP, store })
  // All rows but one in a hundred are gone: each leaf that is sent lies above thousands that the base has.
  const after = await publish(
    rows.filter((_, i) => i % 100 === 0),
    { format: DEEP, sequence: 2, store },
  )
  store.reads = 0
  await ask(store, { links: [after.target.root], base: base.target.root })
  assert.ok(store.reads < RANGE_READS_MAX + 100, `${store.reads} reads`)
  store.reads = 0
  const blocks = await ask(store, { links: [after.target.root], base: base.target.root, bytesMax: 1 })
  assert.is(blocks.length, 1)
  assert.ok(store.reads < 1000, `${store.reads} reads for one block`)
})

test('links that the base has cost a path each', async () => {
  const store = new ReadStore()
  const rows = Array.from({ length: 30_000 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
  const source = await publish(rows, { format: DEEP, store })
  const links = nodesOf(source)
    .filter((_, i) => i % 40 === 0)
    .slice(0, 256)
  store.reads = 0
  assert.equal(await ask(store, { links, base: source.target.root }), [])
  assert.ok(store.reads <= RANGE_READS_MAX, `${store.reads} reads`)
})

test('it costs at most about a node of the base for each node that is sent', async () => {
  for (const format of [WIDE, FORMAT_1]) {
    const store = new ReadStore()
    const rows = Array.from({ length: 40_000 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
    const base = await publish(rows, { format, store })
    const edited = rows.map((row, i) => (i % 800 === 400 ? { ...row, value: utf8('new') } : row))
    const after = await publish(edited, { format, sequence: 2, store })
    store.reads = 0
    const blocks = await ask(store, { links: [after.target.root], base: base.target.root })
    assert.ok(store.reads <= 2 * blocks.length + 8, `${store.reads} reads for ${blocks.length} blocks`)
  }
})

test('the end of the channel ends the walk', async () => {
  const source = await publish(randomRows(new Random(8), 300, DEEP), { format: DEEP })
  const reason = new Error('gone')
  const asked = { type: 'get range', id: 1, root: source.target.root, base: null, bytesMax: 2 ** 20 } as const
  const error: unknown = await answerRange(
    { ...asked, links: [source.target.root] },
    { store: source.store },
    AbortSignal.abort(reason),
  ).catch((thrown: unknown) => thrown)
  assert.is(error, reason)
})

test.run()
