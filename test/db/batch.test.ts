/** Batches: all or nothing, reading their own writes, whatever their size and however calls are interleaved. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes } from '../../src/bytes.ts'
import { Transaction } from '../../src/db/index.ts'
import { TRANSACTION_BYTES_MAX } from '../../src/db/transaction.ts'
import { type Edit, NodeReader, Tree } from '../../src/prolly/index.ts'
import { Staging } from '../../src/store/index.ts'
import { collect, createDatabase, failureOf, text, thrownBy, utf8, WatchedStore } from '../support/database-lab.ts'

const test = suite('db/batch')

const LARGE = 64 * 1024

/** Another block for each number. */
function large(n: number): Uint8Array {
  const bytes = new Uint8Array(LARGE).fill(n)
  new DataView(bytes.buffer).setUint32(4, n)
  return bytes
}

test('puts side by side beyond what memory may hold are all there, and read while they are on their way', async () => {
  const db = await createDatabase()
  const count = Math.ceil((2.5 * TRANSACTION_BYTES_MAX) / LARGE)
  await db.batch(async (tx) => {
    const puts = Array.from({ length: count }, (_, i) => tx.put(utf8(`${i}`), large(i)))
    const reads = [0, count >> 1, count - 1].map(async (i) => assert.is((await tx.get(utf8(`${i}`)))?.[0], i & 255))
    assert.is(await tx.count(), count)
    await Promise.all([...puts, ...reads])
    assert.is((await collect(tx.scan())).length, count)
  })
  assert.is(await db.count(), count)
  assert.is((await db.get(utf8('3')))?.[9], 3)
})

test('writes after a large flush see and replace what it wrote', async () => {
  const db = await createDatabase()
  await db.batch(async (tx) => {
    const flush: Promise<void>[] = []
    for (let i = 0; i * LARGE <= TRANSACTION_BYTES_MAX; i++) {
      flush.push(tx.put(utf8(`a${i}`), large(i)))
    }
    // The last of these began to flush; none was awaited.
    assert.is(await tx.del(utf8('a0')), true)
    assert.is(await tx.get(utf8('a0')), undefined)
    await tx.put(utf8('a1'), utf8('small'))
    await Promise.all(flush)
    assert.is(text(await tx.get(utf8('a1'))), 'small')
  })
  assert.is(await db.get(utf8('a0')), undefined)
  assert.is(text(await db.get(utf8('a1'))), 'small')
})

test('a batch that lost writes is never committed, even where its body goes on', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  await db.put(utf8('before'), utf8('1'))
  const { root } = await db.snapshot()
  store.failsAtWrite = store.writes
  const error = await failureOf(
    db.batch(async (tx) => {
      for (let i = 0; i < 700; i++) await tx.put(utf8(`${i}`), large(i)).catch(() => {})
      store.failsAtWrite = Number.POSITIVE_INFINITY
      await tx.put(utf8('last'), utf8('1')).catch(() => {})
    }),
  )
  assert.is(error.code, 'STORE_IO')
  assert.is((await db.snapshot()).root, root)
  await db.put(utf8('after'), utf8('2'))
  assert.is(await db.count(), 2)
})

test('an apply that fails loses the batch, whoever catches what it threw', async () => {
  const db = await createDatabase()
  const edits = (...keys: string[]): Edit[] => keys.map((k) => ({ key: utf8(k), value: utf8('v') }))
  for (const [code, bad] of [
    ['INPUT_UNSORTED', edits('b', 'a')],
    ['INPUT_DUPLICATE_KEY', edits('a', 'a')],
    ['KEY_TOO_LONG', edits('a', 'b'.repeat(1025))],
  ] as const) {
    const batch = db.batch(async (tx) => {
      await tx.put(utf8('first'), utf8('1'))
      await tx.apply(bad).catch(() => {})
    })
    assert.is((await failureOf(batch)).code, code)
    assert.is(await db.count(), 0)
  }
})

test('a put that is refused leaves the batch as it was', async () => {
  const db = await createDatabase()
  await db.batch(async (tx) => {
    await tx.put(utf8('a'), utf8('1'))
    assert.is((await failureOf(tx.put(utf8('b'.repeat(1025)), utf8('2')))).code, 'KEY_TOO_LONG')
  })
  assert.is(await db.count(), 1)
})

test('batches of one handle run one after the other, and see what the one before left', async () => {
  const db = await createDatabase()
  const increment = (): Promise<void> =>
    db.batch(async (tx) => {
      const before = Number(text(await tx.get(utf8('n'))) ?? '0')
      await new Promise((resolve) => setImmediate(resolve))
      await tx.put(utf8('n'), utf8(String(before + 1)))
    })
  const failing = db.batch(() => Promise.reject(new Error('no')))
  await Promise.all([...Array.from({ length: 20 }, increment), failing.catch(() => {})])
  assert.is(text(await db.get(utf8('n'))), '20')
})

test('readers keep their state while batches go on', async () => {
  const db = await createDatabase()
  for (let i = 0; i < 300; i++) await db.put(utf8(String(i).padStart(3, '0')), new Uint8Array(200), { durable: false })
  const scan = db.scan()
  await scan.next()
  const snapshot = await db.snapshot()
  await db.batch(async (tx) => {
    for await (const { key: found } of tx.scan()) await tx.del(found)
  })
  assert.is((await collect(scan)).length, 299)
  assert.is(await snapshot.count(), 300)
  assert.is(await db.count(), 0)
})

test('what a scan of a batch goes through does not change under it', async () => {
  const db = await createDatabase()
  await db.batch(async (tx) => {
    for (let i = 0; i < 3000; i++) await tx.put(utf8(String(i).padStart(4, '0')), utf8('v'))
    let seen = 0
    for await (const { key: found } of tx.scan()) {
      seen++
      await tx.del(found)
      await tx.put(utf8(`x${text(found)}`), utf8('w'))
    }
    assert.is(seen, 3000)
    assert.is(await tx.count(), 3000)
  })
})

test('an abort ends a batch before its turn, within its body and before it shows; nothing is written', async () => {
  const db = await createDatabase()
  const reason = new Error('stop')
  const first = Promise.withResolvers<void>()
  const slow = db.batch(() => first.promise)
  const waiting = new AbortController()
  const second = db.put(utf8('a'), utf8('1'), { signal: waiting.signal })
  waiting.abort(reason)
  assert.is(await thrownBy(second), reason, 'at once, though the first batch still runs')
  first.resolve()
  await slow
  const within = new AbortController()
  const third = db.batch(
    async (tx) => {
      await tx.put(utf8('a'), utf8('1'))
      within.abort(reason)
      await tx.put(utf8('b'), utf8('1')).catch(() => {})
    },
    { signal: within.signal },
  )
  assert.is(await thrownBy(third), reason)
  assert.is(await thrownBy(db.put(utf8('a'), utf8('1'), { signal: AbortSignal.abort(reason) })), reason)
  assert.is(await db.count(), 0)
})

test('a transaction is of no use outside its batch', async () => {
  const db = await createDatabase()
  let kept: Transaction | undefined
  await db.batch(async (tx) => {
    kept = tx
    await tx.put(utf8('a'), utf8('1'))
  })
  const late = kept as Transaction
  const misuses = [
    () => late.put(utf8('b'), utf8('2')),
    () => late.del(utf8('a')),
    () => late.count(),
    () => collect(late.scan()),
    async () => late.get(utf8('a')),
  ]
  for (const misuse of misuses) {
    assert.instance(await thrownBy(misuse()), TypeError)
  }
  assert.is(await db.count(), 1)
})

test('writes and a second apply while one runs are refused; reads see the state before', async () => {
  const db = await createDatabase()
  await db.put(utf8('a'), utf8('1'))
  await db.batch(async (tx) => {
    async function* edits(): AsyncGenerator<Edit> {
      yield { key: utf8('b'), value: utf8('2') }
      assert.is(await tx.count(), 1)
      assert.is(await tx.get(utf8('b')), undefined)
      for (const misuse of [tx.put(utf8('c'), utf8('3')), tx.apply([]), tx.finish()]) {
        assert.instance(await thrownBy(misuse), TypeError)
      }
      yield { key: utf8('d'), value: utf8('4') }
    }
    await tx.apply(edits())
    assert.is(await tx.count(), 3)
  })
  assert.is(await db.count(), 3)
})

test('a handle that only reads writes nothing; a closed one refuses, after what was begun is done', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  const begun = db.batch(async (tx) => {
    await new Promise((resolve) => setImmediate(resolve))
    await tx.put(utf8('a'), utf8('1'))
  })
  const closed = db.close()
  await begun
  assert.instance(await thrownBy(db.put(utf8('b'), utf8('2'))), TypeError)
  await closed
  await db.close()
  await db[Symbol.asyncDispose]()
})

test('the report names the states before and after and what was written', async () => {
  const db = await createDatabase()
  const { from, to, result, blocksWritten, bytesWritten } = await db.batchWithReport(async (tx) => {
    await tx.put(utf8('a'), utf8('1'))
    return 42
  })
  assert.equal([await from.count(), await to.count(), result, blocksWritten], [0, 1, 42, 1])
  assert.is(bytesWritten, to.tree.ref.bytes)
  const unchanged = await db.batchWithReport((tx) => tx.put(utf8('a'), utf8('1')))
  assert.is(unchanged.from.root, unchanged.to.root)
})

test('the cost of a put is the path to it, not the database', async () => {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  await db.batch((tx) =>
    tx.apply(
      Array.from({ length: 20_000 }, (_, i) => ({ key: utf8(String(i).padStart(6, '0')), value: utf8(`value ${i}`) })),
    ),
  )
  const before = store.blocksWritten.length
  await db.put(utf8('010000'), utf8('other'))
  const { level } = (await db.snapshot()).tree
  assert.ok(store.blocksWritten.length - before <= 3 * (level + 1), `${store.blocksWritten.length - before} blocks`)
})

test('keys sort as bytes, in memory as in the tree', async () => {
  const db = await createDatabase()
  const keys = [[0], [0, 0], [0, 255], [1], [127], [128], [255], [255, 255]].map((bytes) => Uint8Array.from(bytes))
  await db.batch(async (tx) => {
    for (const k of keys.toReversed()) await tx.put(k, k)
    assert.equal(
      (await collect(tx.scan())).map((row) => row.key),
      keys.toSorted(compareBytes),
    )
  })
  assert.equal(
    (await collect(db.scan())).map((row) => row.key),
    keys,
  )
})

test('a transaction over a bare tree needs no database', async () => {
  const db = await createDatabase()
  const staging = new Staging(db.state.store)
  const { root } = (await db.snapshot()).tree.ref
  const tx = new Transaction(await Tree.open(new NodeReader(staging), root), staging)
  await tx.put(utf8('a'), utf8('1'))
  const tree = await tx.finish()
  assert.is(tree.ref.entries, 1)
  tx.drop()
})

test.run()
