/** Forks: a state copied whole, resumable, published under another key, with where it came from. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey, parseLink } from '../../src/link.ts'
import { copyState, type Database, forkMeta, readBases, readOrigin } from '../../src/db/index.ts'
import { BASES, encodeText, ORIGIN } from '../../src/db/meta.ts'
import { payloadMerged } from '../../src/pointer/index.ts'
import { checkTree, type Edit } from '../../src/prolly/index.ts'
import { MemoryStore, type Store } from '../../src/store/index.ts'
import {
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  signerOf,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { FaultyStore } from '../support/faulty-store.ts'

const test = suite('db/fork')

/** With values out of line, of which one is longer than a block, and more than one buffer of a staging. */
async function largeDatabase(): Promise<Database> {
  const db = await createDatabase()
  const edits = Array.from({ length: 6000 }, (_, i): Edit => {
    const key = utf8(String(i).padStart(6, '0'))
    const size = i === 77 ? 3_000_000 : i % 5 === 0 ? 2500 : 20
    const value = new Uint8Array(size).fill(i % 251)
    value.set(key)
    return { key, value }
  })
  await db.batch((tx) => tx.apply(edits))
  return db
}

async function metaOf(db: Database, peers: readonly string[] = []): Promise<Map<string, Uint8Array>> {
  return await forkMeta(db, await db.snapshot(), { author: signerOf('fork').publicKey, name: 'fork', peers })
}

async function forked(db: Database, store: Store = new MemoryStore()): Promise<Database> {
  await copyState(await db.snapshot(), store, {})
  await store.write({ meta: await metaOf(db) })
  return await openDatabase(store, { label: 'fork' })
}

test('a fork has the state, all of it, and its first publish reads next to nothing', async () => {
  const db = await largeDatabase()
  await db.publish()
  const store = new WatchedStore()
  const progress: number[] = []
  const { tree } = await db.snapshot()
  await copyState(await db.snapshot(), store, { onProgress: ({ bytes }) => void progress.push(bytes) })
  assert.ok(progress.length > 0 && progress.every((bytes) => bytes <= tree.ref.bytes))
  await store.write({ meta: await metaOf(db) })
  const fork = await openDatabase(store, { label: 'fork' })
  assert.is((await fork.snapshot()).root, (await db.snapshot()).root)
  assert.is((await checkTree(store, tree.ref)).problemCount, 0)
  assert.is(store.getComplete(tree.ref.root), undefined, 'what is not signed is not served')
  const reads: string[] = []
  const { get } = store
  store.get = (link) => (reads.push(linkMapKey(link)), get.call(store, link))
  const { signedRoot } = await fork.publish()
  assert.ok(reads.length <= 3, `${reads.length} blocks read`)
  assert.is(signedRoot.payload.sequence, 1)
  assert.equal(payloadMerged(signedRoot.payload), [tree.ref.root])
})

test('whichever write fails, the next run goes on from there', async () => {
  const db = await largeDatabase()
  const { tree } = await db.snapshot()
  let resumed = 0
  for (let index = 0; ; index++) {
    const store = new FaultyStore()
    store.failOnce('refused', index)
    await copyState(await db.snapshot(), store, {}).catch((error: { code: string }) =>
      assert.is(error.code, 'STORE_FULL'),
    )
    if (!store.hasStruck) break
    store.heal()
    const before = (await store.usage()).complete
    let written = 0
    store.onWritten = ({ blocks = [] }) => void (written += blocks.length)
    await copyState(await db.snapshot(), store, {})
    assert.is((await checkTree(store, tree.ref)).problemCount, 0)
    if (before > 0 && written < (await store.usage()).blocks) resumed++
  }
  assert.ok(resumed > 0, 'some run had something to go on from')
})

test('an interrupted one rejects with the reason', async () => {
  const db = await largeDatabase()
  const reason = new Error('enough')
  const thrown = await copyState(await db.snapshot(), new MemoryStore(), { signal: AbortSignal.abort(reason) }).catch(
    (error: unknown) => error,
  )
  assert.is(thrown, reason)
})

test('damage of the source is found, and not copied', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  await db.batch((tx) => tx.apply([{ key: utf8('a'), value: new Uint8Array(5000) }]))
  const [, block] = [...store.blocksWritten].toReversed()
  const { tree } = await db.snapshot()
  for (const link of [block ?? '', Buffer.from(tree.ref.root).toString('hex')]) {
    store.damage.clear()
    store.damage.set(link, Uint8Array.of(1))
    const target = new WatchedStore()
    assert.is((await failureOf(copyState(await db.snapshot(), target, {}))).code, 'STORE_CORRUPT')
    assert.not(target.blocksWritten.includes(link))
  }
})

test('where it came from is told, and served to those who clone the fork', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  await db.put(utf8('a'), utf8('1'))
  const draft = await forked(db)
  const { root } = (await db.snapshot()).tree.ref
  assert.equal(await readOrigin(draft.state.store), { address: db.address, root, signed: undefined })
  const { signedRoot } = await db.publish()
  const store = new MemoryStore()
  await copyState(await db.snapshot(), store, {})
  const peer = '/ip4/192.0.2.7/tcp/4001'
  await store.write({
    meta: await metaOf(db, [peer, 'not to be told', ...Array.from({ length: 40 }, (_, i) => `${peer}${i}`)]),
  })
  const origin = await readOrigin(store)
  assert.ok(origin?.address.startsWith(`${db.address}?peer=/ip4/192.0.2.7/tcp/4001&`))
  assert.equal(origin?.signed?.bytes, signedRoot.bytes)
  assert.is(await readOrigin(db.state.store), undefined)

  const fork = await openDatabase(store, { label: 'fork' })
  await fork.publish()
  lab.serve('fork', fork)
  const replica = await lab.replica(fork, ['fork'])
  await replica.pull()
  const published = await replica.published()
  assert.equal(published === undefined ? undefined : payloadMerged(published.payload), [root])
})

test('damaged notes are said to be damaged', async () => {
  const db = await createDatabase()
  const { root } = await db.snapshot()
  for (const note of ['', db.address, `${db.address}\nbafy`, `coppice:x\n${root}`]) {
    await db.state.store.write({ meta: new Map([[ORIGIN, encodeText(note)]]) })
    assert.is((await failureOf(readOrigin(db.state.store))).code, 'STORE_CORRUPT')
  }
  for (const note of [
    '',
    db.address,
    `${db.address} ${root}`,
    `${db.address} bafy - -`,
    `${db.address} ${root} x -`,
    `${db.address} ${root} -`,
    `${db.address} ${root} - 1`,
    `${db.address} ${root} - 9999.1`,
  ]) {
    await db.state.store.write({ meta: new Map([[BASES, encodeText(note)]]) })
    assert.is((await failureOf(readBases(db.state.store))).code, 'STORE_CORRUPT')
  }
  const good = `${db.address} ${root} - -\n${db.address} ${root} ${root} 0.7`
  await db.state.store.write({ meta: new Map([[BASES, encodeText(good)]]) })
  const base = { address: db.address, root: parseLink(root) }
  assert.equal(await readBases(db.state.store), [
    { ...base, own: undefined, position: undefined },
    { ...base, own: parseLink(root), position: { epoch: 0, sequence: 7 } },
  ])
})

test.run()
