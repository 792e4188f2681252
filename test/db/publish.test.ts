/** Publishing: durable before visible, once per state, and never over a damaged store. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { decodeOwn, requireSequence } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, linkCodec } from '../../src/link.ts'
import { decodeSignedRoot, verifySignedRoot, createAuthority } from '../../src/pointer/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { Node } from '../../src/prolly/index.ts'
import type { WriteBatch } from '../../src/store/interface.ts'
import { collect, createDatabase, failureOf, openDatabase, text, utf8, WatchedStore } from '../support/database-lab.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/publish')

function rows(count: number, value = 'v'): Edit[] {
  return Array.from({ length: count }, (_, i) => ({
    key: utf8(String(i).padStart(6, '0')),
    value: i % 50 === 0 ? new Uint8Array(2000).fill(i) : utf8(`${value}${i}`),
  }))
}

test('a signed root says what was published and verifies', async () => {
  const db = await createDatabase()
  await db.batch((tx) => tx.apply(rows(3000)))
  const { signedRoot, isNew } = await db.publish({ message: 'first', expiresInSeconds: 3600 })
  const { payload } = signedRoot
  const { ref } = (await db.snapshot()).tree
  assert.ok(isNew)
  assert.equal(payload.root, ref.root)
  assert.equal([payload.sequence, payload.entries, payload.bytes, payload.name], [1, ref.entries, ref.bytes, db.name])
  assert.is((payload.expires ?? 0) - payload.issued, 3600)
  assert.is(verifySignedRoot(signedRoot, createAuthority(db.author)), undefined)
  assert.equal((await db.published())?.bytes, signedRoot.bytes)
})

test('an unchanged state has the same signed root, unless it is to be renewed', async () => {
  const clock = new VirtualClock()
  const store = new WatchedStore()
  const db = await createDatabase({ clock, store })
  await db.put(utf8('a'), utf8('1'))
  const first = await db.publish({ expiresInSeconds: 60 })
  const { writes } = store
  const again = await db.publish({ message: 'another', expiresInSeconds: 600 })
  assert.equal([again.isNew, again.signedRoot.bytes], [false, first.signedRoot.bytes])
  assert.is(store.writes, writes)
  const renewed = await db.publish({ refresh: true, expiresInSeconds: 600 })
  assert.is(renewed.isNew, true)
  assert.is(renewed.signedRoot.payload.sequence, 2)
  assert.equal(renewed.signedRoot.payload.root, first.signedRoot.payload.root)
  assert.equal((await db.publish()).signedRoot.bytes, renewed.signedRoot.bytes)
})

test('publishes form one chain, kept in the log', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  for (let i = 0; i < 12; i++) {
    await db.put(utf8('n'), utf8(String(i)))
    await db.publish({ message: `release ${i}` })
  }
  const log = await collect(db.log())
  assert.equal(
    log.map(({ signedRoot }) => signedRoot.payload.sequence),
    Array.from({ length: 12 }, (_, i) => 12 - i),
  )
  for (const [i, { signedRoot, isHeld }] of log.entries()) {
    assert.equal(signedRoot.payload.previous, log[i + 1]?.signedRoot.link ?? null)
    assert.is(isHeld, true)
  }
  assert.is((await collect(db.log({ limit: 3 }))).length, 3)
  const old = await requireSequence(db.state, 4)
  assert.is(text(await (await db.state.at(old.payload.root)).get(utf8('n'))), '3')
  for (const absent of [0, 13, 99])
    assert.is((await failureOf(requireSequence(db.state, absent))).code, 'ROOT_NOT_FOUND')
  // Another handle goes on with the chain.
  const other = await openDatabase(store)
  await other.put(utf8('n'), utf8('12'))
  assert.is((await other.publish()).signedRoot.payload.sequence, 13)
})

test('going back to an earlier state is a new root of the chain', async () => {
  const db = await createDatabase()
  await db.put(utf8('a'), utf8('1'))
  const first = await db.publish()
  await db.put(utf8('a'), utf8('2'))
  await db.publish()
  await db.put(utf8('a'), utf8('1'))
  const third = await db.publish()
  assert.is(third.signedRoot.payload.sequence, 3)
  assert.equal(third.signedRoot.payload.root, first.signedRoot.payload.root)
})

test('whatever is signed was written durably, with its log, in one batch after its tree', async () => {
  class OrderedStore extends WatchedStore {
    readonly batches: { readonly meta: readonly string[]; readonly durable: boolean }[] = []
    override async write(batch: WriteBatch, options: { readonly durable?: boolean } = {}): Promise<void> {
      await super.write(batch)
      this.batches.push({ meta: [...(batch.meta?.keys() ?? [])], durable: options.durable === true })
    }
  }
  const store = new OrderedStore()
  const db = await createDatabase({ store })
  await db.batch((tx) => tx.apply(rows(500)))
  store.batches.length = 0
  await db.publish()
  const last = store.batches.at(-1)
  assert.equal(last?.meta.toSorted(), ['chain', 'log', 'log/0', 'published'])
  assert.is(last?.durable, true)
  assert.ok(store.batches.slice(0, -1).every(({ meta }) => meta.length === 0))
})

test('a publish that fails at any write shows nothing, and succeeds when tried again', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  await db.batch((tx) => tx.apply(rows(500)))
  await db.publish()
  const before = await db.published()
  await db.batch((tx) => tx.apply(rows(500, 'w')))
  for (let failing = 0; failing < 10; failing++) {
    store.failsAtWrite = store.writes + failing
    const outcome = await db.publish().catch((error: unknown) => error)
    store.failsAtWrite = Number.POSITIVE_INFINITY
    if (!(outcome instanceof CoppiceError)) break
    assert.is(outcome.code, 'STORE_IO')
    assert.equal(await db.published(), before)
    assert.is(await db.state.logLength(), 1)
  }
  assert.is((await db.published())?.payload.sequence, 2)
})

test('a damaged store is not signed over: missing, changed and cut blocks, nodes and values', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  store.blocksWritten.length = 0
  await db.batch((tx) => tx.apply(rows(3000)))
  const { root } = (await db.snapshot()).tree.ref
  const links = store.blocksWritten.map((key) => Uint8Array.from(Buffer.from(key, 'hex')))
  let tried = 0
  for (const link of [root, ...links.filter((each, i) => linkCodec(each) === CODEC_DAG_CBOR || i % 9 === 0)]) {
    const bytes = store.get(link) as Uint8Array
    for (const damaged of [undefined, turned(bytes), bytes.subarray(0, bytes.length - 1)]) {
      store.damage.set(bytesToHex(link), damaged)
      const fresh = await openDatabase(store)
      const { code } = await failureOf(fresh.publish().finally(() => store.damage.clear()))
      assert.ok(['BLOCK_MISSING', 'STORE_CORRUPT', 'ROOT_NOT_FOUND', 'TREE_MALFORMED'].includes(code), code)
      assert.is(await fresh.published(), undefined)
      tried++
    }
  }
  assert.ok(tried > 20)
  await db.publish()
})

/** One bit of a value: in the first row of a leaf, far from its boundary, so that nothing but the hash can tell. */
function turned(bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes)
  const value = firstValue(out)
  const at = value === undefined ? out.length - 1 : value.byteOffset
  out[at] = (out[at] ?? 0) ^ 1
  return out
}

/** Undefined for what is no leaf with a value inline in its first row; else a view of `bytes`. */
function firstValue(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const node = Node.decode(bytes)
    const value = node.level === 0 && node.length > 0 && node.isInline(0) ? node.value(0) : undefined
    return value instanceof Uint8Array && value.length > 0 ? value : undefined
  } catch {
    return undefined
  }
}

test('the turned bit of the last test leaves a leaf that decodes', async () => {
  const db = await createDatabase()
  await db.put(utf8('a'), utf8('1'))
  const bytes = await db.state.store.get((await db.snapshot()).tree.ref.root)
  assert.is(text(Node.decode(turned(bytes as Uint8Array)).value(0) as Uint8Array), '0')
})

test('only what the publish before did not record is read', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  await db.batch((tx) => tx.apply(rows(20_000)))
  await db.publish()
  await db.put(utf8('010001'), utf8('other'))
  let reads = 0
  const get = store.get.bind(store)
  store.get = (link) => {
    reads++
    return get(link)
  }
  await db.publish()
  assert.ok(reads <= 12, `${reads} blocks`)
})

test('without the key, with another key, as a reader, or with bounds broken: refused with a code', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  await db.put(utf8('a'), utf8('1'))
  const other = await openDatabase(store, { label: 'somebody else' })
  assert.is((await failureOf(other.publish())).code, 'PUBLISH_REFUSED')
  const reader = await openDatabase(store, { isWritable: false })
  assert.is((await failureOf(reader.publish())).code, 'STORE_READ_ONLY')
  for (const options of [
    { message: 'x'.repeat(161) },
    { message: 'ü'.repeat(81) },
    { message: '\ud800' },
    { expiresInSeconds: 0 },
    { expiresInSeconds: 1.5 },
    { expiresInSeconds: Number.NaN },
  ]) {
    assert.is((await failureOf(db.publish(options))).code, 'USAGE')
  }
  assert.is(await db.published(), undefined)
})

test('a damaged log or chain is a damaged store', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  await db.put(utf8('a'), utf8('1'))
  const { signedRoot } = await db.publish()
  assert.equal(decodeSignedRoot(signedRoot.bytes), decodeOwn(signedRoot.bytes))
  for (const name of ['chain', 'log', 'log/0', 'published', 'root']) {
    const before = store.getMeta(name) as Uint8Array
    await store.write({ meta: new Map([[name, Uint8Array.of(1, 2, 3)]]) })
    const opened = await openDatabase(store)
    const use = async (): Promise<unknown> => {
      await opened.published()
      await collect(opened.log())
      return opened.publish()
    }
    assert.is((await failureOf(use())).code, 'STORE_CORRUPT', name)
    await store.write({ meta: new Map([[name, before]]) })
  }
})

test.run()
