import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoppiceError, isCoppiceError } from '../../src/errors.ts'
import { CODEC_RAW, linkTo, type Block } from '../../src/link.ts'
import type { WriteBatch } from '../../src/store/interface.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { Staging } from '../../src/store/staging.ts'
import { blockOf, failure, recordOf } from '../conformance/store.ts'

const test = suite('store/staging')

/** Writes wait until `open` is called, and fail while `fault` is set. */
class GatedStore extends MemoryStore {
  readonly batches: WriteBatch[] = []
  fault: Error | undefined
  #gate: Promise<void> = Promise.resolve()

  shut(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#gate = promise
    return resolve
  }

  override async write(batch: WriteBatch): Promise<void> {
    await this.#gate
    if (this.fault !== undefined) throw this.fault
    this.batches.push(batch)
    await super.write(batch)
  }
}

function blockOfSize(size: number, number: number): Block {
  const bytes = new Uint8Array(size)
  new DataView(bytes.buffer).setUint32(0, number)
  return { link: linkTo(CODEC_RAW, bytes), bytes }
}

const ROOT = new Map([['root', new Uint8Array([1])]])

test('what is put is read at once, and reaches the store with the commit only', async () => {
  const store = new MemoryStore()
  const [old, fresh] = [blockOf('old'), blockOf('fresh')]
  await store.write({ blocks: [old] })
  const staging = new Staging(store)
  assert.is(staging.put(fresh), undefined)
  assert.equal(staging.get(fresh.link), fresh.bytes)
  assert.equal(await staging.getMany([fresh.link, old.link, blockOf('none').link]), [fresh.bytes, old.bytes, undefined])
  assert.is(store.has(fresh.link), false)
  await staging.commit({ complete: [recordOf(fresh)], meta: ROOT, durable: true })
  assert.equal(store.get(fresh.link), fresh.bytes)
  assert.equal(store.getComplete(fresh.link), recordOf(fresh))
  assert.equal(store.getMeta('root'), new Uint8Array([1]))
  assert.equal(staging.counters, { blocksRead: 3, bytesRead: 13, blocksWritten: 1, bytesWritten: 5 })
})

test('records and meta values come in one batch with the last blocks', async () => {
  const store = new GatedStore()
  const staging = new Staging(store, { bufferBytesMax: 1000 })
  for (let i = 0; i < 25; i++) await staging.put(blockOfSize(100, i))
  await staging.commit({ complete: [recordOf(blockOfSize(100, 24))], meta: ROOT })
  assert.equal(
    store.batches.map(({ blocks, complete, meta }) => [blocks?.length, complete?.length ?? 0, meta?.size ?? 0]),
    [
      [10, 0, 0],
      [10, 0, 0],
      [5, 1, 1],
    ],
  )
})

test('memory stays bounded while the store is slow, and puts wait', async () => {
  const store = new GatedStore()
  const staging = new Staging(store, { bufferBytesMax: 1000 })
  const open = store.shut()
  let put = 0
  let most = 0
  const producing = (async () => {
    for (; put < 100; put++) {
      const room = staging.put(blockOfSize(100, put))
      most = Math.max(most, staging.heldBytes)
      if (room instanceof Promise) await room
    }
  })()
  for (let i = 0; i < 50; i++) await Promise.resolve()
  assert.is(put, 19, 'the twentieth put waits: one buffer being written, one full')
  assert.is(staging.heldBytes, 2000)
  assert.equal(staging.get(blockOfSize(100, 3).link), blockOfSize(100, 3).bytes, 'read while being written')
  open()
  await producing
  await staging.commit()
  assert.is(most, 2000)
  assert.is(staging.heldBytes, 0)
  assert.is((await store.usage()).blocks, 100)
})

test('several producers at once keep the bound too', async () => {
  const store = new GatedStore()
  const staging = new Staging(store, { bufferBytesMax: 1000 })
  let most = 0
  const produce = async (from: number): Promise<void> => {
    for (let i = from; i < from + 100; i++) {
      await staging.put(blockOfSize(100, i))
      most = Math.max(most, staging.heldBytes)
    }
  }
  await Promise.all([0, 1000, 2000, 3000].map(produce))
  await staging.commit()
  assert.is((await store.usage()).blocks, 400)
  assert.ok(most <= 2 * (1000 + 3 * 100), `${most}`)
})

test('an abort leaves nothing reachable, and the staging usable', async () => {
  const store = new MemoryStore()
  const staging = new Staging(store, { bufferBytesMax: 1000 })
  for (let i = 0; i < 25; i++) await staging.put(blockOfSize(100, i))
  await staging.abort()
  const { blocks, complete } = await store.usage()
  assert.equal([blocks, complete], [20, 0])
  assert.is(staging.get(blockOfSize(100, 24).link), undefined)
  await staging.commit({ meta: ROOT })
  assert.is((await store.usage()).blocks, 20)
})

test('a flush that fails fails the commit, whatever the store does by then', async () => {
  const store = new GatedStore()
  const staging = new Staging(store, { bufferBytesMax: 100 })
  store.fault = new CoppiceError('STORE_FULL', 'store: full')
  await staging.put(blockOfSize(100, 1))
  for (let i = 0; i < 10; i++) await Promise.resolve()
  store.fault = undefined
  assert.throws(
    () => staging.put(blockOfSize(100, 2)),
    (error: unknown) => isCoppiceError(error, 'STORE_FULL'),
  )
  const error = await failure(() => staging.commit({ meta: ROOT }))
  assert.ok(isCoppiceError(error, 'STORE_FULL'))
  assert.is(store.getMeta('root'), undefined)
  await staging.abort()
  await staging.put(blockOfSize(100, 3))
  await staging.commit({ meta: ROOT })
  assert.is((await store.usage()).blocks, 1)
})

test('a put that waits for room learns why there is none', async () => {
  const store = new GatedStore()
  const staging = new Staging(store, { bufferBytesMax: 100 })
  const open = store.shut()
  assert.is(staging.put(blockOfSize(100, 1)), undefined)
  const waiting = staging.put(blockOfSize(100, 2))
  assert.instance(waiting, Promise)
  store.fault = new CoppiceError('STORE_IO', 'store: broken')
  open()
  assert.ok(isCoppiceError(await failure(async () => await waiting), 'STORE_IO'))
})

test('blocks put again are held once; commits begun together keep their order', async () => {
  const store = new GatedStore()
  const staging = new Staging(store)
  const open = store.shut()
  void staging.put(blockOf('a'))
  void staging.put(blockOf('a'))
  const first = staging.commit({ meta: new Map([['root', new Uint8Array([1])]]) })
  void staging.put(blockOf('b'))
  const second = staging.commit({ meta: new Map([['root', new Uint8Array([2])]]) })
  open()
  await Promise.all([first, second])
  assert.equal(store.getMeta('root'), new Uint8Array([2]))
  assert.equal(
    store.batches.map(({ blocks }) => blocks?.length),
    [1, 1],
  )
  assert.is(staging.counters.blocksWritten, 2)
})

test.run()
