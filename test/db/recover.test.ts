/** Going on after a restored backup, and ending a fork of two machines (docs/spec/record.md, 5): nothing of either side is lost. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Carrier } from '../../src/carriers/index.ts'
import type {
  Database,
  PublishOptions,
  PublishReport,
  RecoverOptions,
  RecoverReport,
  Replica,
} from '../../src/db/index.ts'
import type { CoppiceError } from '../../src/errors.ts'
import { signGrant, type Signer } from '../../src/pointer/index.ts'
import { CopyableStore } from '../support/copyable-store.ts'
import { carriersOf, carrierClock } from '../support/carriers-lab.ts'
import {
  collect,
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  signerOf,
  text,
  thrownBy,
  utf8,
} from '../support/database-lab.ts'
import { MemoryNetwork } from '../support/memory-carrier.ts'

const test = suite('db/recover')

const AUTHOR = signerOf('author')

class Lab {
  readonly clock = carrierClock()
  readonly peers = new DatabaseLab(this.clock)
  readonly carrier = new MemoryNetwork().carrier('dht')

  async create(...carriers: Carrier[]): Promise<Database> {
    const options = { network: this.peers.network, carriers: carriersOf(...carriers) }
    return await createDatabase({ store: new CopyableStore(), clock: this.clock, ...options })
  }

  /** A second machine, or one that a backup brought back; with the author's key, if no others are given. */
  async second(
    db: Database,
    carriers: readonly Carrier[] = [this.carrier],
    signers: Signer[] = [AUTHOR],
  ): Promise<Database> {
    const store = await (db.state.store as CopyableStore).copy()
    const options = { network: this.peers.network, carriers: carriersOf(...carriers), signers }
    return await openDatabase(store, { clock: this.clock, ...options })
  }

  /** Writes rows, each under its own name, and publishes. */
  async publish(db: Database, rows: Record<string, string>, options: PublishOptions = {}): Promise<PublishReport> {
    await write(db, rows)
    return await this.clock.run(db.publish(options))
  }

  async recover(db: Database, options: RecoverOptions = {}): Promise<RecoverReport> {
    return await this.clock.run(db.recover({ peers: ['other'], ...options }))
  }

  async replica(db: Database, address: string): Promise<Replica> {
    this.peers.serve(address, db)
    const replica = await this.peers.replica(db, [address])
    await this.clock.run(replica.pull())
    return replica
  }
}

async function write(db: Database, rows: Record<string, string>): Promise<void> {
  await db.batch(async (tx) => {
    for (const [key, value] of Object.entries(rows)) await tx.put(utf8(key), utf8(value))
  })
}

async function rowsOf(db: Database | Replica): Promise<Record<string, string | undefined>> {
  const rows = await collect(db.scan())
  return Object.fromEntries(rows.map(({ key, value }) => [String(text(key)), text(value)]))
}

async function refused(action: Promise<unknown>, reason: string): Promise<CoppiceError> {
  const error = await failureOf(action)
  assert.equal([error.code, error.details['reason']], ['PUBLISH_REFUSED', reason])
  return error
}

test('a restored backup goes on from the newest root, with what was changed since', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db, { a: '1', b: '1' })
  const backup = await lab.second(db)
  const replica = await lab.replica(db, 'other')
  for (let i = 2; i <= 9; i++) await lab.publish(db, { a: String(i) })
  await lab.clock.run(replica.pull())
  await db.close()
  lab.peers.serve('other', replica)

  await refused(lab.publish(backup, { c: 'unpublished' }), 'newer')
  const { outcome, from, to, merge } = await lab.recover(backup)
  assert.equal([outcome, from?.payload.sequence, to?.payload.sequence], ['recovered', 1, 9])
  assert.equal([merge?.conflicts, merge?.isMerged], [0, true])
  assert.equal(await rowsOf(backup), { a: '9', b: '1', c: 'unpublished' })
  assert.equal((await backup.published())?.bytes, to?.bytes)

  const { signedRoot, carriers } = await lab.clock.run(backup.publish())
  assert.equal([signedRoot.payload.sequence, signedRoot.payload.previous], [10, to?.link])
  assert.is(carriers[0]?.outcome, 'stands')
  lab.peers.serve('other', backup)
  const pulled = await lab.clock.run(replica.pull())
  assert.equal([pulled.link, pulled.to.bytes], ['linked', signedRoot.bytes])
  assert.equal(await rowsOf(replica), { a: '9', b: '1', c: 'unpublished' })
  const problems = (await collect(backup.verifyLog())).flatMap(({ problem }) =>
    problem === undefined ? [] : [problem],
  )
  assert.equal(problems, [])
  assert.is((await lab.recover(backup)).outcome, 'nothing')
})

test('where nobody can prove that the newest root goes on from here, it is not guessed', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db, { a: '1', b: '1' })
  const backup = await lab.second(db)
  for (let i = 2; i <= 9; i++) await lab.publish(db, { a: String(i) })
  const replica = await lab.replica(db, 'other')
  lab.peers.serve('other', replica)
  await write(backup, { c: 'unpublished' })
  const error = await refused(lab.recover(backup), 'history')
  assert.match(error.message, /or name the newest root that is in both/)
  assert.is((await failureOf(lab.recover(backup, { base: 7 }))).code, 'ROOT_NOT_FOUND')
  assert.is((await lab.recover(backup, { base: 1 })).outcome, 'recovered')
  assert.equal(await rowsOf(backup), { a: '9', b: '1', c: 'unpublished' })
})

test('what both changed is a conflict, and nothing moves until it is settled', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db, { a: '1', b: '1' })
  const backup = await lab.second(db)
  await lab.publish(db, { a: 'theirs' })
  lab.peers.serve('other', db)
  await write(backup, { a: 'ours', b: '2' })
  const before = await backup.published()
  const keys: (string | undefined)[] = []
  const { outcome, merge } = await lab.recover(backup, { onConflict: ({ key }) => void keys.push(text(key)) })
  assert.equal([outcome, merge?.unresolved, keys], ['conflicts', 1, ['a']])
  assert.equal([(await backup.published())?.bytes, await rowsOf(backup)], [before?.bytes, { a: 'ours', b: '2' }])
  assert.is((await lab.recover(backup, { resolve: 'left' })).outcome, 'recovered')
  assert.equal(await rowsOf(backup), { a: 'ours', b: '2' })
  assert.is((await lab.clock.run(backup.publish())).signedRoot.payload.sequence, 3)
})

for (const [title, ahead, behind] of [
  ['a fork is joined in a new epoch, which readers of both sides accept', 7, 2],
  ['a fork whose other side is behind is joined as well', 2, 7],
] as const) {
  test(title, async () => {
    const lab = new Lab()
    const db = await lab.create(lab.carrier)
    await lab.publish(db, { common: '1' })
    await lab.publish(db, { common: '2', both: 'a' })
    const second = await lab.second(db, [])
    for (let i = 1; i <= ahead; i++) await lab.publish(db, { [`first${i}`]: 'x' })
    for (let i = 1; i <= behind; i++) await lab.publish(second, { [`second${i}`]: 'y' })
    const first = await lab.replica(db, 'other')
    const reader = await lab.replica(second, 'mine')
    const joining = await lab.second(second)
    await write(joining, { working: 'z' })

    const error = await refused(lab.recover(joining), 'different')
    assert.match(error.message, /coppice recover --end-fork joins the two/)
    const { outcome, signed, to } = await lab.recover(joining, { endFork: true, message: 'joined' })
    assert.equal([outcome, signed?.signedRoot.payload.epoch], ['fork-ended', 1])
    assert.equal(signed?.signedRoot.payload.resolves, [(await second.published())?.link, to?.link])
    assert.is(signed?.signedRoot.payload.sequence, 2 + Math.max(ahead, behind) + 1)
    const rows = await rowsOf(joining)
    assert.is(Object.keys(rows).length, 3 + ahead + behind)
    assert.equal([rows['common'], rows['working']], ['2', 'z'])

    for (const replica of [first, reader]) {
      lab.peers.serve('other', joining)
      lab.peers.serve('mine', joining)
      const pulled = await lab.clock.run(replica.pull())
      assert.equal([pulled.link, pulled.to.bytes], ['resolved', signed?.signedRoot.bytes])
      assert.equal(await rowsOf(replica), rows)
    }
    assert.is((await lab.publish(joining, { after: '1' })).carriers[0]?.outcome, 'stands')
    // The other machine goes on from there, too: its changes are in it.
    await refused(lab.clock.run(db.publish()), 'newer')
    lab.peers.serve('other', joining)
    assert.is((await lab.recover(db)).outcome, 'recovered')
    assert.equal(await rowsOf(db), { ...rows, after: '1' })
  })
}

test('only who may begin an epoch ends a fork', async () => {
  const lab = new Lab()
  const signer = signerOf('signer')
  const grantOf = (epoch: number): Promise<Uint8Array> =>
    signGrant(AUTHOR, {
      author: AUTHOR.publicKey,
      name: 'cities',
      epoch,
      signer: signer.publicKey,
      firstSequence: 1,
      expires: null,
    })
  const db = await lab.create(lab.carrier)
  const online = await lab.second(db, [], [signer])
  await lab.publish(online, { common: '1' }, { grant: await grantOf(1) })
  const restored = await lab.second(online, [lab.carrier], [signer])
  const apart = await lab.second(online, [lab.carrier], [signer])
  await lab.publish(apart, { first: '1' })
  lab.peers.serve('other', apart)
  const other = await lab.second(restored, [], [signer])
  await lab.publish(other, { second: '1' })
  const joining = await lab.second(other, [lab.carrier], [signer])
  const error = await refused(lab.recover(joining, { endFork: true }), 'signer')
  assert.match(error.message, /which may begin epoch 2, got none/)
  const before = (await joining.snapshot()).root
  await refused(lab.recover(joining, { endFork: true, grant: await grantOf(1) }), 'grant-epoch')
  assert.is((await joining.snapshot()).root, before)
  const { outcome, signed } = await lab.recover(joining, { endFork: true, grant: await grantOf(2) })
  assert.equal([outcome, signed?.signedRoot.payload.epoch, signed?.signedRoot.key], ['fork-ended', 2, signer.publicKey])
})

test('killed after the merge, it is done again', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db, { a: '1', b: '1' })
  const backup = await lab.second(db)
  const { signedRoot } = await lab.publish(db, { a: '2' })
  lab.peers.serve('other', db)
  await write(backup, { b: '2' })
  const merged = (await lab.recover(backup)).merge?.to?.root
  const killed = await lab.second(backup)
  // All but the last batch.
  const store = killed.state.store as CopyableStore
  const half = await openDatabase(await store.copy(1), {
    clock: lab.clock,
    network: lab.peers.network,
    carriers: carriersOf(lab.carrier),
  })
  assert.is((await half.published())?.payload.sequence, 1)
  assert.is((await half.snapshot()).root, merged)
  const { outcome, merge } = await lab.recover(half)
  assert.equal([outcome, merge?.conflicts], ['recovered', 0])
  assert.equal([(await half.snapshot()).root, (await half.published())?.bytes], [merged, signedRoot.bytes])
})

test('cancelled while it fetches, nothing has changed, and the next one goes on', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db, { a: '1' })
  const backup = await lab.second(db)
  const filling = Array.from({ length: 3000 }, (_, i) => [`row ${i}`, `${i}`.repeat(60)])
  await lab.publish(db, Object.fromEntries(filling) as Record<string, string>)
  lab.peers.serve('other', db)
  await write(backup, { b: '1' })
  const [before, root] = [await backup.published(), (await backup.snapshot()).root]
  const cancelling = new AbortController()
  const onProgress = (): void => cancelling.abort(new Error('enough'))
  const error = await thrownBy(lab.recover(backup, { signal: cancelling.signal, onProgress }))
  assert.is((error as Error).message, 'enough')
  assert.equal([(await backup.published())?.bytes, (await backup.snapshot()).root], [before?.bytes, root])
  assert.is((await lab.recover(backup)).outcome, 'recovered')
  assert.is(Object.keys(await rowsOf(backup)).length, 3002)
})

test('it says whom it could not ask, and changes nothing', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db, { a: '1' })
  const backup = await lab.second(db)
  await lab.publish(db, { a: '2' })
  const before = await backup.published()
  // The carrier knows the root, and nobody has its blocks.
  const error = await failureOf(lab.recover(backup))
  assert.is(error.code, 'NO_PEER_LEFT')
  const alone = await lab.second(backup, [])
  const nobody = await failureOf(lab.recover(alone))
  assert.is(nobody.code, 'NO_PEER_LEFT')
  assert.match(nobody.message, /other: .*nobody is there/)
  assert.is((await failureOf(lab.recover(alone, { peers: [] }))).code, 'NO_PEER_LEFT')
  assert.equal((await backup.published())?.bytes, before?.bytes)
})

test.run()
