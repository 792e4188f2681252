/**
 * Threat 22: the disk lies. Damage is the store's fault, told apart from that of peers: a replica mends what it can fetch
 * again, a provider with a bad disk lacks blocks and never sends wrong ones, and reads say what is broken.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { checkMeta, type Database, heldStates } from '../../src/db/index.ts'
import { createFloor, encodeFloor, type SignedRoot } from '../../src/pointer/index.ts'
import { checkTree, type Edit } from '../../src/prolly/index.ts'
import type { PeerReport } from '../../src/sync/index.ts'
import {
  collect,
  createDatabase,
  DatabaseLab,
  failureOf,
  outcomesOf,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('hostile/local-corruption')

async function published(
  store = new WatchedStore(),
): Promise<{ db: Database; store: WatchedStore; links: Uint8Array[] }> {
  const db = await createDatabase({ store })
  store.blocksWritten.length = 0
  await db.batch((tx) =>
    tx.apply(
      Array.from({ length: 8000 }, (_, i): Edit => {
        return {
          key: utf8(String(i).padStart(6, '0')),
          value: i % 100 === 0 ? new Uint8Array(1500).fill(i) : utf8(`v${i}`),
        }
      }),
    ),
  )
  await db.publish()
  return { db, store, links: store.blocksWritten.map((key) => Uint8Array.from(Buffer.from(key, 'hex'))) }
}

const wrong = (bytes: Uint8Array | undefined): Uint8Array => Uint8Array.from(bytes ?? [], (byte) => byte ^ 1)

test('reads of damaged and of missing blocks fail with the block named, others do not', async () => {
  const { db, store, links } = await published()
  const victim = links[10] as Uint8Array
  for (const [code, bytes] of [
    ['BLOCK_MISSING', undefined],
    ['STORE_CORRUPT', Uint8Array.of(1, 2, 3)],
  ] as const) {
    store.damage.set(bytesToHex(victim), bytes)
    const lab = new DatabaseLab()
    const reader = await lab.openReplica(store)
    const error = await failureOf(collect(reader.scan()))
    assert.is(error.code, code)
    assert.match(String(error.details['cid']), /^b/)
    assert.is((await collect(reader.scan({ end: utf8('000001') }))).length, 1)
    store.damage.clear()
  }
  assert.is(await db.count(), 8000)
})

test('a provider with a bad disk is incomplete, not a liar, and the pull goes on with another', async () => {
  const lab = new DatabaseLab()
  const { db, store, links } = await published()
  const good = await lab.replica(db, ['author'])
  lab.serve('author', db)
  await good.pull()
  lab.serve('good', good)
  for (const damaged of [undefined, wrong(store.get(links[7] as Uint8Array))]) {
    store.damage.set(bytesToHex(links[7] as Uint8Array), damaged)
    const replica = await lab.replica(db, ['author', 'good'])
    const { report } = await replica.pull()
    assert.ok(['incomplete', 'used'].includes(outcomesOf(report)['author'] ?? ''))
    assert.is(await replica.count(), 8000)
    const lonely = await lab.replica(db, ['author'])
    const error = await failureOf(lonely.pull())
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.equal(outcomesOf({ peers: error.details['peers'] as PeerReport[] }), { author: 'incomplete' })
    store.damage.clear()
    assert.is((await lonely.pull()).changed, true)
  }
})

test('blocks of an unfinished pull that the disk changed are fetched again', async () => {
  const lab = new DatabaseLab()
  const { db } = await published()
  lab.serve('author', db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['author'], store)
  const stop = new AbortController()
  let calls = 0
  await replica.pull({ signal: stop.signal, onProgress: () => void (++calls === 1 && stop.abort()) }).catch(() => {})
  const held = store.blocksWritten.filter((key) => {
    return store.getComplete(Uint8Array.from(Buffer.from(key, 'hex'))) === undefined
  })
  assert.ok(held.length > 0)
  for (const key of held) store.damage.set(key, wrong(store.get(Uint8Array.from(Buffer.from(key, 'hex')))))
  // A disk that keeps what is written to it anew.
  const write = store.write.bind(store)
  store.write = async (batch) => {
    for (const { link } of batch.blocks ?? []) store.damage.delete(bytesToHex(link))
    await write(batch)
  }
  const { report } = await replica.pull()
  assert.is(report.blocksDamaged, held.length)
  assert.equal(outcomesOf(report), { author: 'used' })
  assert.is((await collect(replica.scan())).length, 8000)
})

test('damaged meta values are a damaged store, with the name of the value', async () => {
  const lab = new DatabaseLab()
  const { db } = await published()
  lab.serve('author', db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['author'], store)
  await replica.pull()
  for (const name of ['root', 'published', 'floor', 'log']) {
    const before = store.getMeta(name) as Uint8Array
    await store.write({ meta: new Map([[name, Uint8Array.of(0x80, 0xff)]]) })
    const use = async (): Promise<void> => {
      const opened = await lab.openReplica(store)
      await opened.standing()
      await opened.snapshot()
      await db.put(utf8('n'), utf8(name))
      await db.publish()
      await opened.pull()
    }
    const error = await failureOf(use())
    assert.is(error.code, 'STORE_CORRUPT', `${name}: ${error.message}`)
    await store.write({ meta: new Map([[name, before]]) })
  }
  const opened = await lab.openReplica(store)
  await opened.pull()
  assert.is((await opened.snapshot()).root, (await db.snapshot()).root)
})

test('verify names each damaged value: one that does not decode, is not signed, or belongs to other values', async () => {
  const lab = new DatabaseLab()
  const { db } = await published()
  lab.serve('author', db)
  const replica = await lab.replica(db, ['author'])
  await replica.pull()
  await db.put(utf8('n'), utf8('more'))
  await db.publish()
  await replica.pull()
  const cases = [
    [replica, ['root', 'published', 'floor', 'log', 'log/0', 'log/1']],
    [db, ['root', 'published', 'chain', 'log', 'log/1']],
  ] as const
  for (const [{ state }, names] of cases) {
    assert.equal(await checkMeta(state), [])
    for (const name of names) {
      const before = (await state.store.getMeta(name)) as Uint8Array
      await state.store.write({ meta: new Map([[name, Uint8Array.of(0x80, 0xff)]]) })
      const found = (await checkMeta(state)).map((problem) => problem.name)
      assert.ok(found.includes(name), `${name}: ${found.join()}`)
      await state.store.write({ meta: new Map([[name, before]]) })
    }
  }
  // The same damage in both places, as of a program that wrote it there.
  const stranger = await createDatabase({ label: 'stranger' })
  await stranger.publish()
  const good = (await replica.state.store.getMeta('published')) as Uint8Array
  const unsigned = Uint8Array.from(good)
  unsigned[unsigned.length - 1] = (unsigned.at(-1) ?? 0) ^ 1
  for (const bytes of [unsigned, ((await stranger.published()) as SignedRoot).bytes]) {
    const meta = new Map(['published', 'log/1'].map((name) => [name, bytes]))
    await replica.state.store.write({ meta })
    const found = (await checkMeta(replica.state)).map(({ name }) => name)
    assert.ok(found.includes('published') && found.includes('log/1'), found.join())
  }
  await replica.state.store.write({ meta: new Map(['published', 'log/1'].map((name) => [name, good])) })
  const older = (await replica.state.store.getMeta('log/0')) as Uint8Array
  for (const [name, value] of [
    ['published', older],
    ['log/1', older],
    ['floor', encodeFloor(createFloor(db.author, 'other'))],
  ] as const) {
    const before = (await replica.state.store.getMeta(name)) as Uint8Array
    await replica.state.store.write({ meta: new Map([[name, value]]) })
    assert.ok((await checkMeta(replica.state)).length > 0, name)
    await replica.state.store.write({ meta: new Map([[name, before]]) })
  }
})

test('no flipped bit of a signed root, or of the link of the shown root, is called sound', async () => {
  const { db } = await published()
  const { store } = db.state
  for (const seed of seeds(40)) {
    const random = new Random(seed)
    const name = random.pick(['root', 'published', 'log/0'])
    const before = (await store.getMeta(name)) as Uint8Array
    const flipped = Uint8Array.from(before)
    const at = random.below(flipped.length)
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8))
    await store.write({ meta: new Map([[name, flipped]]) })
    let problems = (await checkMeta(db.state)).length
    const held = await heldStates(db.state, true).catch(() => [])
    for (const { ref } of held) problems += (await checkTree(store, ref, { records: store })).problemCount
    assert.ok(problems > 0, `${name}, byte ${at}, seed ${seed}`)
    await store.write({ meta: new Map([[name, before]]) })
  }
})

test.run()
