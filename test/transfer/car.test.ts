/** A state as an archive: what stock tools read in it, and the way there and back. */
import * as dagCbor from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { CarDialer } from '../../src/car/index.ts'
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

/** Brings `bytes`, and then nothing more, ever. */
class StalledSource implements AsyncIterable<Uint8Array> {
  returned = 0
  readonly stalled: Promise<void>
  readonly #bytes: Uint8Array
  #onStall: () => void = () => {}

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.stalled = new Promise((resolve) => (this.#onStall = resolve))
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    let isSent = this.#bytes.length === 0
    return {
      next: () => {
        if (!isSent) {
          isSent = true
          return Promise.resolve({ done: false, value: this.#bytes })
        }
        this.#onStall()
        return new Promise(() => {})
      },
      return: () => {
        this.returned++
        // What does not answer does not answer this either.
        return new Promise(() => {})
      },
    }
  }
}

test('a source that stalls, before its header, its head or among its blocks, is left when the signal aborts', async () => {
  const db = await publishedFilms()
  const car = await carOf(db)
  for (const length of [0, 20, 59, 200, car.length >> 1, car.length]) {
    const replica = await emptyReplica(db)
    const source = new StalledSource(car.subarray(0, length))
    const over = new AbortController()
    const importing = importCar(replica, { name: 'pipe', chunks: source }, { signal: over.signal })
    const settled = importing.catch((error: unknown) => error)
    await source.stalled
    const reason = new Error('enough')
    over.abort(reason)
    assert.is(await settled, reason, `after ${length} bytes`)
    assert.is(source.returned, 1, `after ${length} bytes`)
    // Nothing holds the replica.
    await importCar(replica, { name: 'whole.car', chunks: inChunks(car) })
    assert.equal(await signedOf(replica), await signedOf(db))
    await replica.close()
  }
  await db.close()
})

test('closing a dialer that waits for its source', async () => {
  const db = await publishedFilms()
  const source = new StalledSource(new Uint8Array(0))
  const replica = await emptyReplica(db)
  const dialer = new CarDialer({ name: 'pipe', chunks: source }, replica.state.store)
  const { clock } = replica.state
  const { author, name } = db
  const hello = { author, name, have: null }
  const opening = dialer.openSession(hello, { clock, signal: new AbortController().signal })
  const settled = opening.catch((error: unknown) => error)
  await source.stalled
  await dialer.close()
  assert.match(String(await settled), 'the archive was closed')
  assert.is(source.returned, 1)
  await replica.close()
  await db.close()
})

test('closing a session, or aborting its opening, leaves a stalled source to whoever connects again', async () => {
  const db = await publishedFilms()
  const { root } = (await signedOf(db)).payload
  const source = new StalledSource((await carOf(db)).subarray(0, 2000))
  const replica = await emptyReplica(db)
  const dialer = new CarDialer({ name: 'pipe', chunks: source }, replica.state.store)
  const { clock } = replica.state
  const { author, name } = db
  const hello = { author, name, have: null }
  const early = new AbortController()
  const opening = dialer.openSession(hello, { clock, signal: early.signal }).catch((error: unknown) => error)
  early.abort(new Error('too late'))
  assert.match(String(await opening), 'too late')
  const session = await dialer.openSession(hello, { clock, signal: new AbortController().signal })
  const asking = Promise.resolve(session.getBlocks(root, [root])).catch((error: unknown) => error)
  await source.stalled
  await session.close()
  assert.match(String(await asking), 'the archive was closed')
  assert.is(source.returned, 0)
  await dialer.close()
  assert.is(source.returned, 1)
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
