/** A state as an archive: what stock tools read in it, and the way there and back. */
import * as dagCbor from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { type Block, matchesLink } from '../../src/link.ts'
import { headBlock } from '../../src/pointer/index.ts'
import { importCar } from '../../src/transfer/index.ts'
import {
  blocksOfCar,
  carOf,
  carOfBlocks,
  emptyReplica,
  FILM_BYTES,
  inChunks,
  publishedFilms,
  rowsFrom,
  signedOf,
  stateKeys,
} from '../support/car-lab.ts'
import { createDatabase, failureOf, utf8 } from '../support/database-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('transfer/car')

const keysOf = (blocks: readonly Block[]): string[] => blocks.map(({ link }) => bytesToHex(link))

test('the root is the head block, and below it are the blocks of the state in depth-first order, each once', async () => {
  const db = await publishedFilms()
  const { roots, blocks } = await blocksOfCar(await carOf(db))
  const head = headBlock(await signedOf(db))
  assert.equal(roots.map(bytesToHex), [bytesToHex(head.link)])
  assert.is(bytesToHex(blocks[0]!.bytes), bytesToHex(head.bytes))
  for (const { link, bytes } of blocks) assert.ok(matchesLink(link, bytes))
  const [root] = dagCbor.decode<[CID]>(head.bytes)
  assert.is(String(root), (await db.snapshot()).root)
  assert.equal(keysOf(blocks).slice(1), await stateKeys(db))
  await db.close()
})

test('into an empty replica: the same root, signed, and every value', async () => {
  const db = await publishedFilms()
  const replica = await emptyReplica(db)
  const result = await importCar(replica, { name: 'films.car', chunks: inChunks(await carOf(db), 5000) })
  assert.ok(result.changed)
  assert.equal(await signedOf(replica), await signedOf(db))
  assert.is((await replica.get(utf8('film')))?.length, FILM_BYTES)
  assert.equal(await stateKeys(replica), await stateKeys(db))
  const again = await importCar(replica, { name: 'films.car', chunks: inChunks(await carOf(db)) })
  assert.not.ok(again.changed)
  assert.ok(again.report.bytesReceived < 70_000, 'what is here already is not read from the archive')
  await replica.close()
  await db.close()
})

test('blocks may come in any order, several times, and among others', async () => {
  const db = await publishedFilms()
  const { roots, blocks } = await blocksOfCar(await carOf(db))
  for (const seed of seeds(3)) {
    const random = new Random(seed)
    const [head, ...rest] = blocks
    const more = [
      ...random.shuffled(rest),
      ...rest.slice(0, 20),
      { link: Uint8Array.of(1, 0x55, 0, 2, 1, 2), bytes: utf8('id') },
    ]
    const replica = await emptyReplica(db)
    const car = await carOfBlocks(roots[0]!, [head!, ...more])
    let counts
    await importCar(replica, { name: 'any.car', chunks: inChunks(car) }, { onOpen: (each) => void (counts = each) })
    assert.equal(counts, { bytes: car.length, written: rest.length, known: 20, foreign: 1 })
    assert.equal(await signedOf(replica), await signedOf(db))
    await replica.close()
  }
  await db.close()
})

test('since an older state: only what that lacks, and it fits on top of it', async () => {
  const db = await publishedFilms()
  const first = await carOf(db)
  const before = new Set(await stateKeys(db))
  const since = await db.snapshot()
  const replica = await emptyReplica(db)
  await importCar(replica, { name: '1.car', chunks: inChunks(first) })
  await db.batch((tx) => tx.apply(rowsFrom(1000, 1020, 'changed')))
  const film = new Uint8Array(FILM_BYTES).fill(7)
  film.fill(8, FILM_BYTES - 10)
  await db.put(utf8('film'), film)
  await db.publish()
  const update = await carOf(db, { since })
  const { blocks } = await blocksOfCar(update)
  assert.equal(
    keysOf(blocks).slice(1),
    (await stateKeys(db)).filter((key) => !before.has(key)),
  )
  const result = await importCar(replica, { name: '2.car', chunks: inChunks(update) })
  assert.ok(result.changed)
  assert.equal(await signedOf(replica), await signedOf(db))
  let changes = 0
  for await (const _ of result.changes()) changes++
  assert.is(changes, 20)
  await replica.close()
  await db.close()
})

test('since any state, by property: nothing that is missing, little that is not', async () => {
  for (const seed of seeds(6)) {
    const random = new Random(seed)
    const db = await createDatabase({ label: `car ${seed}` })
    await db.batch((tx) => tx.apply(rowsFrom(0, random.between(1, 4000))))
    await db.publish()
    const before = new Set(await stateKeys(db))
    const since = await db.snapshot()
    const at = random.below(4000)
    await db.batch((tx) => tx.apply(rowsFrom(at, at + random.below(3000), 'changed')))
    if (random.chance(0.3)) await db.batch((tx) => tx.apply(rowsFrom(0, 900).map(({ key }) => ({ key, value: null }))))
    await db.publish()
    const { blocks } = await blocksOfCar(await carOf(db, { since }))
    const sent = new Set(keysOf(blocks).slice(1))
    const now = new Set(await stateKeys(db))
    for (const key of now) assert.ok(sent.has(key) || before.has(key), 'nothing is missing')
    for (const key of sent) {
      assert.ok(now.has(key))
      assert.ok(!before.has(key) || key.startsWith('0155'), 'no node comes that was there before')
    }
    await db.close()
  }
})

test('an update without the state it is for is refused, and nothing is shown', async () => {
  const db = await publishedFilms()
  const since = await db.snapshot()
  await db.batch((tx) => tx.apply(rowsFrom(1000, 1020, 'changed')))
  await db.publish()
  const replica = await emptyReplica(db)
  const error = await failureOf(importCar(replica, { name: '2.car', chunks: inChunks(await carOf(db, { since })) }))
  assert.is(error.code, 'NO_PEER_LEFT')
  assert.match(error.message, /2\.car.*lacks/)
  assert.not.ok(await replica.isComplete())
  await replica.close()
  await db.close()
})

test('an older archive moves nothing back', async () => {
  const db = await publishedFilms()
  const first = await carOf(db)
  await db.put(utf8('new'), utf8('1'))
  await db.publish()
  const replica = await emptyReplica(db)
  await importCar(replica, { name: '2.car', chunks: inChunks(await carOf(db)) })
  const result = await importCar(replica, { name: '1.car', chunks: inChunks(first) })
  assert.not.ok(result.changed)
  assert.is(result.judgements[0]?.outcome, 'stale')
  assert.is((await signedOf(replica)).payload.sequence, 2)
  await replica.close()
  await db.close()
})

test.run()
