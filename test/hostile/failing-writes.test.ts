/**
 * Threat 22: a write fails, whichever it is, of a batch, a publish and a pull: refused by a full disk, or written and not
 * flushed. Nothing committed is lost, nothing partial is seen, no sequence is signed twice, and the same call succeeds afterwards.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import type { Database, Replica, Transaction } from '../../src/db/index.ts'
import { PUBLISHED } from '../../src/db/meta.ts'
import { CoppiceError } from '../../src/errors.ts'
import { parseLink } from '../../src/link.ts'
import { decodeSignedRoot } from '../../src/pointer/index.ts'
import { checkTree, type Edit } from '../../src/prolly/index.ts'
import { collect, createDatabase, DatabaseLab, openDatabase, utf8 } from '../support/database-lab.ts'
import { FaultyStore, WRITE_FAULTS } from '../support/faulty-store.ts'

const test = suite('hostile/failing-writes')

const SMALL = 100
/** Values out of line: several buffers of a staging, and more records than publishing writes at once. */
const LARGE = 10_000

const key = (i: number): Uint8Array => utf8(String(i).padStart(6, '0'))

function fill(tx: Transaction, count: number): Promise<void> {
  const valueOf = (i: number): Uint8Array => {
    const bytes = new Uint8Array(1100)
    new DataView(bytes.buffer).setUint32(0, i)
    return bytes
  }
  return tx.apply(Array.from({ length: count }, (_, i): Edit => ({ key: key(i), value: valueOf(i) })))
}

interface Outcome {
  /** Undefined where the call went well. */
  readonly error: unknown
}

/** `act`, with the fault of `store` in wait: it fails with the store's own error iff the fault struck. */
async function attempt(store: FaultyStore, where: string, act: () => Promise<unknown>): Promise<Outcome> {
  const error: unknown = await act().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  store.heal()
  if (store.hasStruck)
    assert.ok(error instanceof CoppiceError && error.code === 'STORE_FULL', `${where}: ${String(error)}`)
  else assert.is(error, undefined, where)
  return { error }
}

/** Runs `scene` with every write failing in turn, in every way, until a run goes through untouched. Gives the number of faults. */
async function atEveryWrite(
  scene: (arm: (store: FaultyStore) => void, where: string) => Promise<FaultyStore>,
): Promise<number> {
  let faults = 0
  for (const fault of WRITE_FAULTS) {
    for (let index = 0; ; index++) {
      const store = await scene((armed) => armed.failOnce(fault, index), `${fault} write ${index}`)
      if (!store.hasStruck) break
      faults++
      assert.ok(faults < 100, 'the faults end')
    }
  }
  return faults
}

/** The root shown, whose tree is whole and has `counts[root]` rows; the same through another handle. */
async function assertWhole(
  store: FaultyStore,
  handle: Database | Replica,
  counts: ReadonlyMap<string, number>,
  where: string,
): Promise<string> {
  const snapshot = await handle.snapshot()
  const report = await checkTree(store, snapshot.tree.ref)
  assert.equal(report.problems, [], where)
  assert.is(report.entries, counts.get(snapshot.root), where)
  assert.is(await handle.count(), report.entries, where)
  return snapshot.root
}

/** The roots of the small and of the large state, which depend on the rows alone. */
async function rootsOf(): Promise<{ small: string; large: string; counts: Map<string, number> }> {
  const db = await createDatabase()
  await db.batch((tx) => fill(tx, SMALL))
  const small = (await db.snapshot()).root
  await db.batch((tx) => fill(tx, LARGE))
  const large = (await db.snapshot()).root
  return {
    small,
    large,
    counts: new Map([
      [small, SMALL],
      [large, LARGE],
    ]),
  }
}

const { small, large, counts } = await rootsOf()

test('a batch: the state before it, or all of it; the same batch again succeeds', async () => {
  const faults = await atEveryWrite(async (arm, where) => {
    const store = new FaultyStore()
    const db = await createDatabase({ store })
    await db.batch((tx) => fill(tx, SMALL))
    arm(store)
    const { error } = await attempt(store, where, () => db.batch((tx) => fill(tx, LARGE)))
    const shown = await assertWhole(store, db, counts, where)
    if (where.startsWith('refused')) assert.is(shown, error === undefined ? large : small, where)
    const reopened = await openDatabase(store)
    assert.is(await assertWhole(store, reopened, counts, where), shown, `${where}: another handle sees the same`)
    await reopened.batch((tx) => fill(tx, LARGE))
    assert.is(await assertWhole(store, reopened, counts, where), large, where)
    return store
  })
  assert.ok(faults >= 4, `${faults} faults`)
})

test('a publish: the root before, or the new one with all its records; again, it signs once, whatever was written', async () => {
  const faults = await atEveryWrite(async (arm, where) => {
    const store = new FaultyStore()
    const signed = new Map<number, Set<string>>()
    store.onWritten = ({ meta }) => {
      const bytes = meta?.get(PUBLISHED)
      if (bytes === undefined || bytes === null) return
      const { sequence } = decodeSignedRoot(bytes).payload
      signed.set(sequence, (signed.get(sequence) ?? new Set()).add(bytesToHex(bytes)))
    }
    const db = await createDatabase({ store })
    await db.batch((tx) => fill(tx, SMALL))
    await db.publish()
    await db.batch((tx) => fill(tx, LARGE))
    arm(store)
    await attempt(store, where, () => db.publish())
    const written = await db.published()
    const sequence = written?.payload.sequence
    assert.is(store.getComplete(parseLink(large)) !== undefined, sequence === 2, `${where}: served iff signed`)

    const lab = new DatabaseLab()
    lab.serve('author', db)
    const replica = await lab.replica(db, ['author'])
    assert.equal((await replica.pull()).to.bytes, written?.bytes, where)
    assert.is(await replica.count(), sequence === 2 ? LARGE : SMALL, where)

    const again = await (await openDatabase(store)).publish()
    assert.equal([again.signedRoot.payload.sequence, again.isNew], [2, sequence === 1], where)
    if (sequence === 2) assert.equal(again.signedRoot.bytes, written?.bytes, `${where}: the same bytes`)
    assert.equal(
      [...signed].map(([each, bytes]) => [each, bytes.size]),
      [
        [1, 1],
        [2, 1],
      ],
      where,
    )
    assert.equal(
      (await collect(db.log())).map((entry) => entry.signedRoot.payload.sequence),
      [2, 1],
      where,
    )
    assert.is((await replica.pull()).to.payload.sequence, 2, where)
    assert.is(await replica.count(), LARGE, where)
    return store
  })
  assert.ok(faults >= 3, `${faults} faults`)
})

test('a pull: the state before, or the new one whole; the floor never falls; the next pull goes on', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  await db.batch((tx) => fill(tx, SMALL))
  const { signedRoot: first } = await db.publish()
  lab.serve('author', db)
  const faults = await atEveryWrite(async (arm, where) => {
    // Back to the small state, under a new sequence: each replica begins with that.
    await db.batch(async (tx) => {
      for await (const row of tx.scan({ start: key(SMALL) })) await tx.del(row.key)
    })
    await db.publish()
    const store = new FaultyStore()
    const replica = await lab.replica(db, ['author'], store)
    const before = (await replica.pull()).to.payload.sequence
    await db.batch((tx) => fill(tx, LARGE))
    const { signedRoot } = await db.publish()
    arm(store)
    const { error } = await attempt(store, where, () => replica.pull())
    const shown = await assertWhole(store, replica, counts, where)
    if (where.startsWith('refused')) assert.is(shown, error === undefined ? large : small, where)
    const published = (await replica.published())?.payload.sequence
    assert.is(published, shown === large ? before + 1 : before, `${where}: root and signed root move together`)
    const restarted = await lab.openReplica(store)
    assert.is(await assertWhole(store, restarted, counts, where), shown, where)
    assert.ok(((await restarted.standing()).newest?.payload.sequence ?? 0) >= before, `${where}: the floor`)
    await restarted.pull()
    assert.is(await assertWhole(store, restarted, counts, where), large, where)
    assert.equal((await restarted.published())?.bytes, signedRoot.bytes, where)
    return store
  })
  assert.is(first.payload.sequence, 1)
  assert.ok(faults >= 5, `${faults} faults`)
})

test.run()
