/** The history that authors and replicas keep, and what they prove of it to others (docs/spec/record.md, 5). */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { type Database, providerOptions, type Replica } from '../../src/db/index.ts'
import { answerLink, readHistory } from '../../src/db/roots/history.ts'
import { findInLog } from '../../src/db/roots/signed-log.ts'
import { checkLink, decodeLinkProof, isFrontierOf, type SignedRoot } from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Store, WriteBatch } from '../../src/store/interface.ts'
import { type ChannelHandler, ProviderSet, type ServedHistory } from '../../src/sync/index.ts'
import { collect, createDatabase, DatabaseLab, openDatabase, thrownBy, utf8 } from '../support/database-lab.ts'

const test = suite('db/history')

/** Counts what it is asked of the history, and can lose it, or be killed. */
class HistoryStore extends MemoryStore {
  readonly names = new Set<string>()
  reads = 0
  /** Values of the history in the last write that had any. */
  written = 0
  /** Writes that are still done; then the process is dead. */
  writesLeft = Number.POSITIVE_INFINITY

  override getMeta(name: string): Uint8Array | undefined {
    if (name.startsWith('history/')) this.reads++
    return super.getMeta(name)
  }

  override async write(batch: WriteBatch): Promise<void> {
    if (this.writesLeft-- <= 0) throw new Error('killed')
    const names = [...(batch.meta ?? new Map<string, Uint8Array | null>()).entries()]
    const own = names.filter(([name, value]) => name.startsWith('history/') && value !== null)
    if (own.length > 0) this.written = own.length
    for (const [name] of own) this.names.add(name)
    await super.write(batch)
  }

  async lose(isLost: (name: string) => boolean): Promise<void> {
    const lost = [...this.names].filter(isLost)
    await super.write({ meta: new Map(lost.map((name) => [name, null])) })
  }
}

async function publishMany(db: Database, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await db.publish({ refresh: true })
}

async function rootsOf(handle: Database | Replica): Promise<SignedRoot[]> {
  return (await collect(handle.log())).map(({ signedRoot }) => signedRoot).toReversed()
}

/** What the holder of `store` proves of two roots. */
async function linkOf(store: Store, older: SignedRoot, newer: SignedRoot): Promise<string> {
  const { sequence, history } = newer.payload
  const found = await answerLink((name) => store.getMeta(name), {
    older: older.payload.sequence,
    newer: sequence,
    history,
  })
  if (found === undefined) return 'gone'
  assert.ok(isFrontierOf({ size: sequence - 1, hashes: found.frontier }, sequence - 1, history))
  return found.proof === null ? 'no proof' : checkLink(older, newer, decodeLinkProof(found.proof))
}

async function assertProvesAll(store: Store, roots: readonly SignedRoot[]): Promise<void> {
  for (const [i, newer] of roots.entries())
    for (const older of roots.slice(0, i)) {
      const name = `@${older.payload.sequence} -> @${newer.payload.sequence}`
      assert.is(await linkOf(store, older, newer), 'linked', name)
    }
}

test('an author proves what connects any two of its roots, with few writes a root and few reads a proof', async () => {
  const store = new HistoryStore()
  const db = await createDatabase({ store })
  let written = 0
  for (let i = 1; i <= 64; i++) {
    store.written = 0
    await publishMany(db, 1)
    assert.ok(store.written <= 1 + Math.log2(i), `${store.written} hashes written with root ${i}`)
    written += store.written
  }
  assert.ok(written <= 2 * 64)
  const roots = await rootsOf(db)
  assert.is(roots.length, 64)
  await assertProvesAll(store, roots)
  for (const older of [1, 20, 62]) {
    store.reads = 0
    await linkOf(store, roots[older - 1] as SignedRoot, roots[63] as SignedRoot)
    assert.ok(store.reads <= 2 * 6 + 2, `${store.reads} hashes read`)
  }
})

test('what is asked about another history, or one that was never here, is not known', async () => {
  const store = new HistoryStore()
  const db = await createDatabase({ store })
  await publishMany(db, 9)
  const roots = await rootsOf(db)
  const other = await createDatabase({ label: 'other' })
  await publishMany(other, 9)
  assert.is(await linkOf(store, roots[2] as SignedRoot, (await rootsOf(other))[8] as SignedRoot), 'gone')
  const ask = (newer: number, history: Uint8Array): unknown =>
    answerLink((name) => store.getMeta(name), { older: 3, newer, history })
  const { history } = (roots[8] as SignedRoot).payload
  assert.is(await ask(8, history), undefined)
  assert.is(await ask(10, history), undefined)
  assert.is(await ask(2 ** 40 - 1, history), undefined)
})

test('thrown away, it is made anew of the log by the next publish; lost in part, it proves nothing that is not so', async () => {
  const store = new HistoryStore()
  const db = await createDatabase({ store })
  await publishMany(db, 21)
  const before = await rootsOf(db)
  await store.lose(() => true)
  assert.is(await linkOf(store, before[3] as SignedRoot, before[20] as SignedRoot), 'gone')
  await publishMany(db, 1)
  await assertProvesAll(store, await rootsOf(db))

  // a leaf that is no part of the frontier: only proofs about its place and its neighbour's are lost
  await store.lose((name) => name === 'history/0/4')
  const roots = await rootsOf(db)
  assert.is(await linkOf(store, roots[4] as SignedRoot, roots[21] as SignedRoot), 'no proof')
  assert.is(await linkOf(store, roots[8] as SignedRoot, roots[21] as SignedRoot), 'linked')
  await store.write({ meta: new Map([['history/0/4', new Uint8Array(32)]]) })
  assert.is(await linkOf(store, roots[5] as SignedRoot, roots[21] as SignedRoot), 'no proof')
  await store.write({ meta: new Map([['history/0/4', utf8('x')]]) })
  assert.is(await linkOf(store, roots[4] as SignedRoot, roots[21] as SignedRoot), 'no proof')
})

test('where the log does not have all roots, it is kept from the last one on', async () => {
  const store = new HistoryStore()
  const db = await createDatabase({ store })
  await publishMany(db, 11)
  await store.lose(() => true)
  const third = store.getMeta('log/2')
  await store.write({ meta: new Map([['log/2', utf8('damage')]]) })
  await publishMany(db, 6)
  await store.write({ meta: new Map([['log/2', third ?? null]]) })
  const roots = await rootsOf(db)
  assert.is(await linkOf(store, roots[1] as SignedRoot, roots[16] as SignedRoot), 'no proof')
  assert.is(await linkOf(store, roots[9] as SignedRoot, roots[16] as SignedRoot), 'no proof')
  await assertProvesAll(store, roots.slice(10))
})

test('killed between any two writes, it is whole again after the next publish', async () => {
  for (let writes = 0; ; writes++) {
    const store = new HistoryStore()
    const db = await createDatabase({ store })
    await publishMany(db, 7)
    await store.lose(() => true)
    store.writesLeft = writes
    const failure = await db.publish({ refresh: true }).catch((error: unknown) => error)
    store.writesLeft = Number.POSITIVE_INFINITY
    const again = await openDatabase(store)
    await publishMany(again, 1)
    await assertProvesAll(store, await rootsOf(again))
    if (!(failure instanceof Error)) return assert.ok(writes >= 2)
  }
})

test('an aborted rebuild signs nothing', async () => {
  const store = new HistoryStore()
  const db = await createDatabase({ store })
  await publishMany(db, 3)
  await store.lose(() => true)
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  assert.is(await thrownBy(db.publish({ refresh: true, signal })), reason)
  assert.is((await rootsOf(db)).length, 3)
})

test('a replica learns the history from one that skips and one that follows, and proves it to the next', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  lab.serve('author', db)
  const store = new HistoryStore()
  const replica = await lab.replica(db, ['author'], store)
  const late = await lab.replica(db, ['replica'])
  lab.serve('replica', replica)
  const links: string[] = []
  // skips of 5, 1, 9, 1 and 1, 30 sequences, and the other replica comes by less often
  for (const step of [3, 5, 1, 9, 1, 1, 30]) {
    await publishMany(db, step)
    links.push((await replica.pull()).link)
    if (step !== 1) links.push(`late ${(await late.pull()).link}`)
  }
  assert.equal(links, [
    'first',
    'late first',
    'linked',
    'late linked',
    'linked',
    'linked',
    'late linked',
    'linked',
    'linked',
    'linked',
    'late linked',
  ])
  await assertProvesAll(store, await rootsOf(replica))
  const roots = await rootsOf(db)
  const newest = roots.at(-1) as SignedRoot
  assert.is(await linkOf(store, roots[29] as SignedRoot, newest), 'no proof')
  assert.is((await readHistory((name) => store.getMeta(name), newest.payload))?.size, 49)
  assert.ok(store.names.size < 60, `${store.names.size} hashes for 7 roots`)
})

test('a follower asks nobody about the next root; a skip and a first root cost one question', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  let questions = 0
  lab.handle(
    'author',
    counting(lab, db, () => void questions++),
  )
  const replica = await lab.replica(db, ['author'])
  const asked: number[] = []
  for (const step of [1, 1, 1, 4, 1, 2]) {
    await publishMany(db, step)
    await replica.pull()
    asked.push(questions)
  }
  assert.equal(asked, [0, 0, 0, 1, 1, 2])
  const other = await lab.replica(db, ['author'])
  await other.pull()
  assert.is(questions, 3)
})

function counting(lab: DatabaseLab, db: Database, onLink: () => void): ChannelHandler {
  const set = new ProviderSet({ clock: lab.clock })
  const link: ServedHistory['link'] = (question) => {
    onLink()
    return answerLink((name) => db.state.store.getMeta(name), question)
  }
  set.add({ ...providerOptions(db.state), history: { link } })
  return set.handle
}

test('signed roots are found in the log by sequence and CID', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  lab.serve('author', db)
  const replica = await lab.replica(db, ['author'])
  for (const step of [1, 3, 2, 7, 1]) {
    await publishMany(db, step)
    await replica.pull()
  }
  const roots = await rootsOf(db)
  const held = new Set((await rootsOf(replica)).map(({ payload }) => payload.sequence))
  assert.equal([...held], [1, 4, 6, 13, 14])
  for (const root of roots) {
    const { sequence } = root.payload
    assert.equal((await findInLog(db.state, { sequence, link: root.link }))?.bytes, root.bytes)
    const found = await findInLog(replica.state, { sequence, link: root.link })
    assert.is(found !== undefined, held.has(sequence), `@${sequence}`)
    assert.is(await findInLog(db.state, { sequence: sequence + 1, link: root.link }), undefined)
  }
  assert.is(await findInLog(db.state, { sequence: 99, link: (roots[0] as SignedRoot).link }), undefined)
  assert.is(bytesToHex((roots[0] as SignedRoot).payload.history).slice(0, 8), 'e3b0c442')
})

test.run()
