/** What a clone moves, in bytes and round trips: documents beside zstd of their text, and rows that no compression shrinks beside their blocks. */
import { constants, zstdCompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadRelease } from '../../demo/dataset.ts'
import { importDocuments } from '../../src/index.ts'
import { type Database, providerOptions, Replica } from '../../src/db/index.ts'
import { type Packing, packings } from '../../src/packings.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { createMemoryDialer, ProviderSet, type PullReport } from '../../src/sync/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { createDatabase } from '../support/database-lab.ts'
import { documentRows } from '../support/data-answers.ts'
import { withoutNode } from '../support/without-node.ts'
import { Random } from '../support/random.ts'
import { sortRows } from '../support/tree-sets.ts'

const portable = await withoutNode<{ readonly packings: readonly Packing[] }>('packings.ts')

const test = suite('sync/wire-bytes')

/** Clones `database` over a channel, on which the provider packs what the replica can unpack. */
async function clone(database: Database, offered: readonly Packing[] = packings): Promise<PullReport> {
  const { clock, random } = surroundings
  const providers = new ProviderSet({ clock, packings })
  providers.add(providerOptions(database.state))
  const store = new MemoryStore()
  await store.write({ meta: Replica.initialMeta(database.author, database.name, ['peer']) })
  const network = {
    dialer: (address: string) => createMemoryDialer(address, providers.handle),
    close: () => Promise.resolve(),
  }
  const replica = await Replica.load(store, { clock, random, packings: offered, isWritable: true, network })
  const { report } = await replica.pull()
  await replica.close()
  return report
}

test('browser-compat-data is cloned for at most 1.7 times what zstd -3 makes of its NDJSON', async () => {
  const release = await loadRelease('bcd-new')
  const text = Buffer.from([...release.lines()].join(''))
  const database = await createDatabase({ name: 'compat' })
  await importDocuments(database, [text], { collection: 'support', key: ['feature', 'browser'] })
  await database.publish()
  const { bytesReceived, bytesSent, bytesTotal } = await clone(database)
  const level3 = zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }).length
  const ratio = (bytesReceived + bytesSent) / level3
  assert.ok(ratio <= 1.7, `${bytesReceived} + ${bytesSent} bytes: ${ratio.toFixed(2)} times ${level3}`)
  assert.ok(bytesTotal > 20 * level3)
  await database.close()
})

test('what does not compress is cloned for at most 1.03 times its blocks', async () => {
  const random = new Random(1)
  const rows = sortRows(Array.from({ length: 40_000 }, () => ({ key: random.bytes(16), value: random.bytes(64) })))
  const database = await createDatabase()
  await database.batch((tx) => tx.apply(rows))
  await database.publish()
  const { bytesReceived, bytesSent, bytesTotal } = await clone(database)
  const ratio = (bytesReceived + bytesSent) / bytesTotal
  assert.ok(ratio <= 1.03, `${bytesReceived} + ${bytesSent} bytes for ${bytesTotal} of blocks`)
  await database.close()
})

for (const [name, offered] of [
  ['zstd and deflate', packings],
  ['deflate', packings.filter(({ id }) => id === 2)],
  ['deflate, as streams', portable.packings],
] as const) {
  test(`${name}: the same tree comes of packed answers, for a tenth of the bytes`, async () => {
    const database = await createDatabase()
    await database.batch((tx) => tx.apply(documentRows(15_000)))
    await database.publish()
    const plain = await clone(database, [])
    const packed = await clone(database, offered)
    assert.ok(packed.bytesReceived * 10 < plain.bytesReceived)
    assert.is(packed.blocksReceived, plain.blocksReceived)
    assert.is(packed.roundTrips, plain.roundTrips)
    await database.close()
  })
}

test.run()
