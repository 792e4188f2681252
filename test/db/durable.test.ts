/** What is on the disk before what: the floor before its root is used, the switch and the marks before anybody relies on them. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database } from '../../src/db/index.ts'
import { POLL_INTERVAL_MS } from '../../src/db/state.ts'
import { MemoryStore, type WriteBatch } from '../../src/store/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { createDatabase, DatabaseLab, failureOf, openDatabase, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/durable')

interface Written {
  readonly meta: readonly string[]
  readonly blocks: number
  readonly durable: boolean
}

/** Remembers every write and what it waited for. */
class RecordingStore extends MemoryStore {
  readonly batches: Written[] = []

  override async write(batch: WriteBatch, options: { readonly durable?: boolean } = {}): Promise<void> {
    await super.write(batch)
    const meta = [...(batch.meta?.keys() ?? [])].toSorted()
    this.batches.push({ meta, blocks: batch.blocks?.length ?? 0, durable: options.durable === true })
  }

  /** The one write of that meta value since the last call. */
  take(name: string): Written & { readonly at: number } {
    const found = this.batches.flatMap((batch, at) => (batch.meta.includes(name) ? [{ ...batch, at }] : []))
    assert.is(found.length, 1, `${name} is written once`)
    return found[0] as Written & { readonly at: number }
  }
}

test('a pull: the floor is flushed before any block comes, the switch with its log in one flushed batch after all of them', async () => {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  await author.publish(Array.from({ length: 2000 }, (_, i) => ({ key: utf8(String(10000 + i)), value: utf8('v') })))
  lab.handle(
    'alice',
    author.showing(() => author.published?.signed),
  )
  const store = new RecordingStore()
  const replica = await lab.replica(author, ['alice'], store)
  store.batches.length = 0
  await replica.pull()
  const floor = store.take('floor')
  const shown = store.take('root')
  const withBlocks = store.batches.flatMap(({ blocks }, at) => (blocks > 0 ? [at] : []))
  assert.ok(floor.durable && withBlocks.length > 0 && floor.at < Math.min(...withBlocks))
  assert.ok(shown.durable && shown.at > Math.max(...withBlocks))
  assert.equal(shown.meta, ['log', 'log/0', 'published', 'root'])
})

test('a malformed root: the mark that keeps it from being tried again is flushed', async () => {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  lab.handle(
    'alice',
    author.showing(() => author.published?.signed),
  )
  const { payload } = await author.publish([{ key: utf8('n'), value: utf8('1') }])
  await author.sign({ root: payload.root, entries: payload.entries, bytes: payload.bytes + 1 })
  const store = new RecordingStore()
  const replica = await lab.replica(author, ['alice'], store)
  assert.is((await failureOf(replica.pull())).code, 'TREE_MALFORMED')
  assert.is(store.take('invalid').durable, true)
})

test('a batch is flushed before it resolves, unless told otherwise', async () => {
  const store = new RecordingStore()
  const db = await createDatabase({ store })
  store.batches.length = 0
  await db.put(utf8('a'), utf8('1'))
  assert.is(store.take('root').durable, true)
  store.batches.length = 0
  await db.put(utf8('a'), utf8('2'), { durable: false })
  assert.is(store.take('root').durable, false)
})

test('a publish that is refused or stopped leaves no record of its root: the draft is not served', async () => {
  const store = new RecordingStore()
  const db = await createDatabase({ store })
  await db.put(utf8('a'), utf8('1'))
  const { root } = (await db.snapshot()).tree.ref
  assert.is((await failureOf(db.publish({ expiresInSeconds: Number.MAX_SAFE_INTEGER - 5 }))).code, 'USAGE')
  assert.is((await failureOf(db.publish({ message: 'x'.repeat(161) }))).code, 'USAGE')
  assert.is(store.getComplete(root), undefined)
  const signer = { publicKey: db.author, sign: () => new Uint8Array(64) }
  const broken = await Database.load(store, { ...surroundings, signers: [signer], isWritable: true })
  assert.is((await failureOf(broken.publish())).code, 'PUBLISH_REFUSED')
  assert.is(store.getComplete(root), undefined)
  await db.publish()
  assert.is(store.getComplete(root)?.entries, 1)
})

test('what another handle writes is noticed within a second, by the clock that is handed in', async () => {
  assert.ok(POLL_INTERVAL_MS <= 1000)
  const clock = new VirtualClock()
  const store = new MemoryStore()
  const writer = await createDatabase({ store, clock })
  const reader = await openDatabase(store, { clock })
  const before = store.getMeta('root')
  const noticed = reader.state.changed('root', before, undefined).then(() => clock.now())
  await clock.run(clock.sleep(10_000))
  await writer.put(utf8('a'), utf8('1'))
  const writtenAt = clock.now()
  const delay = (await clock.run(noticed)) - writtenAt
  assert.ok(delay <= 1000, `noticed after ${delay} ms`)
})

test.run()
