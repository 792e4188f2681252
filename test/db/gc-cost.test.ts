/** What a collection reads and holds, by counting: all of one state, and of the others what differs; bounded memory. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MarkSet } from '../../src/db/upkeep/mark-set.ts'
import { CODEC_DAG_CBOR, CODEC_DAG_PB, CODEC_RAW, type Link, linkTo } from '../../src/link.ts'
import { measureTree } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { createDatabase, openDatabase, utf8 } from '../support/database-lab.ts'
import { allBlocks } from '../support/gc-lab.ts'
import { seededRandom } from '../support/seeded-random.ts'

const test = suite('db/gc-cost')

class CountingStore extends MemoryStore {
  reads = 0
  largestPage = 0

  override get(link: Link): Uint8Array | undefined {
    this.reads++
    return super.get(link)
  }

  override listBlocks(after: Link | undefined, limit: number): Link[] {
    const links = super.listBlocks(after, limit)
    this.largestPage = Math.max(this.largestPage, links.length)
    return links
  }
}

test('reads: one state whole, of each other one the changed paths, and the garbage for its size', async () => {
  const store = new CountingStore()
  const db = await createDatabase({ store })
  const count = 30_000
  await db.batch((tx) =>
    tx.apply(
      Array.from({ length: count }, (_, i) => ({ key: utf8(String(i).padStart(7, '0')), value: utf8(`value ${i}`) })),
    ),
  )
  await db.publish()
  const states = 40
  for (let i = 0; i < states; i++) {
    await db.put(utf8(String((i * 7919) % count).padStart(7, '0')), utf8(`changed ${i}`))
    await db.publish()
  }
  const { tree } = await db.snapshot()
  const { levels } = await measureTree(tree)
  const nodes = levels.reduce((sum, level) => sum + level.nodes, 0)
  const collector = await openDatabase(store)
  store.reads = 0
  const all = await collector.gc()
  // Two paths, of the state and of its neighbour, and the nodes beside them where boundaries moved.
  const perState = 4 * levels.length
  assert.is(all.blocksRemoved, 1, 'the empty state that it began with')
  assert.ok(store.reads <= nodes + states * perState, `${store.reads} reads for ${nodes} nodes and ${states} states`)
  assert.ok(nodes > 3 * perState)
  store.reads = 0
  const one = await (await openDatabase(store)).gc({ keep: 1 })
  assert.is(one.statesRemoved, states)
  assert.ok(store.reads <= nodes + one.blocksRemoved + 2, `${store.reads} reads`)
  assert.ok(store.largestPage <= 1024)
})

/** Different for each `n`, as digests are. */
function linkOf(codec: number, n: number): Link {
  return linkTo(codec, utf8(String(n)))
}

test('every marked block is found again; raw ones are taken for marked by mistake seldom, and others with another salt; nodes never', () => {
  const random = seededRandom(7)
  const count = 20_000
  for (let run = 0; run < 2; run++) {
    const marks = new MarkSet(count, random)
    for (let n = 0; n < count; n++) marks.add(linkOf([CODEC_RAW, CODEC_DAG_CBOR, CODEC_DAG_PB][n % 3] as number, n))
    for (let n = 0; n < count; n++) {
      assert.ok(marks.has(linkOf([CODEC_RAW, CODEC_DAG_CBOR, CODEC_DAG_PB][n % 3] as number, n)))
      assert.not.ok(marks.has(linkOf(CODEC_DAG_CBOR, n + count)) || marks.has(linkOf(CODEC_DAG_PB, n + count)))
      if (n % 3 !== 1) assert.not.ok(marks.has(linkOf(CODEC_DAG_CBOR, n)), 'an equal digest with another codec')
    }
    const wrong = Array.from({ length: 60_000 }, (_, n) => linkOf(CODEC_RAW, count + n)).filter((link) =>
      marks.has(link),
    )
    assert.ok(wrong.length < 60_000 / 1000, `${wrong.length} mistakes`)
  }
  // Filled three times as full as it is made for, so that there are mistakes to compare.
  const full = [0, 1].map(() => {
    const marks = new MarkSet(count / 16, random)
    for (let n = 0; n < count / 4; n++) marks.add(linkOf(CODEC_RAW, n))
    return new Set(Array.from({ length: 20_000 }, (_, n) => n + count).filter((n) => marks.has(linkOf(CODEC_RAW, n))))
  })
  const [first = new Set(), second = new Set()] = full
  const both = [...first].filter((n) => second.has(n)).length
  assert.ok(first.size > 100 && both < first.size / 2, `${first.size}, ${second.size}, ${both} in common`)
})

test('memory: 64 MiB for values however many there are, and about 20 bytes for a node', () => {
  assert.ok(new MarkSet(100_000_000, seededRandom(1)).heldBytes < 65 * 1024 * 1024)
  const marks = new MarkSet(1000, seededRandom(1))
  const bytes = new Uint8Array(36).fill(1)
  bytes.set([1, CODEC_DAG_CBOR, 0x12, 0x20])
  const view = new DataView(bytes.buffer)
  for (let n = 0; n < 200_000; n++) {
    view.setUint32(4, n * 2654435761)
    view.setUint32(8, n)
    marks.add(bytes)
  }
  assert.ok(marks.heldBytes / 200_000 < 32, String(marks.heldBytes))
})

test('values are looked up and not read', async () => {
  const store = new CountingStore()
  const db = await createDatabase({ store })
  await db.batch((tx) =>
    tx.apply(
      Array.from({ length: 500 }, (_, i) => ({
        key: utf8(String(i).padStart(4, '0')),
        value: new Uint8Array(1500).fill(i),
      })),
    ),
  )
  await db.publish()
  const collector = await openDatabase(store)
  store.reads = 0
  await collector.gc()
  assert.ok(store.reads < 50 && (await allBlocks(store)).length > 250, `${store.reads} reads`)
})

test.run()
