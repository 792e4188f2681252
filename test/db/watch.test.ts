/** Watching: the exact changes of every state that is shown, and where they came from. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Change, Database, Replica, StateChange } from '../../src/db/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { collect, createDatabase, DatabaseLab, openDatabase, text, utf8 } from '../support/database-lab.ts'

const test = suite('db/watch')

async function next(watch: AsyncGenerator<StateChange, void>): Promise<StateChange> {
  const result = await watch.next()
  if (result.done === true) throw new Error('expected a change, got the end')
  return result.value
}

function shown({ type, key, from, to }: Change): unknown[] {
  const side = (value: Change['from']): unknown => (value instanceof Uint8Array ? text(value) : value)
  return [type, text(key), side(from), side(to)]
}

test('each batch is a change with exactly what it did', async () => {
  const db = await createDatabase()
  await db.put(utf8('a'), utf8('1'))
  const watch = db.watch()
  await db.put(utf8('b'), utf8('2'))
  const first = await next(watch)
  assert.is(first.origin, 'local')
  assert.equal((await collect(first.changes())).map(shown), [['add', 'b', undefined, '2']])
  const pending = next(watch)
  await db.batch(async (tx) => {
    await tx.put(utf8('a'), utf8('9'))
    await tx.del(utf8('b'))
    await tx.put(utf8('c'), utf8('3'))
  })
  const second = await pending
  assert.equal((await collect(second.changes())).map(shown), [
    ['update', 'a', '1', '9'],
    ['remove', 'b', '2', undefined],
    ['add', 'c', undefined, '3'],
  ])
  assert.equal((await collect(second.changes({ start: utf8('b'), end: utf8('c') }))).length, 1)
  assert.is(second.from.root, first.to.root)
  await watch.return()
})

test('what was written between the call and the first look is not missed, however many states ago', async () => {
  const db = await createDatabase()
  const watch = db.watch()
  for (const key of ['a', 'b', 'c']) await db.put(utf8(key), utf8('1'))
  const { changes } = await next(watch)
  assert.is((await collect(changes())).length, 3)
})

test('documents are changes of documents', async () => {
  const db = await createDatabase()
  const cities = db.collection('cities', { key: ['id'] })
  await cities.put({ id: 1, name: 'x' })
  const watch = db.watch()
  await cities.put({ id: 1, name: 'y' })
  const [change] = await collect((await next(watch)).changes())
  assert.equal(change?.meaning, { space: 'document', collection: 'cities', parts: [1] })
  assert.equal(
    [change?.from, change?.to],
    [
      { id: 1, name: 'x' },
      { id: 1, name: 'y' },
    ],
  )
})

test('another handle on the store, as another process has it, is seen too', async () => {
  const store = new MemoryStore()
  const db = await createDatabase({ store })
  const reader = await openDatabase(store, { isWritable: false })
  const watch = reader.watch()
  const pending = next(watch)
  await db.put(utf8('a'), utf8('1'))
  assert.is((await collect((await pending).changes())).length, 1)
})

test('writes that change nothing, and states that come back, are no changes', async () => {
  const db = await createDatabase()
  await db.put(utf8('a'), utf8('1'))
  const watch = db.watch()
  await db.put(utf8('a'), utf8('1'))
  await db.put(utf8('b'), utf8('2'))
  await db.del(utf8('b'))
  await db.put(utf8('c'), utf8('3'))
  assert.equal((await collect((await next(watch)).changes())).map(shown), [['add', 'c', undefined, '3']])
})

test('a watch ends with its signal and with its handle, also one that nobody iterates', async () => {
  const db = await createDatabase()
  const ended = new AbortController()
  const aborted = collect(db.watch({ signal: ended.signal }))
  const closed = collect(db.watch())
  db.watch()
  ended.abort()
  assert.equal(await aborted, [])
  assert.equal(await collect(db.watch({ signal: AbortSignal.abort() })), [])
  await db.close()
  assert.equal(await closed, [])
})

test('a replica tells what it pulled, from its second state on', async () => {
  const lab = new DatabaseLab()
  const db: Database = await createDatabase()
  lab.serve('alice', db)
  const replica: Replica = await lab.replica(db, ['alice'])
  const watch = replica.watch()
  const pending = next(watch)
  await db.put(utf8('a'), utf8('1'))
  await db.publish()
  await replica.pull()
  await db.put(utf8('b'), utf8('2'))
  await db.publish()
  // The first state is noticed before there is a second.
  await new Promise((resolve) => setTimeout(resolve, 0))
  await replica.pull()
  const change = await pending
  assert.is(change.origin, 'pulled')
  assert.equal((await collect(change.changes())).map(shown), [['add', 'b', undefined, '2']])
  await replica.close()
  assert.is((await watch.next()).done, true)
})

test.run()
