/** What repair does to completeness records: held states stay held, and what is broken or half mended is neither passed over nor hidden. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import type { Link } from '../../src/link.ts'
import { checkTree, type Edit, isValueRef, Node } from '../../src/prolly/index.ts'
import { MemoryStore, type WriteBatch } from '../../src/store/index.ts'
import { createDatabase, DatabaseLab, failureOf, openDatabase, utf8 } from '../support/database-lab.ts'
import { checkRecords, forgetUnused } from '../support/gc-lab.ts'

const test = suite('db/repair-records')

const COUNT = 3000
const key = (i: number): Uint8Array => utf8(String(i).padStart(6, '0'))

/** Rows `from` to `to`, every 20th out of line, no two alike. */
function rows(from: number, to: number, release = 0): Edit[] {
  return Array.from({ length: to - from }, (_, n): Edit => {
    const i = from + n
    return { key: key(i), value: utf8(`${release} ${i};`.repeat(i % 20 === 0 ? 400 : 1)) }
  })
}

async function release(db: Database, edits: readonly Edit[]): Promise<Link> {
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
  return (await db.snapshot()).tree.ref.root
}

/** Fails with everything after the first write that takes records away or puts one in the place of another. */
class KilledAfterDemotion extends MemoryStore {
  isArmed = false
  #isDead = false

  override async write(batch: WriteBatch): Promise<void> {
    if (this.#isDead) throw new Error('killed')
    await super.write(batch)
    this.#isDead = this.isArmed && (batch.removeComplete !== undefined || batch.complete !== undefined)
  }

  revive(): void {
    this.isArmed = this.#isDead = false
  }
}

async function spoilRecord(store: MemoryStore, link: Link): Promise<void> {
  const record = store.getComplete(link)
  assert.ok(record !== undefined)
  await store.write({ complete: [{ ...record, spineClosed: !record.spineClosed }] })
}

async function killedRepair(store: KilledAfterDemotion): Promise<Database> {
  const lab = new DatabaseLab()
  store.isArmed = true
  await (await openDatabase(store, { network: lab.network })).repair({ all: true }).catch((error: Error) => {
    assert.is(error.message, 'killed')
  })
  store.revive()
  await forgetUnused()
  return await openDatabase(store, { network: lab.network })
}

test("a repair of a root's record that is killed: the state is held still, and not garbage", async () => {
  const store = new KilledAfterDemotion()
  const db = await createDatabase({ store })
  const root = await release(db, rows(0, COUNT))
  const { ref } = (await db.snapshot()).tree
  await release(db, rows(0, COUNT, 1))
  await spoilRecord(store, root)
  const again = await killedRepair(store)
  assert.is((await again.gc()).statesRemoved, 0)
  assert.is((await checkTree(store, ref)).problemCount, 0)
  await again.repair({ all: true })
  assert.is((await checkTree(store, ref, { records: store })).problemCount, 0)
  await checkRecords(store)
})

test('a repair of a record that is killed: verify says so, and the next repair records again what is to be served', async () => {
  const store = new KilledAfterDemotion()
  const db = await createDatabase({ store })
  const root = await release(db, rows(0, COUNT))
  const { ref } = (await db.snapshot()).tree
  await spoilRecord(store, Node.decode(store.get(root) as Uint8Array).link(0))
  const again = await killedRepair(store)
  assert.equal(
    (await checkTree(store, ref, { records: store })).problems.map(({ kind }) => kind),
    ['record'],
  )
  const assertMended = async (): Promise<void> => {
    const { states } = await again.repair()
    assert.equal([states[0]?.found, states[0]?.left.problemCount], [1, 0])
    await checkRecords(store)
  }
  await assertMended()
  // The record of a value, of which those above tell the opposite.
  const leaf = Node.decode(store.get(Node.decode(store.get(root) as Uint8Array).link(1)) as Uint8Array)
  const value = Array.from({ length: leaf.length }, (_, i) => leaf.value(i)).find(isValueRef)
  assert.ok(value !== undefined)
  await store.write({ removeComplete: [value.link] })
  await assertMended()
  const lab = new DatabaseLab()
  lab.serve('author', again)
  const replica = await lab.replica(again, ['author'])
  assert.is((await replica.pull()).to.payload.sequence, 1)
})

test('a newer state that has a broken one below it: pull and publish look inside, and fetch or refuse', async () => {
  const whole = await createDatabase()
  const { root } = (await whole.batchWithReport((tx) => tx.apply(rows(0, COUNT)))).to.tree.ref
  // So many rows are the first leaf of all of them, and a tree of one leaf by themselves.
  const few = Node.decode((await whole.state.store.get(root)) as Uint8Array).childEntries(0)
  const lab = new DatabaseLab()
  const db = await createDatabase()
  const leaf = await release(db, rows(0, few))
  lab.serve('author', db)
  const store = new MemoryStore()
  const replica = await lab.replica(db, ['author'], store)
  await replica.pull()
  const value = Node.decode(store.get(leaf) as Uint8Array).value(20)
  assert.ok(isValueRef(value))
  await store.write({ removeBlocks: [value.link] })
  lab.stop('author')
  assert.is((await replica.repair()).states[0]?.left.problemCount, 1)
  assert.is(store.getComplete(leaf)?.bytes, 0, 'held, and fit for no place, at a right edge neither')
  const own = db.state.store
  const bytes = (await own.get(value.link)) as Uint8Array
  await own.write({ removeBlocks: [value.link] })
  assert.is((await db.repair()).states[0]?.left.problemCount, 1)
  await db.batch((tx) => tx.apply(rows(few, COUNT)))
  assert.is((await failureOf(db.publish())).code, 'BLOCK_MISSING')
  await own.write({ blocks: [{ link: value.link, bytes }] })
  await db.publish()
  lab.serve('author', db)
  await replica.pull()
  const { ref } = (await replica.snapshot()).tree
  assert.equal(Node.decode(store.get(ref.root) as Uint8Array).link(0), leaf)
  for (const each of [store, own]) {
    assert.is((await checkTree(each, ref, { records: each })).problemCount, 0)
    await checkRecords(each)
  }
})

test.run()
