/** Repair: damage is fetched again from whoever has it, nothing else; what nobody has is told with its place and its rows. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, HeldState, Replica, RepairReport } from '../../src/db/index.ts'
import { heldStates } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import { formatLink, type Link, linkMapKey, parseLink } from '../../src/link.ts'
import {
  type CheckReport,
  checkTree,
  type Edit,
  isValueRef,
  missingRecords,
  NodeReader,
} from '../../src/prolly/index.ts'
import { type CompleteRecord, MemoryStore, type Store, type WriteBatch } from '../../src/store/index.ts'
import {
  collect,
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  outcomesOf,
  utf8,
} from '../support/database-lab.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { blocksOf, lose, spoil, wreck } from '../support/store-damage.ts'

const test = suite('db/repair')

const ROWS = 6000
const FILE: Uint8Array = Uint8Array.from({ length: 2.5 * 1024 * 1024 }, (_, i) => i >> 13)
const key = (i: number): Uint8Array => utf8(String(i).padStart(6, '0'))

/** Small values, large ones, and one of several blocks. */
function rows(count: number, mark = 0): Edit[] {
  return Array.from({ length: count }, (_, i): Edit => {
    if (i === 7) return { key: key(i), value: FILE }
    const value = i % 50 === 0 ? new Uint8Array(1500).fill(i + mark) : utf8(`value ${i} of row ${i} ${mark}`)
    return { key: key(i), value }
  })
}

interface Scene {
  readonly lab: DatabaseLab
  readonly db: Database
  readonly replica: Replica
  readonly store: Store
}

async function author(lab: DatabaseLab): Promise<Database> {
  const db = await createDatabase({ network: lab.network })
  await db.batch((tx) => tx.apply(rows(ROWS)))
  await db.publish()
  return db
}

const sharedAuthor = await author(new DatabaseLab())

/** A published database, served as `author`, and a replica that holds it and asks `peers`. */
async function scene(
  peers: readonly string[] = ['author'],
  store: Store = new MemoryStore(),
  given?: { readonly lab: DatabaseLab; readonly db: Database },
): Promise<Scene> {
  const { lab, db } = given ?? { lab: new DatabaseLab(), db: sharedAuthor }
  lab.serve('author', db)
  const replica = await lab.replica(db, ['author'], store)
  await replica.pull()
  await replica.setPeers(peers)
  return { lab, db, replica, store }
}

/** As {@link scene}, with a database that may be changed. */
async function authorScene(): Promise<Scene> {
  const lab = new DatabaseLab()
  return await scene(['author'], new MemoryStore(), { lab, db: await author(lab) })
}

async function check(store: Store, { ref }: Pick<HeldState, 'ref'>): Promise<CheckReport> {
  return await checkTree(store, ref, { records: store })
}

/** Every state is sound and wholly recorded. */
async function assertMended(handle: Database | Replica, report: RepairReport): Promise<void> {
  for (const { left, signed, ref } of report.states) {
    assert.equal(left.problems, [])
    assert.is(left.entriesLost, 0)
    if (signed === undefined) continue
    const missing = await collect(missingRecords(handle.state.store, ref))
    assert.equal(
      missing,
      [await handle.state.store.getComplete(ref.root)],
      'the root, which is always named, and no other',
    )
  }
}

/** All links of the newest state, the root first. */
async function linksOf(handle: Database | Replica): Promise<{ inner: Link[]; leaves: Link[]; values: Link[] }> {
  const { tree } = await handle.snapshot()
  const nodes = new NodeReader(handle.state.store)
  const found = { inner: [] as Link[], leaves: [] as Link[], values: [] as Link[] }
  const walk = async (link: Link): Promise<void> => {
    const node = await nodes.get(link)
    ;(node.level === 0 ? found.leaves : found.inner).push(link)
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) await walk(node.link(i))
      else {
        const value = node.value(i)
        if (isValueRef(value)) found.values.push(value.link)
      }
    }
  }
  await walk(tree.ref.root)
  return found
}

test('a sound store: nobody is asked, nothing is written', async () => {
  const { replica, store } = await scene(['nobody'])
  let writes = 0
  const write = store.write.bind(store)
  store.write = async (batch, options) => {
    if (Object.keys(batch).length > 0) writes++
    await write(batch, options)
  }
  const report = await replica.repair()
  assert.equal([report.peers, writes], [[], 0])
  assert.equal(
    report.states.map(({ found, blocksReceived }) => [found, blocksReceived]),
    [[0, 0]],
  )
})

test('any damage is mended from one peer that has all: the damaged blocks are fetched and no others', async () => {
  for (const seed of seeds(8)) {
    const random = new Random(seed)
    const { replica, store, lab, db } = await scene()
    const broken = await wreck(store, random, random.pick([1, 2, 10, 60]))
    if (random.chance(0.3)) broken.push(...(await loseOnce(store, replica)))
    const report = await replica.repair()
    await assertMended(replica, report)
    assert.is(report.states[0]?.blocksReceived, new Set(broken.map(linkMapKey)).size, `seed ${seed}`)
    assert.equal(outcomesOf(report), { author: 'used' })
    assert.equal(await collect(replica.scan()), await collect(db.scan()))
    lab.serve('mended', replica)
    const next = await lab.replica(db, ['mended'])
    assert.is((await next.pull()).changed, true, 'what was mended is served again')
  }
})

/** The root is lost too, which nothing could be read without. */
async function loseOnce(store: Store, replica: Replica): Promise<Link[]> {
  const root = (await replica.published())?.payload.root as Link
  const wasHere = (await store.get(root)) !== undefined
  await lose(store, root)
  return wasHere ? [root] : []
}

test('a subtree that is gone as a whole comes back as a whole', async () => {
  const { replica, store, db } = await scene()
  for (const link of await blocksOf(store)) await lose(store, link)
  const report = await replica.repair()
  await assertMended(replica, report)
  assert.is(report.states[0]?.found, 1, 'only the root is seen to be missing at first')
  assert.equal(await collect(replica.scan()), await collect(db.scan()))
})

test('several peers, each with other damage, mend what none of them could alone', async () => {
  const { lab, db, replica, store } = await scene(['left', 'right'])
  const { leaves } = await linksOf(replica)
  for (const [name, half] of [
    ['left', leaves.slice(0, 20)],
    ['right', leaves.slice(20, 40)],
  ] as const) {
    const peer = await lab.replica(db, ['author'])
    await peer.pull()
    for (const link of half) await lose(peer.state.store, link)
    lab.serve(name, peer)
  }
  for (const link of leaves.slice(0, 40)) await lose(store, link)
  const report = await replica.repair()
  await assertMended(replica, report)
  assert.equal(outcomesOf(report), { left: 'used', right: 'used' })
})

test('beyond repair: told with places and rows; all else is mended; known damage is not recorded, not signed over, not final', async () => {
  const { lab, db, replica, store } = await scene(['worn'])
  const { leaves, values } = await linksOf(replica)
  const [lost, mended, value] = [leaves[5] as Link, leaves[9] as Link, values[3] as Link]
  const worn = await lab.replica(db, ['author'])
  await worn.pull()
  await lose(worn.state.store, lost)
  await spoil(worn.state.store, new Random(1), value)
  lab.serve('worn', worn)
  for (const link of [lost, mended, value]) await lose(store, link)
  const before = await check(store, (await heldStates(replica.state, false))[0] as HeldState)
  const { states } = await replica.repair()
  const [state] = states
  assert.is(state?.found, 3)
  assert.equal(
    state?.left.problems.map(({ cid, kind }) => [cid, kind]),
    before.problems.map(({ cid, kind }) => [cid, kind]).filter(([cid]) => cid !== formatLink(mended)),
  )
  assert.is(state?.left.entriesLost, (await collect(db.scan())).length - (state?.left.entries ?? 0) + 1)
  assert.is(await store.getComplete(lost), undefined)
  assert.is(await store.getComplete(value), undefined)
  assert.ok(
    (await store.getComplete((await replica.published())?.payload.root as Link)) !== undefined,
    'the state is kept',
  )
  assert.is((await failureOf(collect(replica.scan()))).code, 'BLOCK_MISSING')
  await replica.setPeers(['author'])
  const pulled = await replica.pull()
  assert.equal([pulled.changed, pulled.report.blocksReceived], [false, 2], 'a pull looks again at what is not recorded')
  const again = await replica.repair()
  assert.is(again.states[0]?.found, 0)
  await assertMended(replica, again)
})

test('wrong completeness records are found and made anew, without any peer', async () => {
  const { replica, store } = await scene([])
  const { inner, leaves, values } = await linksOf(replica)
  const state = (await heldStates(replica.state, false))[0] as HeldState
  for (const link of [inner[0], inner[1], leaves[3], values[1]] as Link[]) {
    const record = await store.getComplete(link)
    assert.ok(record)
    await store.write({ complete: [{ ...record, bytes: record.bytes + 1 }] })
  }
  assert.equal(
    (await check(store, state)).problems.map(({ kind }) => kind),
    ['record', 'record', 'record', 'record'],
  )
  const report = await replica.repair()
  await assertMended(replica, report)
  assert.is(report.states[0]?.blocksReceived, 0)
})

test('a completeness record that cannot be read stops pulls until it is made anew', async () => {
  const store = new (class extends MemoryStore {
    broken: Link | undefined
    override getComplete(link: Link): CompleteRecord | undefined {
      if (this.broken === undefined || linkMapKey(link) !== linkMapKey(this.broken)) return super.getComplete(link)
      throw new CoppiceError('STORE_CORRUPT', 'store: a completeness record is damaged')
    }
    override async write(batch: WriteBatch): Promise<void> {
      const isGone = (batch.removeComplete ?? []).some((link) => linkMapKey(link) === linkMapKey(this.broken ?? link))
      if (isGone) this.broken = undefined
      await super.write(batch)
    }
  })()
  const { replica } = await scene(['author'], store)
  store.broken = (await linksOf(replica)).inner[1]
  assert.is((await failureOf(replica.pull())).code, 'STORE_CORRUPT')
  await assertMended(replica, await replica.repair())
  assert.is((await replica.pull()).changed, false)
  // Below a node that is gone it is met by the fetch alone.
  const { inner, leaves } = await linksOf(replica)
  await lose(store, inner[1] as Link)
  store.broken = leaves[2]
  await assertMended(replica, await replica.repair())
})

test('a peer that lies changes nothing', async () => {
  const { lab, db, replica, store } = await scene(['liar'])
  const [leaf] = (await linksOf(replica)).leaves as [Link]
  const liar = await lab.replica(db, ['author'])
  await liar.pull()
  // Honest bytes of another block in the place of the wanted one: what hashing on the way out would have caught.
  const other = await store.get((await linksOf(replica)).leaves[1] as Link)
  lab.handle('liar', lab.handlerOf(liar))
  await liar.state.store.write({ blocks: [{ link: leaf, bytes: other as Uint8Array }] })
  await lose(store, leaf)
  const report = await replica.repair()
  assert.is(report.states[0]?.left.problemCount, 1)
  assert.is(await store.get(leaf), undefined)
})

test("an author's database: published states from replicas; a draft as far as it is in published states, and it stays private", async () => {
  const { lab, db, replica } = await authorScene()
  lab.serve('replica', replica)
  const { store } = db.state
  await db.batch((tx) => tx.apply(rows(ROWS / 2, 1).slice(ROWS / 4)))
  const draft = await linksOf(db)
  const published = new Set((await blocksOf(replica.state.store)).map(linkMapKey))
  const random = new Random(7)
  const shared = draft.leaves.filter((link) => published.has(linkMapKey(link)))
  const own = draft.leaves.filter((link) => !published.has(linkMapKey(link)))
  assert.ok(shared.length > 10 && own.length > 10)
  await spoil(store, random, shared[3] as Link)
  await lose(store, shared.at(-1) as Link)
  const alone = await db.repair()
  assert.equal(
    alone.states.map(({ left }) => left.problemCount),
    [2, 2],
    'an author asks nobody by itself',
  )
  const report = await db.repair({ peers: ['replica'] })
  await assertMended(db, report)
  assert.is(report.states.length, 2)
  await lose(store, own[2] as Link)
  const lost = await db.repair({ peers: ['replica'] })
  assert.equal(
    lost.states.map(({ left, signed }) => [signed !== undefined, left.problemCount]),
    [
      [true, 0],
      [false, 1],
    ],
  )
  for (const link of own) assert.is(await store.getComplete(link), undefined, 'a draft is not served')
  assert.is(await store.getComplete(parseLink((await db.snapshot()).root)), undefined)
  assert.is((await failureOf(db.publish())).code, 'BLOCK_MISSING')
})

test('a draft whose very root is broken is reported, and the published state mended all the same', async () => {
  const { lab, db, replica } = await authorScene()
  lab.serve('replica', replica)
  await db.put(key(1), utf8('changed'))
  const draft = parseLink((await db.snapshot()).root)
  await spoil(db.state.store, new Random(2), draft)
  await lose(db.state.store, (await linksOf(replica)).leaves[9] as Link)
  const fresh = await openDatabase(db.state.store, { network: lab.network })
  const { states } = await fresh.repair({ peers: ['replica'] })
  assert.equal(
    states.map(({ left }) => left.problems.map(({ kind }) => kind)),
    [[], ['corrupt']],
  )
})

test('with all, older states are mended too', async () => {
  const { lab, db, replica } = await authorScene()
  lab.serve('replica', replica)
  const { leaves } = await linksOf(db)
  await db.batch((tx) => tx.apply(rows(ROWS, 2)))
  await db.publish()
  await lose(db.state.store, leaves[4] as Link)
  assert.equal(
    (await db.repair({ peers: ['replica'] })).states.map(({ found }) => found),
    [0],
  )
  const report = await db.repair({ peers: ['replica'], all: true })
  assert.equal(
    report.states.map(({ found, left }) => [found, left.problemCount]),
    [
      [0, 0],
      [1, 0],
    ],
  )
})

test('killed or refused at any write, it leaves what verify reports, and the next repair mends', async () => {
  let faults = 0
  for (let index = 0; ; index++) {
    const store = new FaultyStore()
    const { lab, replica } = await scene(['author'], store)
    await wreck(store, new Random(3), 40)
    const [state] = (await heldStates(replica.state, false)) as [HeldState]
    const before = await check(store, state)
    store.failOnce('refused', index)
    const outcome = await replica.repair().catch((error: unknown) => error)
    const struck = store.hasStruck
    store.heal()
    if (!struck) {
      await assertMended(replica, outcome as RepairReport)
      break
    }
    faults++
    const left = await check(store, state)
    assert.ok(left.entries >= before.entries, 'never less than before')
    // Once the first write is through, no record but the root's claims what was known to be broken and still is.
    const known = new Set(index === 0 ? [] : before.problems.map(({ cid }) => cid))
    for (const { cid } of left.problems) {
      if (known.has(cid) && cid !== formatLink(state.ref.root)) assert.is(store.getComplete(parseLink(cid)), undefined)
    }
    await assertMended(replica, await (await lab.openReplica(store)).repair())
  }
  assert.ok(faults >= 2, `${faults} faults`)
})

test('a replica that has no state yet has nothing to repair', async () => {
  const lab = new DatabaseLab()
  const replica = await lab.replica(sharedAuthor, ['author'])
  assert.equal(await replica.repair(), { states: [], peers: [] })
})

test('an interrupted repair stops, and a handle that only reads repairs nothing', async () => {
  const { replica, store, db } = await scene()
  await wreck(store, new Random(4), 30)
  const stop = new AbortController()
  stop.abort()
  assert.is(await replica.repair({ signal: stop.signal }).catch((error: Error) => error.name), 'AbortError')
  const reader = await openDatabase(db.state.store, { isWritable: false })
  assert.is((await failureOf(reader.repair())).code, 'STORE_READ_ONLY')
})

test.run()
