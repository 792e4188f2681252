/** A root that is signed elsewhere: kept whole until its signature comes, published as it was prepared, and never two of them. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkMeta, type Database } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import { decodeUnsignedRoot, signUnsignedRoot, type SignedRoot, type UnsignedRoot } from '../../src/pointer/index.ts'
import type { WriteBatch } from '../../src/store/interface.ts'
import {
  collect,
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  signerOf,
  text,
  thrownBy,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/prepared-root')

const NOW = 1_800_000_000

/** A database whose key is elsewhere. */
async function withoutKey(store = new WatchedStore(), clock = new VirtualClock(NOW * 1000)): Promise<Database> {
  return await createDatabase({ store, clock, signers: [] })
}

async function prepare(db: Database, options: Parameters<Database['preparePublish']>[0] = {}): Promise<UnsignedRoot> {
  const unsigned = await db.preparePublish(options)
  if (unsigned === undefined) throw new Error('expected something to sign')
  return unsigned
}

async function sign({ bytes }: UnsignedRoot, label = 'author'): Promise<SignedRoot> {
  return await signUnsignedRoot(decodeUnsignedRoot(bytes), signerOf(label), { now: NOW + 60 })
}

async function refused(reason: string, action: Promise<unknown>): Promise<CoppiceError> {
  const error = await failureOf(action)
  assert.equal([error.code, error.details['reason']], ['PUBLISH_REFUSED', reason])
  return error
}

test('prepared, signed elsewhere, published: with the state of then, whatever came after', async () => {
  const db = await withoutKey()
  await db.put(utf8('a'), utf8('1'))
  const unsigned = await prepare(db, { message: 'first', expiresInSeconds: 3600 })
  const { root } = (await db.snapshot()).tree.ref
  assert.equal((await db.prepared())?.bytes, unsigned.bytes)
  assert.equal([unsigned.next.payload.sequence, unsigned.message, unsigned.previous], [1, 'first', null])
  await db.put(utf8('a'), utf8('2'))
  const signed = await sign(unsigned)
  const { signedRoot, isNew } = await db.completePublish(signed.bytes)
  assert.equal([isNew, signedRoot.bytes], [true, signed.bytes])
  assert.equal((await db.published())?.payload.root, root)
  assert.is(await db.prepared(), undefined)
  assert.is(text(await db.get(utf8('a'))), '2')
  assert.is(text(await (await db.state.at(root)).get(utf8('a'))), '1')
  // Once more, as after a kill.
  assert.equal([(await db.completePublish(signed.bytes)).isNew, await db.state.logLength()], [false, 1])
  const second = await sign(await prepare(db))
  assert.equal((await db.completePublish(second.bytes)).signedRoot.payload.previous, signed.link)
  assert.equal(await checkMeta(db.state), [])
  assert.is(await db.preparePublish(), undefined, 'nothing new to sign')
  assert.is((await prepare(db, { refresh: true })).next.payload.sequence, 3)
})

test('what is prepared is not served, not even a part of it, and gc keeps all of it', async () => {
  const store = new WatchedStore()
  const clock = new VirtualClock(NOW * 1000)
  const db = await withoutKey(store, clock)
  await db.batch((tx) =>
    tx.apply(
      Array.from({ length: 3000 }, (_, i) => ({ key: utf8(`k${String(i).padStart(6, '0')}`), value: utf8(`v${i}`) })),
    ),
  )
  store.blocksWritten.length = 0
  const unsigned = await prepare(db)
  const { root } = unsigned.next.payload
  const nodes = await blocksBelow(db)
  assert.ok(nodes.length > 5)
  for (const link of nodes) assert.is(store.getComplete(link), undefined, 'a record would be served')
  await db.batch((tx) => tx.apply([{ key: utf8('k000000'), value: utf8('other') }]))
  await db.del(utf8('k002999'))
  const reopened = await openDatabase(store, { clock, signers: [] })
  const { kept } = await clock.run(reopened.gc({ keep: 1 }))
  assert.ok(kept.some((each) => text(each.root) === text(root) && each.reasons.includes('prepared')))
  for (const link of nodes) assert.ok(store.has(link))
  await reopened.completePublish((await sign(unsigned)).bytes)
  for (const link of nodes) assert.ok(store.getComplete(link) !== undefined)
  const lab = new DatabaseLab(clock)
  lab.serve('author', reopened)
  const replica = await lab.replica(reopened, ['author'])
  await clock.run(replica.pull())
  assert.is(await replica.count(), 3000)
  await reopened.close()
})

async function blocksBelow(db: Database): Promise<Uint8Array[]> {
  const { tree } = await db.snapshot()
  const root = tree.ref.root
  const node = await tree.nodes.get(root)
  return [root, ...Array.from({ length: node.length }, (_, i) => node.link(i))]
}

test('while one waits nobody else signs, unless it is said to be replaced', async () => {
  const store = new WatchedStore()
  const clock = new VirtualClock(NOW * 1000)
  const db = await withoutKey(store, clock)
  await db.put(utf8('a'), utf8('1'))
  const options = { message: 'release', expiresInSeconds: 3600 }
  const unsigned = await prepare(db, options)
  const { writes } = store
  await clock.run(clock.sleep(5000))
  assert.equal((await prepare(db, options)).bytes, unsigned.bytes, 'the same request')
  assert.is(store.writes, writes)
  for (const other of [{}, { ...options, message: 'other' }, { ...options, expiresInSeconds: 60 }]) {
    await refused('prepared', db.preparePublish(other))
  }
  const online = await openDatabase(store, { clock })
  await refused('prepared', online.publish(options))
  await db.put(utf8('a'), utf8('2'))
  await refused('prepared', db.preparePublish(options))
  const another = await prepare(db, { ...options, replacePrepared: true })
  assert.not.equal(another.bytes, unsigned.bytes)
  await refused('other', db.completePublish((await sign(unsigned)).bytes))
  assert.equal((await online.publish({ replacePrepared: true })).signedRoot.payload.sequence, 1)
  assert.is(await db.prepared(), undefined)
  await refused('stale', db.completePublish((await sign(another)).bytes))
  // An hour later the promise would be over.
  const renewed = await prepare(db, { ...options, refresh: true })
  await clock.run(clock.sleep(3600_000))
  await refused('prepared', db.preparePublish({ ...options, refresh: true }))
  assert.equal(
    (await prepare(db, { ...options, refresh: true, replacePrepared: true })).next.payload.issued >
      renewed.next.payload.issued,
    true,
  )
})

test('what comes back and is not what was prepared', async () => {
  const db = await withoutKey()
  await db.put(utf8('a'), utf8('1'))
  const unsigned = await prepare(db)
  const signed = await sign(unsigned)
  const invalid = await failureOf(db.completePublish(signed.bytes.subarray(0, 100)))
  assert.is(invalid.code, 'SIGNED_ROOT_INVALID')
  const damaged = Uint8Array.from(signed.bytes)
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1
  await refused('signature', db.completePublish(damaged))
  const elsewhere = await createDatabase({ label: 'other', signers: [] })
  await elsewhere.put(utf8('a'), utf8('1'))
  const foreign = await sign(await prepare(elsewhere), 'other')
  await refused('other', db.completePublish(foreign.bytes))
  assert.is(await db.published(), undefined)
  const none = await withoutKey()
  await refused('other', none.completePublish(signed.bytes))
  await db.completePublish(signed.bytes)
})

test('what follows another last root than the one there is now is stale, whatever its sequence', async () => {
  const [one, other] = [new WatchedStore(), new WatchedStore()]
  for (const [store, value] of [
    [one, '1'],
    [other, '2'],
  ] as const) {
    const db = await createDatabase({ store, clock: new VirtualClock(NOW * 1000) })
    await db.put(utf8('a'), utf8(value))
    await db.publish()
  }
  const options = { signers: [], clock: new VirtualClock(NOW * 1000) }
  const unsigned = await prepare(await openDatabase(one, options), { refresh: true })
  await other.write({ meta: new Map([['prepared', unsigned.bytes]]) })
  await refused('stale', (await openDatabase(other, options)).completePublish((await sign(unsigned)).bytes))
})

test('killed at any write, before and after: prepared again or completed, with one root in the end', async () => {
  for (const step of ['prepare', 'complete'] as const) {
    for (let failing = 0; failing < 6; failing++) {
      const store = new WatchedStore()
      const db = await withoutKey(store)
      await db.put(utf8('a'), utf8('1'))
      const before = step === 'complete' ? await prepare(db) : undefined
      const bytes = before === undefined ? undefined : (await sign(before)).bytes
      store.failsAtWrite = store.writes + failing
      const outcome = await (bytes === undefined ? db.preparePublish() : db.completePublish(bytes)).catch(
        (error: unknown) => error,
      )
      store.failsAtWrite = Number.POSITIVE_INFINITY
      const killed = await openDatabase(store, { signers: [], clock: new VirtualClock(NOW * 1000) })
      const unsigned = before ?? (await prepare(killed))
      const signed = await sign(unsigned)
      await killed.completePublish(signed.bytes)
      assert.equal((await killed.published())?.bytes, signed.bytes)
      assert.equal([await killed.state.logLength(), await killed.prepared()], [1, undefined])
      if (!(outcome instanceof CoppiceError)) break
      assert.is(outcome.code, 'STORE_IO')
      assert.ok(failing < 5, 'the loop ends')
    }
  }
})

test('what completes is one durable batch with the record of the root', async () => {
  class OrderedStore extends WatchedStore {
    readonly batches: { readonly meta: readonly string[]; readonly records: number; readonly durable: boolean }[] = []
    override async write(batch: WriteBatch, options: { readonly durable?: boolean } = {}): Promise<void> {
      await super.write(batch)
      const records = [...(batch.complete ?? [])].length
      this.batches.push({
        meta: [...(batch.meta?.keys() ?? [])].toSorted(),
        records,
        durable: options.durable === true,
      })
    }
  }
  const store = new OrderedStore()
  const db = await withoutKey(store)
  await db.put(utf8('a'), utf8('1'))
  store.batches.length = 0
  const unsigned = await prepare(db)
  assert.equal(store.batches, [{ meta: ['prepared'], records: 0, durable: true }])
  store.batches.length = 0
  await db.completePublish((await sign(unsigned)).bytes)
  const meta = ['chain', 'log', 'log/0', 'prepared', 'published']
  assert.equal(
    store.batches.filter((batch) => batch.meta.length > 0),
    [{ meta, records: 1, durable: true }],
  )
})

test('a damaged tree is neither prepared nor completed', async () => {
  const store = new WatchedStore()
  const db = await withoutKey(store)
  await db.put(utf8('a'), utf8('1'))
  const [root] = await blocksBelow(db)
  const key = Buffer.from(root ?? []).toString('hex')
  const signed = await sign(await prepare(db))
  store.damage.set(key, undefined)
  const fresh = await openDatabase(store, { signers: [], clock: new VirtualClock(NOW * 1000) })
  assert.is((await failureOf(fresh.completePublish(signed.bytes))).code, 'BLOCK_MISSING')
  assert.is(await fresh.published(), undefined)
  store.damage.clear()
  await fresh.completePublish(signed.bytes)
})

test('a prepared root that is damaged in the store is said to be', async () => {
  const store = new WatchedStore()
  const db = await withoutKey(store)
  await db.put(utf8('a'), utf8('1'))
  const { bytes } = await prepare(db)
  const damaged = Uint8Array.from(bytes)
  damaged[30] = (damaged[30] ?? 0) ^ 0xff
  await store.write({ meta: new Map([['prepared', damaged]]) })
  assert.is((await failureOf(db.prepared())).code, 'STORE_CORRUPT')
  assert.equal(
    (await checkMeta(db.state)).map(({ name }) => name),
    ['prepared'],
  )
  await prepare(db, { replacePrepared: true })
  assert.equal(await checkMeta(db.state), [])
})

test('a signer that waits for somebody is not waited for after an abort, and its late signature is worth nothing', async () => {
  const store = new WatchedStore()
  const author = signerOf('author')
  const asked = Promise.withResolvers<Uint8Array>()
  const slow = {
    publicKey: author.publicKey,
    sign: async (bytes: Uint8Array) => {
      asked.resolve(bytes)
      return await new Promise<Uint8Array>(() => {})
    },
  }
  const db = await createDatabase({ store, signers: [slow] })
  await db.put(utf8('a'), utf8('1'))
  const stop = new AbortController()
  const publishing = thrownBy(db.publish({ signal: stop.signal }))
  await asked.promise
  stop.abort(new Error('enough'))
  assert.is(((await publishing) as Error).message, 'enough')
  assert.equal([await db.published(), (await collect(db.log())).length], [undefined, 0])
  const failing = await openDatabase(store, {
    signers: [{ ...slow, sign: () => Promise.reject(new Error('the token is gone')) }],
  })
  assert.is(((await thrownBy(failing.publish())) as Error).message, 'the token is gone')
  for (const wrong of [new Uint8Array(64), new Uint8Array(63), new Uint8Array(0)]) {
    const broken = await openDatabase(store, { signers: [{ ...slow, sign: () => wrong }] })
    await refused('signature', broken.publish())
  }
  assert.is((await (await openDatabase(store)).publish()).signedRoot.payload.sequence, 1)
})

test.run()
