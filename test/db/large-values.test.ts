/** Values of any length through the database: streamed in and out, in bounded memory, and like any other in batches, publishes and pulls. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Document, LargeValue, type ValueStream } from '../../src/db/index.ts'
import { LOADED_VALUE_BYTES_MAX } from '../../src/prolly/index.ts'
import { exportRaw, importRaw } from '../../src/transfer/index.ts'
import {
  collect,
  createDatabase,
  DatabaseLab,
  failureOf,
  text,
  thrownBy,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { fileBytes } from '../support/unixfs-reference.ts'

const test = suite('db/large-values')

const MIB = 1024 * 1024

async function* asynchronous(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk)
}

async function read(stream: ValueStream | undefined): Promise<Uint8Array | undefined> {
  return stream === undefined ? undefined : Buffer.concat(await collect(stream))
}

const whole = (size: number): Buffer => Buffer.concat([...fileBytes('counting', size)])

test('bytes, iterables and streams of them give one state', async () => {
  const roots = new Set<string>()
  for (const size of [0, 5, 1024, 1025, MIB, MIB + 1, 3 * MIB + 5]) {
    roots.clear()
    for (const source of [
      whole(size),
      fileBytes('counting', size),
      asynchronous(fileBytes('counting', size)),
      [whole(size)],
    ]) {
      const db = await createDatabase()
      await db.put(utf8('k'), source)
      roots.add((await db.snapshot()).root)
      assert.is(Buffer.compare((await db.get(utf8('k'))) as Uint8Array, whole(size)), 0)
    }
    assert.is(roots.size, 1, `${size} bytes`)
  }
})

test('streams: ranges, the size of the whole, each iteration anew, nothing for an absent key', async () => {
  const db = await createDatabase()
  await db.put(utf8('k'), fileBytes('counting', 3 * MIB))
  assert.is(await db.stream(utf8('absent')), undefined)
  const stream = await db.stream(utf8('k'), { start: MIB - 2, end: MIB + 3 })
  assert.is(stream?.size, 3 * MIB)
  for (let i = 0; i < 2; i++) assert.equal(await read(stream), whole(3 * MIB).subarray(MIB - 2, MIB + 3))
  const reason = new Error('enough')
  assert.is(await thrownBy(db.stream(utf8('k'), { signal: AbortSignal.abort(reason) })), reason)
})

test('a batch reads what it streamed, in values, scans and counts, and again after it went into the tree', async () => {
  const db = await createDatabase()
  await db.put(utf8('b'), whole(2 * MIB))
  await db.batch(async (tx) => {
    await tx.put(utf8('a'), fileBytes('counting', MIB + 3))
    await tx.put(utf8('c'), utf8('short'))
    const look = async (): Promise<void> => {
      assert.equal(Buffer.from((await tx.get(utf8('a'))) as Uint8Array), whole(MIB + 3))
      assert.equal(await read(await tx.stream(utf8('a'), { start: MIB })), whole(MIB + 3).subarray(MIB))
      const rows = await collect(tx.scan())
      assert.equal(
        rows.map(({ key, value }) => `${text(key)} ${value.length}`),
        [`a ${MIB + 3}`, `b ${2 * MIB}`, 'c 5'],
      )
      assert.equal(text(await read(await tx.stream(utf8('c')))), 'short')
    }
    await look()
    assert.is(await tx.count(), 3)
    await look()
    assert.is(await tx.del(utf8('b')), true)
    assert.is(await tx.get(utf8('b')), undefined)
  })
  assert.is(await db.count(), 2)
})

test('a source that fails leaves the batch as it was, and nothing is written by a batch that is dropped', async () => {
  const db = await createDatabase()
  const { root } = await db.snapshot()
  const reason = new Error('the disk of the source')
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* fileBytes('counting', 2 * MIB)
    throw reason
  }
  await db.batch(async (tx) => {
    assert.is(await thrownBy(tx.put(utf8('k'), failing())), reason)
    assert.is(await tx.get(utf8('k')), undefined)
  })
  assert.is((await db.snapshot()).root, root)
  assert.is((await failureOf(db.put(utf8('k'.repeat(1025)), failing()))).code, 'KEY_TOO_LONG')
  const controller = new AbortController()
  const aborting = async function* (): AsyncGenerator<Uint8Array> {
    yield* fileBytes('counting', 2 * MIB)
    controller.abort(reason)
    yield* fileBytes('counting', 2 * MIB)
  }
  assert.is(await thrownBy(db.put(utf8('k'), aborting(), { signal: controller.signal })), reason)
  assert.is((await db.snapshot()).root, root)
})

test('memory: a long value goes to the disk as it comes, and is waited for', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  let yielded = 0
  let ahead = 0
  function* source(): Generator<Uint8Array> {
    for (const chunk of fileBytes('counting', 40 * MIB)) {
      yielded += chunk.length
      ahead = Math.max(ahead, yielded - store.blocksWritten.length * MIB)
      yield chunk
    }
  }
  await db.put(utf8('k'), source())
  assert.ok(ahead <= 8 * MIB, `${ahead} bytes ahead of the store`)
})

test('deleting and replacing a value read none of it', async () => {
  const db = await createDatabase()
  await db.put(utf8('k'), fileBytes('zeros', LOADED_VALUE_BYTES_MAX + 1))
  assert.is((await failureOf(db.get(utf8('k')))).code, 'VALUE_TOO_LARGE')
  assert.is(await db.del(utf8('k')), true)
  await db.put(utf8('k'), fileBytes('zeros', LOADED_VALUE_BYTES_MAX + 1))
  await db.put(utf8('k'), utf8('short'))
  assert.is(text(await db.get(utf8('k'))), 'short')
})

test('documents may be longer than 1 MiB', async () => {
  const db = await createDatabase()
  const long: Document = { id: 1, text: 'x'.repeat(5 * MIB), bytes: new Uint8Array(2 * MIB) }
  await db.collection('long', { key: ['id'] }).put(long)
  assert.equal(await db.collection('long').get([1]), long)
  assert.equal(await collect(db.collection('long').scan()), [long])
  assert.is(await db.collection('long').del([1]), true)
})

test('changes name what they do not load by CID and size', async () => {
  const db = await createDatabase()
  const before = await db.snapshot()
  await db.put(utf8('k'), fileBytes('counting', MIB + 1))
  const watch = db.watch({ signal: AbortSignal.timeout(20_000) })
  await db.put(utf8('k'), fileBytes('zeros', 2 * MIB))
  const first = await watch.next()
  if (first.done === true) return assert.unreachable('a change')
  await watch.return()
  const [change] = await collect(first.value.changes())
  const { from, to } = change as { from: unknown; to: unknown }
  if (!(from instanceof LargeValue) || !(to instanceof LargeValue)) return assert.unreachable('large values')
  assert.equal([from.size, to.size], [MIB + 1, 2 * MIB])
  assert.match(to.cid, /^bafybei/)
  assert.is(await before.getValue(utf8('k')), undefined)
})

test('published, pulled and read by a replica, and pulled again after a change', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  await db.batch(async (tx) => {
    await tx.put(utf8('long'), fileBytes('counting', 4 * MIB + 1))
    await tx.put(utf8('short'), utf8('s'))
  })
  await db.publish()
  lab.serve('alice', db)
  const replica = await lab.replica(db, ['alice'])
  const { report } = await replica.pull()
  assert.is(report.bytes, report.bytesTotal)
  assert.equal(await read(await replica.stream(utf8('long'), { start: 4 * MIB })), whole(4 * MIB + 1).subarray(4 * MIB))
  await db.put(utf8('short'), utf8('t'))
  await db.publish()
  const again = await replica.pull()
  const { blocksReceived, patch } = again.report
  assert.equal(
    [blocksReceived, patch?.rows, patch?.blocksRebuilt],
    [0, 1, 1],
    'the row, and the leaf of the tree made of it',
  )
  await replica.close()
  await db.close()
})

test('raw exports and imports carry what a line holds, and name what it does not', async () => {
  const db = await createDatabase()
  await db.put(utf8('a'), fileBytes('counting', 3 * MIB))
  const copy = await createDatabase()
  const imported = await importRaw(copy, exportRaw(await db.snapshot()), { replace: true })
  assert.is(imported.added, 1)
  assert.is((await copy.snapshot()).root, (await db.snapshot()).root)
  for (const replace of [false, true]) {
    const again = await importRaw(copy, exportRaw(await db.snapshot()), { replace })
    assert.equal([again.unchanged, again.blocksWritten], [1, 0])
  }
  await db.put(utf8('b'), fileBytes('zeros', LOADED_VALUE_BYTES_MAX + 1))
  const error = await failureOf(collect(exportRaw(await db.snapshot())))
  assert.equal([error.code, error.details['key']], ['VALUE_TOO_LARGE', '62'])
})

test.run()
