/**
 * Threats 1, 9, 13, 16 and 27, by archive: a CAR is a peer like any other. Whatever is wrong with one is told by code, nothing of it is
 * shown, what was right of it may stay, and the next one, or a peer, goes on from there.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import { type Block, CODEC_DAG_CBOR, CODEC_RAW, formatLink, linkMapKey, linkTo } from '../../src/link.ts'
import { headBlock } from '../../src/pointer/index.ts'
import { buildTree } from '../../src/prolly/index.ts'
import { importCar } from '../../src/transfer/index.ts'
import { BlockMap } from '../support/blocks.ts'
import {
  blocksOfCar,
  carOf,
  carOfBlocks,
  emptyReplica,
  inChunks,
  publishedFilms,
  signedOf,
} from '../support/car-lab.ts'
import { createDatabase, DatabaseLab, failureOf, utf8, WatchedStore } from '../support/database-lab.ts'
import { ENDLESS, putZeros } from '../support/file-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { surroundings } from '../../src/surroundings.ts'

const test = suite('hostile/archives')

/** Imports a bad archive into an empty replica: nothing is shown, and the good one completes it after that. */
async function refuse(db: Database, car: Uint8Array | AsyncIterable<Uint8Array>): Promise<CoppiceError> {
  const replica = await emptyReplica(db)
  const chunks = car instanceof Uint8Array ? inChunks(car, 10_000) : car
  const error = await failureOf(importCar(replica, { name: 'bad.car', chunks }))
  assert.match(error.message, /bad\.car/)
  assert.not.ok(await replica.isComplete())
  await importCar(replica, { name: 'good.car', chunks: inChunks(await carOf(db)) })
  assert.equal(await signedOf(replica), await signedOf(db))
  await replica.close()
  return error
}

async function parts(db: Database): Promise<{ root: Uint8Array; head: Block; rest: Block[] }> {
  const { blocks } = await blocksOfCar(await carOf(db))
  const [head, ...rest] = blocks as [Block, ...Block[]]
  return { root: head.link, head, rest }
}

test('cut off anywhere', async () => {
  const db = await publishedFilms()
  const car = await carOf(db)
  for (const seed of seeds(8)) {
    const at = 1 + new Random(seed).below(car.length - 1)
    const { code } = await refuse(db, car.subarray(0, at))
    // Between two blocks it is an archive that lacks the rest.
    assert.ok(code === 'CAR_INVALID' || code === 'NO_PEER_LEFT', code)
  }
  await db.close()
})

test('what came before the fault is kept: the next one brings only the rest', async () => {
  const db = await publishedFilms()
  const { root, head, rest } = await parts(db)
  const whole = await carOfBlocks(root, [head, ...rest])
  const cut = whole.subarray(0, (await carOfBlocks(root, [head, ...rest.slice(0, 50)])).length + 7)
  const store = new WatchedStore()
  const replica = await emptyReplica(db, store)
  const chunks = inChunks(cut)
  assert.is((await failureOf(importCar(replica, { name: 'cut.car', chunks }))).code, 'CAR_INVALID')
  assert.is(store.blocksWritten.length, 50)
  await importCar(replica, { name: 'good.car', chunks: inChunks(whole) })
  const again = new Set(store.blocksWritten.slice(50))
  for (const key of store.blocksWritten.slice(0, 50)) assert.not.ok(again.has(key))
  await replica.close()
  await db.close()
})

test('one bit changed anywhere is never shown', async () => {
  const db = await publishedFilms()
  const car = await carOf(db)
  for (const seed of seeds(12)) {
    const random = new Random(seed)
    const bad = Uint8Array.from(car)
    const at = random.below(bad.length)
    bad[at] = bad[at]! ^ (1 << random.below(8))
    const { code } = await refuse(db, bad)
    assert.ok(code === 'CAR_INVALID' || code === 'NO_PEER_LEFT', `bit of byte ${at}: ${code}`)
  }
  await db.close()
})

test('other bytes under a right CID', async () => {
  const db = await publishedFilms()
  const { root, head, rest } = await parts(db)
  const bad = rest.map((block, i) => (i === 40 ? { link: block.link, bytes: Uint8Array.of(1, 2, 3) } : block))
  const error = await refuse(db, await carOfBlocks(root, [head, ...bad]))
  assert.is(error.code, 'CAR_INVALID')
  assert.match(error.message, new RegExp(`${formatLink(rest[40]!.link)}: expected the bytes of its CID`))
  await db.close()
})

test('roots that are none: no head block, another block, several, not the first', async () => {
  const db = await publishedFilms()
  const { root, head, rest } = await parts(db)
  const tree = rest[0]!
  const cases: readonly (readonly [what: RegExp, car: Uint8Array])[] = [
    [/head block/, await carOfBlocks(tree.link, rest)],
    [/come first/, await carOfBlocks(root, [...rest, head])],
    [/come first/, await carOfBlocks(root, [])],
    [/one root/, await carOfBlocks(Uint8Array.of(0x01, 0x55, 0x00, 0x00), [head, ...rest])],
    [/head block/, await carOfBlocks(rest[1]!.link, [rest[1]!, ...rest])],
  ]
  for (const [what, car] of cases) {
    const error = await refuse(db, car)
    assert.is(error.code, 'CAR_INVALID')
    assert.match(error.message, what)
  }
  await db.close()
})

test("somebody else's database, and one signed by somebody else", async () => {
  const db = await publishedFilms()
  const other = await createDatabase({ label: 'somebody else' })
  await other.put(utf8('a'), utf8('1'))
  await other.publish()
  assert.match((await refuse(db, await carOf(other))).message, /another database/)
  // The author's name and a signature that is not the author's.
  const { rest } = await parts(db)
  const signed = await signedOf(db)
  const bytes = Uint8Array.from(signed.bytes)
  bytes[bytes.length - 1] = bytes.at(-1)! ^ 1
  const forged = headBlock({ ...signed, bytes })
  const error = await refuse(db, await carOfBlocks(forged.link, [forged, ...rest]))
  assert.is(error.code, 'NO_PEER_LEFT')
  assert.match(error.message, /liar/)
  await other.close()
  await db.close()
})

test('an endless one is left where more came than was signed', async () => {
  const db = await publishedFilms()
  const { root, head } = await parts(db)
  const { bytes } = (await signedOf(db)).payload
  let taken = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield await carOfBlocks(root, [head])
    for (let i = 0; ; i++) {
      const junk = new Uint8Array(100_000).fill(i)
      new DataView(junk.buffer).setUint32(0, i)
      const link = linkTo(CODEC_RAW, junk)
      const section = await carOfBlocks(root, [{ link, bytes: junk }])
      taken += junk.length
      yield section.subarray((await carOfBlocks(root, [])).length)
    }
  }
  const error = await refuse(db, endless())
  assert.is(error.code, 'CAR_INVALID')
  assert.match(error.message, /more bytes of blocks than were signed/)
  assert.ok(taken < bytes + 3_000_000, `${taken} of ${bytes}`)
  await db.close()
})

test('an endless one of empty blocks is left, too', async () => {
  const db = await publishedFilms()
  const { root, head } = await parts(db)
  const empty = { link: linkTo(CODEC_RAW, new Uint8Array(0)), bytes: new Uint8Array(0) }
  const start = (await carOfBlocks(root, [])).length
  const sections = (
    await carOfBlocks(
      root,
      Array.from({ length: 1000 }, () => empty),
    )
  ).subarray(start)
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield await carOfBlocks(root, [head])
    for (let i = 0; i < 5000; i++) yield sections
    throw new Error('read to its end')
  }
  assert.is((await refuse(db, endless())).code, 'CAR_INVALID')
  await db.close()
})

test('junk in it stays unrecorded, is never shown, and is collected', async () => {
  const db = await publishedFilms()
  const { root, head, rest } = await parts(db)
  const junk = Array.from({ length: 100 }, (_, i): Block => {
    const bytes = new Uint8Array(1000).fill(i)
    return { link: linkTo(i % 2 === 0 ? CODEC_RAW : CODEC_DAG_CBOR, bytes), bytes }
  })
  // The bytes of a node, named as a value: the same digest proves nothing.
  const twin = { link: linkTo(CODEC_RAW, rest[0]!.bytes), bytes: rest[0]!.bytes }
  const replica = await emptyReplica(db)
  const { store } = replica.state
  await importCar(replica, { name: 'x.car', chunks: inChunks(await carOfBlocks(root, [head, ...junk, twin, ...rest])) })
  for (const { link } of [...junk, twin]) {
    assert.is(await store.getComplete(link), undefined)
    assert.ok(await store.has(link))
  }
  await replica.gc()
  for (const { link } of [...junk, twin]) assert.not.ok(await store.has(link))
  assert.equal(await signedOf(replica), await signedOf(db))
  await replica.close()
  await db.close()
})

test("a malformed tree is its author's fault, noted with the evidence", async () => {
  const rogue = new RogueAuthor(surroundings.clock)
  const blocks = new BlockMap()
  const tree = await buildTree([{ key: utf8('a'), value: utf8('1') }], blocks)
  const signed = await rogue.sign({ ...tree, entries: 2 })
  const head = headBlock(signed)
  const root = { link: tree.root, bytes: blocks.map.get(linkMapKey(tree.root))! }
  const replica = await emptyReplica(rogue)
  const chunks = inChunks(await carOfBlocks(head.link, [head, root]))
  const error = await failureOf(importCar(replica, { name: 'x.car', chunks }))
  assert.is(error.code, 'TREE_MALFORMED')
  assert.ok(error.details['signedRoot'] instanceof Uint8Array)
  assert.ok((await replica.standing()).invalid !== undefined)
  await replica.close()
})

test('five blocks that stand for 4 PiB: no more is read or kept than there is', async () => {
  const rogue = new RogueAuthor(surroundings.clock)
  const blocks = new BlockMap()
  const tree = await buildTree([{ key: utf8('film'), value: putZeros(blocks, ENDLESS) }], blocks)
  const head = headBlock(await rogue.sign(tree))
  const all = [...blocks.map].map(([key, bytes]) => ({ link: Uint8Array.from(key, (c) => c.charCodeAt(0)), bytes }))
  const store = new WatchedStore()
  const replica = await emptyReplica(rogue, store)
  await importCar(replica, { name: 'x.car', chunks: inChunks(await carOfBlocks(head.link, [head, ...all])) })
  assert.ok(await replica.isComplete())
  // The tree's root is written twice: the engine asks for it.
  assert.ok(store.blocksWritten.length <= all.length + 1)
  await replica.close()
})

test('interrupted at any write, or by a failing store, the next import goes on', async () => {
  const db = await publishedFilms()
  const car = await carOf(db)
  let failed = 0
  for (let hasFailed = true; hasFailed; failed++) {
    const store = new WatchedStore()
    const replica = await emptyReplica(db, store)
    store.failsAtWrite = store.writes + failed
    const error = await importCar(replica, { name: 'x.car', chunks: inChunks(car) }).catch((thrown: unknown) => thrown)
    hasFailed = error instanceof CoppiceError
    if (error instanceof CoppiceError) {
      assert.is(error.code, 'STORE_IO', "the store's fault is no peer's")
      assert.not.ok(await replica.isComplete())
    }
    store.failsAtWrite = Number.POSITIVE_INFINITY
    await importCar(replica, { name: 'x.car', chunks: inChunks(car) })
    assert.equal(await signedOf(replica), await signedOf(db))
    const twice = store.blocksWritten.length - new Set(store.blocksWritten).size
    assert.ok(twice <= 1, `${twice} blocks are written twice, not the tree's root alone`)
    await replica.close()
  }
  assert.ok(failed >= 4, `${failed} writes`)
  await db.close()
})

test('what an archive lacks comes from a peer, and only that', async () => {
  const db = await publishedFilms()
  const { root, head, rest } = await parts(db)
  const lab = new DatabaseLab()
  lab.serve('alice', db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  const without = rest.filter((_, i) => i !== 30 && i !== 31)
  const chunks = inChunks(await carOfBlocks(root, [head, ...without]))
  assert.is((await failureOf(importCar(replica, { name: 'x.car', chunks }))).code, 'NO_PEER_LEFT')
  assert.is(new Set(store.blocksWritten).size, without.length)
  const { report } = await replica.pull()
  assert.is(report.blocksReceived, 2)
  await replica.close()
  await db.close()
})

test.run()
