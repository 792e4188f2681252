/** Merging databases: nothing or all, conflicts by row and by field, and a base that is kept. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseLink } from '../../src/link.ts'
import {
  type Database,
  type Document,
  DOCUMENT_BYTES_MAX,
  type MergeOptions,
  type RowConflict,
  type RowResolver,
} from '../../src/db/index.ts'
import { chooseKeptRoots } from '../../src/db/upkeep/kept-roots.ts'
import { ROOT } from '../../src/db/meta.ts'
import { checkTree, editTree, Tree } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import {
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  text,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { FaultyStore, WRITE_FAULTS } from '../support/faulty-store.ts'
import { linkOfId, putZeros } from '../support/file-lab.ts'
import { forkOf, putAll, rowsOf, withRows } from '../support/fork-lab.ts'

const test = suite('db/merge')

async function conflictsOf(merge: (options: MergeOptions) => Promise<unknown>): Promise<string[]> {
  const keys: string[] = []
  await merge({ onConflict: ({ key }) => void keys.push(text(key) ?? '') })
  return keys
}

test('the base of the next merge is kept whole, whatever becomes of the other', async () => {
  const origin = await withRows(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`row ${i}`, 'x'])))
  const store = new WatchedStore()
  const fork = await forkOf(origin, 'fork', store)
  await putAll(fork, { 'row 7': 'mine', 'row 1500': 'mine' })
  await putAll(origin, { 'row 7': 'theirs', 'row 2500': 'theirs' })
  const written = store.blocksWritten.length
  const { conflicts, blocksWritten } = await fork.merge(origin, { resolve: 'left' })
  assert.is(conflicts, 1)
  const { tree } = await origin.snapshot()
  assert.is((await checkTree(store, tree.ref)).problemCount, 0)
  const kept = await chooseKeptRoots(fork.state, 1, undefined)
  const [base] = kept.filter(({ reasons }) => reasons.includes('merge base'))
  assert.equal(base?.root, tree.ref.root, 'garbage collection leaves it')
  assert.is(store.blocksWritten.length - written, blocksWritten)
  assert.ok(blocksWritten <= 12, `${blocksWritten} blocks written, of origin and result`)
  assert.is((await checkTree(store, (await fork.snapshot()).tree.ref)).problemCount, 0)
})

test('a conflict that stays changes nothing; resolvers see both sides and settle', async () => {
  const origin = await withRows({ a: '1', b: '1', c: '1', d: '1' })
  const store = new WatchedStore()
  const fork = await forkOf(origin, 'fork', store)
  await putAll(fork, { a: 'mine', b: 'mine', c: null, d: 'mine' })
  await putAll(origin, { a: 'theirs', b: 'theirs', c: 'theirs', e: 'theirs' })
  const before = await rowsOf(fork)
  const { writes } = store
  assert.equal(await conflictsOf((options) => fork.merge(origin, options)), ['a', 'b', 'c'])
  const report = await fork.merge(origin)
  assert.equal([report.isMerged, report.conflicts, report.unresolved], [false, 3, 3])
  assert.equal(await rowsOf(fork), before)
  assert.is(store.writes, writes, 'not a block was written')

  const some = await fork.merge(origin, { resolve: ({ key }) => (text(key) === 'a' ? 'right' : 'conflict') })
  assert.equal([some.isMerged, some.conflicts, some.unresolved], [false, 3, 2])
  const resolve = async (row: RowConflict) => {
    if (text(row.key) === 'a') return { value: utf8(`${text((await row.read('left')) as Uint8Array)}+theirs`) }
    return text(row.key) === 'b' ? { value: null } : ('right' as const)
  }
  const all = await fork.merge(origin, { resolve })
  assert.equal([all.isMerged, all.conflicts, all.unresolved], [true, 3, 0])
  assert.equal(await rowsOf(fork), { a: 'mine+theirs', c: 'theirs', d: 'mine', e: 'theirs' })
  assert.is((await fork.merge(origin)).to?.root, all.to?.root, 'a second time there is nothing to do')
})

interface City {
  readonly id: number
  readonly name: string
  readonly size?: number
}

async function cities(label: string, documents: readonly City[]): Promise<Database> {
  const db = await createDatabase({ label })
  await db.batch(async (tx) => {
    for (const each of documents) await tx.collection<City>('cities', { key: ['id'] }).put(each)
  })
  return db
}

test('by fields: documents that both changed are one again, conflicts name the field or go to a side', async () => {
  const origin = await cities('author', [
    { id: 1, name: 'a', size: 1 },
    { id: 2, name: 'b', size: 1 },
    { id: 3, name: 'c', size: 1 },
  ])
  const [mine, theirs] = [
    [
      { id: 1, name: 'A', size: 1 },
      { id: 2, name: 'mine', size: 2 },
    ],
    [
      { id: 1, name: 'a', size: 7 },
      { id: 2, name: 'theirs', size: 1 },
    ],
  ]
  const fork = await forkOf(origin, 'fork')
  for (const each of mine ?? []) await fork.collection('cities').put(each)
  for (const each of theirs ?? []) await origin.collection('cities').put(each)
  await fork.collection('cities').del([3])
  await origin.collection('cities').put({ id: 3, name: 'changed', size: 1 })
  const fields: (readonly string[])[] = []
  const onConflict = (row: RowConflict): void => void fields.push(row.fields)
  const report = await fork.merge(origin, { resolve: 'fields', onConflict })
  assert.equal([report.isMerged, report.conflicts, report.unresolved], [false, 3, 2])
  assert.equal(fields, [['/name'], []])
  assert.ok((await fork.merge(origin, { resolve: { fields: 'right' } })).isMerged)
  const get = (id: number): Promise<Document | undefined> => fork.collection<Document>('cities').get([id] as never)
  assert.equal(await get(1), { id: 1, name: 'A', size: 7 })
  assert.equal(await get(2), { id: 2, name: 'theirs', size: 2 })
  assert.equal(await get(3), { id: 3, name: 'changed', size: 1 })
})

test('fields that make no document together are a conflict', async () => {
  const origin = await cities('author', [{ id: 1, name: 'a' }])
  const fork = await forkOf(origin, 'fork')
  const half = 'x'.repeat(DOCUMENT_BYTES_MAX / 2)
  await fork.collection<Document>('cities').put({ id: 1, name: 'a', left: half })
  await origin.collection<Document>('cities').put({ id: 1, name: 'a', right: half })
  const { isMerged, unresolved } = await fork.merge(origin, { resolve: 'fields' })
  assert.equal([isMerged, unresolved], [false, 1])
})

test('two meanings of one collection are refused; a collection that one side alone changed is taken', async () => {
  const one = await cities('author', [{ id: 1, name: 'a' }])
  const other = await createDatabase({ label: 'other' })
  await other.batch((tx) => tx.collection<City>('cities', { key: ['name'] }).put({ id: 1, name: 'b' }))
  for (const resolve of [undefined, 'left', 'right', 'fields'] as const) {
    const error = await failureOf(one.merge(other, { base: 'empty', resolve }))
    assert.is(error.code, 'SCHEMA_MISMATCH')
    assert.is(error.details['collection'], 'cities')
  }
  const towns = await createDatabase({ label: 'towns' })
  await towns.batch((tx) => tx.collection<City>('towns', { key: ['name'] }).put({ id: 1, name: 'b' }))
  assert.ok((await one.merge(towns, { base: 'empty' })).isMerged)
  assert.equal(
    (await (await one.snapshot()).collections()).map(({ collection }) => collection),
    ['cities', 'towns'],
  )
  // The key of a collection became another on one side, with all of its documents, as an import of raw rows may do.
  const base = await one.snapshot()
  const remade = async (tx: Parameters<Parameters<Database['batch']>[0]>[0]): Promise<void> => {
    for await (const { key } of tx.scan()) await tx.del(key)
    await tx.collection<City>('cities', { key: ['name'] }).put({ id: 1, name: 'a' })
  }
  await other.batch(remade)
  assert.ok((await one.merge(other, { base, dryRun: true })).isMerged)
  assert.ok((await other.merge(await one.snapshot(), { base, dryRun: true })).isMerged)
  const changed = await cities('third', [{ id: 2, name: 'z' }])
  assert.is((await failureOf(changed.merge(other, { base }))).code, 'SCHEMA_MISMATCH')
  assert.is((await failureOf(other.merge(await changed.snapshot(), { base }))).code, 'SCHEMA_MISMATCH')
})

test('once a conflict stays, nothing more is written, however much there would be', async () => {
  const rows = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const origin = await withRows(Object.fromEntries(rows.map((row) => [row, '1'])))
  const store = new WatchedStore()
  const fork = await forkOf(origin, 'fork', store)
  await putAll(fork, Object.fromEntries(rows.map((row) => [row, 'mine'])))
  await putAll(origin, Object.fromEntries(rows.map((row) => [row, 'theirs'])))
  const { writes } = store
  const large = (row: RowConflict): Uint8Array => new Uint8Array(1_000_000).fill(row.key[0] ?? 0)
  const resolve: RowResolver = (row) => (text(row.key) === 'a' ? 'conflict' : { value: large(row) })
  assert.is((await fork.merge(origin, { resolve })).unresolved, 1)
  assert.is(store.writes, writes)
})

test('a dry run tells, writes nothing, and needs no writer; a merge needs one', async () => {
  const origin = await withRows({ a: '1' })
  const store = new WatchedStore()
  await forkOf(origin, 'fork', store)
  await putAll(origin, { b: '2' })
  const reader = await openDatabase(store, { label: 'fork', isWritable: false })
  const { writes } = store
  const dry = await reader.merge(origin, { dryRun: true })
  assert.equal([dry.isMerged, dry.to, dry.blocksWritten], [true, undefined, 0])
  assert.is(store.writes, writes)
  assert.is((await failureOf(reader.merge(origin))).code, 'STORE_READ_ONLY')
  const replica = await new DatabaseLab().replica(origin, [])
  const writer = await openDatabase(store, { label: 'fork' })
  assert.is((await failureOf(writer.merge(replica))).code, 'ROOT_NOT_FOUND')
})

test('whichever write fails, the state is that of before or after, and the same merge goes well then', async () => {
  const origin = await withRows(Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`row ${i}`, 'x'])))
  for (const fault of WRITE_FAULTS) {
    for (let index = 0; ; index++) {
      const store = new FaultyStore()
      const fork = await forkOf(origin, 'fork', store)
      const large = 'y'.repeat(900_000)
      await putAll(fork, { 'row 3': 'mine' })
      const other = await forkOf(origin, 'other')
      await putAll(other, { 'row 5': 'theirs', 'row 6': large, 'row 7': `${large}1`, 'row 8': `${large}2` })
      const before = (await fork.snapshot()).root
      store.failOnce(fault, index)
      await fork
        .merge(other, { base: await origin.snapshot() })
        .catch((error: { code: string }) => assert.is(error.code, 'STORE_FULL'))
      const { hasStruck } = store
      store.heal()
      const { root } = await fork.snapshot()
      assert.is((await checkTree(store, (await Tree.open(store, parseLink(root))).ref)).problemCount, 0)
      const { to } = await fork.merge(other, { base: await origin.snapshot() })
      assert.ok(root === before || root === to?.root)
      assert.is(text(await fork.get(utf8('row 3'))), 'mine')
      assert.is((await checkTree(store, (await fork.snapshot()).tree.ref)).problemCount, 0)
      if (!hasStruck) break
    }
  }
})

test('what is more in all than any tree can say is refused, and one can go on', async () => {
  const origin = await withRows({ a: '1' })
  const fork = await forkOf(origin, 'fork')
  const blocks = new BlockMap()
  const sizes = Array.from({ length: 14 }, (_, i) => 2 ** (52 - i))
  const rows = sizes.map((size, i) => ({ key: Uint8Array.of(0x80, i), value: putZeros(blocks, size) }))
  const { root } = await editTree((await fork.snapshot()).tree, rows, blocks)
  const all = [...blocks.map].map(([id, bytes]) => ({ link: linkOfId(id), bytes }))
  await fork.state.store.write({ blocks: all, meta: new Map([[ROOT, root]]) })
  await fork.publish()

  const own = putZeros(blocks, 2 ** 40)
  const grown = await editTree((await origin.snapshot()).tree, [{ key: utf8('own'), value: own }], blocks)
  const more = [...blocks.map].map(([id, bytes]) => ({ link: linkOfId(id), bytes }))
  await origin.state.store.write({ blocks: more, meta: new Map([[ROOT, grown.root]]) })
  assert.is((await failureOf(origin.merge(fork))).code, 'VALUE_TOO_LARGE')
  assert.is(text(await origin.get(utf8('a'))), '1')
  await putAll(origin, { a: '2' })
  assert.ok((await origin.publish()).isNew)
})

test('an aborted merge changes nothing', async () => {
  const origin = await withRows({ a: '1' })
  const fork = await forkOf(origin, 'fork')
  await putAll(fork, { b: '1' })
  await putAll(origin, { c: '1' })
  const abort = new AbortController()
  const { root } = await fork.snapshot()
  await putAll(origin, { b: '2' })
  const resolve = (): 'left' => {
    abort.abort()
    return 'left'
  }
  const thrown = await fork.merge(origin, { resolve, signal: abort.signal }).catch((error: unknown) => error)
  assert.is(thrown, abort.signal.reason)
  assert.is((await fork.snapshot()).root, root)
})

test.run()
