/**
 * Threat 28: garbage is collected while somebody reads, serves, fetches or publishes. What is in use stays; who comes too
 * late is told so, and nothing is ever there in part. (Processes: test/db/gc-processes.test.ts.)
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import type { Database, Replica } from '../../src/db/index.ts'
import { formatLink, type Link, linkMapKey } from '../../src/link.ts'
import { checkTree, type Edit, Node, Tree } from '../../src/prolly/index.ts'
import type { Store } from '../../src/store/interface.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { between } from '../support/between.ts'
import {
  collect,
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  outcomesOf,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { allBlocks, checkOnly, checkRecords, collectBlocks, forgetUnused } from '../support/gc-lab.ts'
import { until } from '../support/until.ts'

const test = suite('hostile/gc-while-running')

const COUNT = 6000

const key = (i: number): Uint8Array => utf8(String(i).padStart(6, '0'))

/** All rows anew, so that two releases have no leaf in common. */
async function release(db: Database, number: number, count = COUNT, repeat = 1): Promise<void> {
  const edits = Array.from({ length: count }, (_, i): Edit => {
    const value = `release ${number} `.repeat(i % 300 === 0 ? 120 : repeat)
    return { key: key(i), value: utf8(`${value}${i}`) }
  })
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
}

async function author(
  releases: number,
  store: Store = new MemoryStore(),
  count = COUNT,
  repeat = 1,
): Promise<Database> {
  const db = await createDatabase({ store })
  for (let number = 1; number <= releases; number++) await release(db, number, count, repeat)
  await forgetUnused()
  return await openDatabase(store)
}

/** An author whose states take several answers. */
const largeAuthor = (releases: number): Promise<Database> => author(releases, new MemoryStore(), COUNT, 40)

async function rootOf(db: Database | Replica, sequence: number): Promise<Link> {
  for await (const { signedRoot } of db.log()) {
    if (signedRoot.payload.sequence === sequence) return signedRoot.payload.root
  }
  throw new Error(`no @${sequence}`)
}

const reader = (db: Database): Promise<Database> => openDatabase(db.state.store, { isWritable: false })

test('a reader goes on with a state that was replaced and never published; once it lets go, the state goes', async () => {
  const db = await author(1)
  await db.put(key(1), utf8('read'))
  const other = await reader(db)
  const reading = await startReading(other)
  const { root } = (await db.snapshot()).tree.ref
  await db.put(key(2), utf8('replaced'))
  await forgetUnused()
  await db.gc()
  assert.is(await reading.finish(), COUNT)
  assert.is((await checkTree(db.state.store, (await Tree.open(db.state.store, root)).ref)).problemCount, 0)
  // The reader looks at what is shown now; its lease of the state before is given back when the next one is taken, and the engine
  // has seen that nobody has that any more: when, is its own choice.
  let round = 0
  await until(async () => {
    await db.put(key(3), utf8(String(round++)))
    await other.snapshot()
    await forgetUnused()
    await db.gc()
    return (await db.state.store.has(root)) === false
  })
})

/** A scan after its first row. Nothing of it is in the caller's frame, where it might live on. */
async function startReading(other: Database): Promise<{ finish(): Promise<number> }> {
  const held = { scan: (await other.snapshot()).scan() as AsyncIterator<unknown> | undefined }
  await held.scan?.next()
  return {
    finish: async () => {
      let rows = 1
      while ((await held.scan?.next())?.done === false) rows++
      held.scan = undefined
      return rows
    },
  }
}

test('a root that is asked for while garbage is collected is there as a whole, or not at all', async () => {
  for (const phase of ['marking', 'removing'] as const) {
    // Enough blocks for the marking to give others a turn.
    const db = await author(4, new MemoryStore(), 8 * COUNT)
    const other = await reader(db)
    const old = await rootOf(db, 1)
    let found: Promise<unknown> | undefined
    const report = await db.gc({
      keep: 1,
      onProgress: (progress) => {
        if (progress.phase === phase) found ??= other.state.at(old).catch((error: unknown) => error)
      },
    })
    const state = await found
    const roots = [await rootOf(db, 4)]
    if (phase === 'marking') {
      assert.equal(
        report.kept.map(({ reasons }) => reasons.at(-1)),
        ['recent', 'in use'],
      )
      roots.push(old)
      assert.is((await collect((await other.state.at(old)).scan())).length, 8 * COUNT)
    } else assert.ok(state instanceof Error && 'code' in state && state.code === 'ROOT_NOT_FOUND')
    await checkOnly(db.state, roots)
  }
})

test('batches and publishes of the handle wait until the collection is over, and lose nothing', async () => {
  const db = await author(3)
  const collecting = db.gc({ keep: 1 })
  const putting = db.put(key(1), utf8('meanwhile'))
  const publishing = db.publish()
  const reading = collect(db.scan())
  const [report, , published, read] = await Promise.all([collecting, putting, publishing, reading])
  assert.is(report.statesRemoved, 2)
  assert.equal([published.signedRoot.payload.sequence, read.length], [4, COUNT])
  await checkRecords(db.state.store)
  await db.gc({ keep: 1 })
  await checkOnly(db.state, await heldRoots(db))
})

async function heldRoots(db: Database): Promise<Link[]> {
  const roots = new Map<string, Link>()
  for await (const { signedRoot, isHeld } of db.log()) {
    if (isHeld) roots.set(linkMapKey(signedRoot.payload.root), signedRoot.payload.root)
  }
  return [...roots.values()]
}

test('a root that is being served is kept until the peer has it, though another was published and all else removed', async () => {
  const lab = new DatabaseLab()
  const db = await author(1)
  const server = await reader(db)
  const honest = lab.handlerOf(server)
  let collected = 0
  lab.handle('alice', (channel) =>
    honest(
      between(channel, async (answers) => {
        if (answers !== 2) return
        await release(db, 2)
        await forgetUnused()
        collected = (await db.gc({ keep: 1 })).kept.length
      }),
    ),
  )
  const replica = await lab.replica(db, ['alice'])
  const pulled = await replica.pull()
  assert.equal([collected, pulled.to.payload.sequence], [2, 1])
  assert.is((await collect(replica.scan())).length, COUNT)
  assert.is((await replica.pull()).to.payload.sequence, 2)
})

test('a server that loses the root all the same says "not here": the peer blames nobody for lies, and takes the newest next', async () => {
  const lab = new DatabaseLab()
  const db = await author(1)
  const honest = lab.handlerOf(await reader(db))
  lab.handle('alice', (channel) =>
    honest(
      between(channel, async (answers) => {
        if (answers !== 2 || (await db.published())?.payload.sequence !== 1) return
        // As on a disk where the server may not write, and so not lease.
        const { store } = db.state
        const root = await rootOf(db, 1)
        await release(db, 2)
        const keys = new Set<string>()
        await collectBlocks(store, await rootOf(db, 2), keys)
        const gone = (await allBlocks(store)).filter((link) => !keys.has(linkMapKey(link)))
        assert.ok(gone.some((link) => formatLink(link) === formatLink(root)))
        await store.write({ removeComplete: gone, removeBlocks: gone })
      }),
    ),
  )
  const replica = await lab.replica(db, ['alice'])
  const failure = await failureOf(replica.pull())
  assert.is(failure.code, 'NO_PEER_LEFT')
  assert.equal(outcomesOf(failure.details as never), { alice: 'incomplete' })
  const pulled = await replica.pull()
  assert.equal([pulled.to.payload.sequence, outcomesOf(pulled.report)], [2, { alice: 'used' }])
  assert.is((await checkTree(replica.state.store, (await replica.snapshot()).tree.ref)).problemCount, 0)
})

test('what an interrupted pull has fetched stays, and the next one fetches only the rest', async () => {
  const lab = new DatabaseLab()
  const db = await largeAuthor(2)
  const honest = lab.handlerOf(db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  const keys = new Set<string>()
  await collectBlocks(db.state.store, await rootOf(db, 2), keys)
  let pulls = 0
  for (let answers = 2; ; answers++, pulls++) {
    const stop = (sent: number): Promise<void> => {
      return sent < answers ? Promise.resolve() : Promise.reject(new Error('gone'))
    }
    lab.handle('alice', (channel) => honest(between(channel, stop)))
    const outcome: unknown = await replica.pull().catch((error: unknown) => error)
    const before = (await allBlocks(store)).length
    const report = await replica.gc()
    assert.equal([report.blocksRemoved, report.blocksLeft], [0, before])
    await checkRecords(store)
    if (!(outcome instanceof Error)) break
    assert.is(formatLink(report.fetching as Link), formatLink(await rootOf(db, 2)))
    assert.ok(pulls < 100)
  }
  assert.ok(pulls > 1)
  assert.is(store.blocksWritten.length, keys.size, 'each block was fetched once')
})

test('however many states a reader has read, few reads later it leases few', async () => {
  const db = await author(1, new MemoryStore(), 1)
  const looking = await reader(db)
  const read = async (states: number): Promise<void> => {
    for (let i = 0; i < states; i++) {
      await db.put(key(1), utf8(String(i)))
      await looking.get(key(1))
    }
  }
  await read(600)
  await forgetUnused()
  await read(40)
  const { length } = await db.state.store.leased()
  assert.ok(length < 100, `${length} leases`)
})

test('killed when all of a newer root was here and not shown yet: it stays, and the next pull fetches nothing', async () => {
  const lab = new DatabaseLab()
  const db = await author(1)
  lab.serve('alice', db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  await replica.pull()
  await release(db, 2)
  const write = store.write.bind(store)
  store.write = async (batch) => {
    if (batch.meta?.has('root') === true) throw new Error('killed')
    await write(batch)
  }
  assert.is((await replica.pull().catch((error: Error) => error.message)) as unknown, 'killed')
  store.write = write
  const report = await replica.gc({ keep: 1 })
  assert.equal([report.blocksRemoved, formatLink(report.fetching as Link)], [0, formatLink(await rootOf(db, 2))])
  await checkRecords(store)
  assert.equal((await replica.pull()).report.blocksReceived, 0)
  assert.is((await replica.gc()).fetching, undefined)
})

test('a root below another one that is leased in the last moment stays with it', async () => {
  const values = (from: number, count: number): Edit[] =>
    Array.from({ length: count }, (_, n) => ({ key: key(from + n), value: utf8(`value ${from + n}`) }))
  const whole = await createDatabase()
  await whole.batch((tx) => tx.apply(values(0, COUNT)))
  const { root } = (await whole.snapshot()).tree.ref
  // So many rows are the first leaf of all of them, and a tree of one leaf by themselves.
  const few = Node.decode((await whole.state.store.get(root)) as Uint8Array).childEntries(0)
  const store = new (class extends MemoryStore {
    leasing: Link | undefined
    override async removeUnleased(roots: readonly Link[]): Promise<Link[]> {
      if (this.leasing !== undefined) await this.lease(this.leasing)
      return await super.removeUnleased(roots)
    }
  })()
  const first = await createDatabase({ store })
  for (const edits of [values(0, few), values(few, COUNT - few)]) {
    await first.batch((tx) => tx.apply(edits))
    await first.publish()
  }
  await release(first, 3)
  await forgetUnused()
  const db = await openDatabase(store)
  store.leasing = root
  const report = await db.gc({ keep: 1 })
  assert.equal(
    report.kept.map(({ reasons }) => reasons.at(-1)),
    ['recent', 'in use'],
  )
  await checkOnly(db.state, [await rootOf(db, 3), root])
})

test('a half-fetched root that is no longer the newest is garbage; a replica keeps two states', async () => {
  const lab = new DatabaseLab()
  const db = await author(3)
  const replica = await lab.replica(db, ['alice'])
  lab.serve('alice', db)
  for (const number of [4, 5, 6]) {
    await replica.pull()
    await release(db, number)
  }
  const half = lab.handlerOf(db)
  lab.handle('alice', (channel) =>
    half(between(channel, (sent) => (sent < 2 ? Promise.resolve() : Promise.reject(new Error('gone'))))),
  )
  await failureOf(replica.pull())
  await release(db, 7)
  lab.serve('alice', db)
  await replica.pull()
  await forgetUnused()
  const report = await replica.gc()
  assert.equal(
    report.kept.map(({ sequence, reasons }) => [sequence, ...reasons]),
    [
      [7, 'shown', 'published', 'recent'],
      [5, 'recent'],
    ],
  )
  assert.is(report.fetching, undefined)
  await checkOnly(replica.state, [await rootOf(replica, 7), await rootOf(replica, 5)])
})

/** Links of the first inner node below the root, of a leaf and of a value. */
async function blocksOf(store: Store, root: Link): Promise<Link[]> {
  const node = Node.decode((await store.get(root)) as Uint8Array)
  const leaf = Node.decode((await store.get(node.link(0))) as Uint8Array)
  const value = leaf.value(0)
  return [root, node.link(0), ...(value instanceof Uint8Array ? [] : [value.link])]
}

test('a damaged state that is to be kept: the block and the state are named, and nothing is removed', async () => {
  const store = new WatchedStore()
  const db = await author(3, store)
  const root = await rootOf(db, 2)
  const before = await allBlocks(store)
  const damaged = await blocksOf(store, root)
  assert.is(damaged.length, 3)
  for (const [i, link] of damaged.entries()) {
    for (const bytes of [undefined, utf8('other')]) {
      // A value's bytes decide nothing of what is needed: verify reads them.
      if (i === 2 && bytes !== undefined) continue
      const sound = store.get(link) as Uint8Array
      if (bytes === undefined) await store.write({ removeBlocks: [link] })
      else store.damage.set(bytesToHex(link), bytes)
      const error = await failureOf(db.gc({ keep: 2 }))
      assert.is(error.code, bytes === undefined ? 'BLOCK_MISSING' : 'STORE_CORRUPT')
      assert.equal([error.details['cid'], error.details['root']], [formatLink(link), formatLink(root)])
      assert.match(error.message, '@2')
      store.damage.clear()
      await store.write({ blocks: [{ link, bytes: sound }] })
      assert.equal(await allBlocks(store), before)
    }
  }
  for (const link of damaged) store.damage.set(bytesToHex(link), utf8('other'))
  const report = await db.gc({ keep: 1 })
  store.damage.clear()
  assert.is(report.statesRemoved, 2)
  await checkOnly(db.state, [await rootOf(db, 3)])
})

test('damage of what is being fetched: recorded parts must be whole, others are fetched again', async () => {
  const lab = new DatabaseLab()
  const db = await largeAuthor(1)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  const honest = lab.handlerOf(db)
  lab.handle('alice', (channel) =>
    honest(between(channel, (sent) => (sent < 3 ? Promise.resolve() : Promise.reject(new Error('gone'))))),
  )
  await failureOf(replica.pull())
  const [root = new Uint8Array()] = await blocksOf(db.state.store, await rootOf(db, 1))
  const recorded = await collect(await Promise.resolve(store.listComplete(undefined, 1000)))
  const leaf = recorded.findLast((link) => link[1] === 0x71)
  assert.ok(leaf !== undefined && store.getComplete(root) === undefined)
  store.damage.set(bytesToHex(leaf), utf8('other'))
  assert.is((await failureOf(replica.gc())).code, 'STORE_CORRUPT')
  store.damage.clear()
  store.damage.set(bytesToHex(root), utf8('other'))
  await replica.gc()
  store.damage.clear()
  assert.equal(await allBlocks(store), [], 'nothing leads to them any more')
  lab.serve('alice', db)
  await replica.pull()
  await checkOnly(replica.state, [root])
})

test.run()
