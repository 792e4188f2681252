/** Epochs of granted signers, revocation and rotation (docs/spec/record.md, 3), from the author's side and a replica's. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkMeta, type Database } from '../../src/db/index.ts'
import { adoptRotations } from '../../src/db/roots/rotations.ts'
import type { CoppiceError } from '../../src/errors.ts'
import {
  addRotation,
  createAuthority,
  decodeRotation,
  decodeSignedRoot,
  encodePayload,
  encodeRotations,
  encodeSignedRoot,
  type Authority,
  type GrantPayload,
  signGrant,
  type Signer,
  signRotation,
} from '../../src/pointer/index.ts'
import {
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  signerOf,
  utf8,
  WatchedStore,
} from '../support/database-lab.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/granted-signers')

const NOW = 1_800_000_000
const DAY = 86_400
const [author, first, second] = [signerOf('author'), signerOf('first'), signerOf('second')]

function grantOf(grant: Partial<GrantPayload>, by: Signer = author): Promise<Uint8Array> {
  const defaults = { author: author.publicKey, name: 'cities', epoch: 1, signer: first.publicKey, firstSequence: 1 }
  return signGrant(by, { ...defaults, expires: NOW + 30 * DAY, ...grant })
}

async function rotationsOf(epoch: number, to: Signer, before: Authority, by: Signer): Promise<Authority> {
  const rotation = decodeRotation(await signRotation(by, { author: before.author, epoch, newKey: to.publicKey }))
  const result = addRotation(before, rotation)
  if (result.outcome !== 'added') throw new Error('expected it to be added')
  return result.authority
}

class Lab {
  readonly clock = new VirtualClock(NOW * 1000)
  readonly store = new WatchedStore()
  #count = 0

  /** Another handle, with these keys. */
  async open(...signers: Signer[]): Promise<Database> {
    return await openDatabase(this.store, { clock: this.clock, signers })
  }

  async create(): Promise<Database> {
    return await createDatabase({ store: this.store, clock: this.clock })
  }

  async change(db: Database): Promise<void> {
    await db.put(utf8('n'), utf8(String(this.#count++)))
  }

  async wait(seconds: number): Promise<void> {
    await this.clock.run(this.clock.sleep(seconds * 1000))
  }
}

async function refused(action: Promise<unknown>, reason: string): Promise<CoppiceError> {
  const error = await failureOf(action)
  assert.equal([error.code, error.details['reason']], ['PUBLISH_REFUSED', reason])
  return error
}

test('a signer publishes under its grant, until it ends, and under the next one', async () => {
  const lab = new Lab()
  const home = await lab.create()
  await lab.change(home)
  await home.publish()
  const online = await lab.open(first)
  await lab.change(online)
  await refused(online.publish(), 'signer')
  const grant = await grantOf({ firstSequence: 2 })
  const { signedRoot } = await online.publish({ grant, expiresInSeconds: 90 * DAY })
  assert.equal([signedRoot.payload.epoch, signedRoot.payload.sequence, signedRoot.key], [1, 2, first.publicKey])
  assert.is((await online.publish({ grant })).isNew, false, 'the grant again, as a script gives it each time')
  await lab.change(online)
  assert.equal((await online.publish()).signedRoot.grant?.bytes, grant)
  await lab.wait(30 * DAY)
  await lab.change(online)
  const { writes } = lab.store
  await refused(online.publish(), 'grant-expired')
  await refused(online.publish({ grant }), 'grant-expired')
  await refused(online.publish({ grant: await grantOf({ name: 'other' }) }), 'grant-database')
  await refused(online.publish({ grant: await grantOf({ epoch: 0 }) }), 'grant-epoch')
  await refused(online.publish({ grant: await grantOf({ epoch: 2, expires: null }, first) }), 'grant-signature')
  await refused(online.publish({ grant: await grantOf({ epoch: 2, signer: second.publicKey }) }), 'signer')
  assert.is(lab.store.writes, writes)
  // Prolonged, in the same epoch.
  const longer = await grantOf({ expires: NOW + 60 * DAY })
  assert.equal((await online.publish({ grant: longer })).signedRoot.payload.epoch, 1)
  const longest = await grantOf({ expires: NOW + 90 * DAY })
  assert.is((await online.publish({ grant: longest })).isNew, true, 'though the state is the same')
  assert.is((await online.publish({ grant: longest })).isNew, false)
  assert.equal(await checkMeta(online.state), [])
})

test('the authority takes an epoch back: the signer is revoked, at publishing and at reading', async () => {
  const lab = new Lab()
  const home = await lab.create()
  const online = await lab.open(first)
  await lab.change(online)
  await online.publish({ grant: await grantOf({ epoch: 0 }) })
  const stolen = await lab.open(first)
  await refused(home.publish({ refresh: true }), 'signer')
  // Of the same state: taking over needs no change.
  const { signedRoot } = await home.publish({ newEpoch: true })
  assert.equal([signedRoot.payload.epoch, signedRoot.payload.sequence, signedRoot.grant], [1, 2, null])
  await lab.change(stolen)
  await refused(stolen.publish(), 'signer')
  await refused(stolen.publish({ grant: await grantOf({ epoch: 0 }) }), 'grant-epoch')
  await refused(stolen.publish({ newEpoch: true }), 'signer')
  // What the thief signs all the same, in its own epoch, moves no reader.
  const network = new DatabaseLab(lab.clock)
  network.serve('author', home)
  const replica = await network.replica(home, ['author'])
  await lab.clock.run(replica.pull())
  const served = await lab.open(first)
  const old = await home.state.logAt(0)
  await lab.store.write({ meta: new Map([['published', old as Uint8Array]]) })
  network.serve('author', served)
  assert.equal((await lab.clock.run(replica.pull())).judgements[0]?.outcome, 'stale')
})

test('a root that an expired signer signed is refused by readers, with the reason', async () => {
  const lab = new Lab()
  const online = await (await lab.create(), lab.open(first))
  await lab.change(online)
  const { signedRoot } = await online.publish({ grant: await grantOf({ epoch: 0, expires: NOW + DAY }) })
  const network = new DatabaseLab(lab.clock)
  network.serve('author', online)
  const replica = await network.replica(online, ['author'])
  await lab.clock.run(replica.pull())
  assert.is((await replica.standing()).freshness, 'fresh')
  await lab.wait(2 * DAY)
  assert.is((await replica.standing()).freshness, 'expired', 'though the root itself promised nothing')
  const payload = encodePayload({
    ...signedRoot.payload,
    sequence: 2,
    previous: signedRoot.link,
    issued: NOW + 2 * DAY,
  })
  const signature = await first.sign(payload)
  const late = encodeSignedRoot(payload, [{ key: first.publicKey, signature }])
  await lab.store.write({ meta: new Map([['published', late]]) })
  const verdict = (await lab.clock.run(replica.pull().catch((error: unknown) => error))) as CoppiceError
  assert.is(verdict.code, 'NO_PEER_LEFT')
  assert.match(
    verdict.message,
    /grant of the signer: expected one that holds at 2027-01-17 08:00:00Z, got one that expired/,
  )
})

test('a rotation: the old authority is refused from its epoch on, the new one goes on', async () => {
  const lab = new Lab()
  const home = await lab.create()
  await lab.change(home)
  await home.publish()
  const chain = await rotationsOf(2, second, createAuthority(author.publicKey), author)
  const rotations = encodeRotations(chain)
  assert.equal([await home.adoptRotations(rotations), await home.adoptRotations(rotations)], [1, 0])
  assert.is((await home.authority()).rotations.length, 1)
  // Until a root of its epoch is signed, the old key goes on in its own.
  await lab.change(home)
  assert.is((await home.publish()).signedRoot.payload.epoch, 0)
  await lab.change(home)
  await refused(home.publish({ newEpoch: true }), 'signer')
  const taken = await lab.open(second)
  const { signedRoot } = await taken.publish()
  assert.equal([signedRoot.payload.epoch, signedRoot.payload.sequence, signedRoot.key], [2, 3, second.publicKey])
  await lab.change(home)
  await refused(home.publish(), 'signer')
  await refused(home.publish({ grant: await grantOf({ epoch: 3 }) }), 'signer')
  const granted = await lab.open(first)
  await refused(granted.publish({ grant: await grantOf({ epoch: 3 }) }), 'grant-signature')
  const { signedRoot: third } = await granted.publish({ grant: await grantOf({ epoch: 3 }, second) })
  assert.is(third.payload.sequence, 4)
  assert.equal(await checkMeta(granted.state), [])

  const network = new DatabaseLab(lab.clock)
  network.serve('author', granted)
  const replica = await network.replica(granted, ['author'])
  await lab.clock.run(replica.pull())
  assert.equal((await replica.published())?.bytes, third.bytes)
  assert.is((await adoptRotations(replica.state, rotations)).added, 0, 'the author said it')
})

test('a rotation that takes over an epoch that had begun: its roots stay the past, and the next epoch goes on', async () => {
  const lab = new Lab()
  const home = await lab.create()
  const online = await lab.open(first)
  for (const options of [{ grant: await grantOf({ epoch: 1 }) }, {}]) {
    await lab.change(online)
    await online.publish(options)
  }
  const chain = await rotationsOf(1, second, createAuthority(author.publicKey), author)
  await home.adoptRotations(encodeRotations(chain))
  assert.equal(await checkMeta(home.state), [], 'no damage')
  await lab.change(online)
  await refused(online.publish(), 'signer')
  const { signedRoot } = await (await lab.open(second)).publish()
  assert.equal([signedRoot.payload.epoch, signedRoot.payload.sequence], [2, 3])
  assert.equal(await checkMeta(home.state), [])
})

test('a second rotation for an epoch is set apart, what is no chain refused, and a waiting root is judged by what is known', async () => {
  const lab = new Lab()
  const home = await lab.create()
  await lab.change(home)
  const none = createAuthority(author.publicKey)
  const rotations = encodeRotations(await rotationsOf(1, second, none, author))
  const other = encodeRotations(await rotationsOf(1, first, none, author))
  const unsigned = await (await lab.open()).preparePublish()
  if (unsigned === undefined) throw new Error('expected something to sign')
  await home.adoptRotations(rotations)
  const error = await failureOf(home.adoptRotations(other))
  assert.is(error.code, 'EQUIVOCATION')
  assert.ok(error.details['evidence'])
  assert.equal((await home.authority()).rotations[0]?.newKey, second.publicKey)
  for (const wrong of [
    other.subarray(1),
    encodeRotations(await rotationsOf(1, first, createAuthority(first.publicKey), first)),
  ]) {
    assert.is((await failureOf(home.adoptRotations(wrong))).code, 'SIGNED_ROOT_INVALID')
  }
  const reader = await openDatabase(lab.store, { isWritable: false })
  assert.is((await failureOf(reader.adoptRotations(rotations))).code, 'STORE_READ_ONLY')
  // Epoch 0 stays the author key's for ever: what was prepared under it still counts.
  const signature = await author.sign(unsigned.next.payloadBytes)
  const signed = encodeSignedRoot(unsigned.next.payloadBytes, [{ key: author.publicKey, signature }])
  assert.is((await home.completePublish(signed)).isNew, true)
  // One of the epoch that was rotated away does not.
  const later = await (await lab.open()).preparePublish({ refresh: true, grant: await grantOf({ epoch: 3 }, second) })
  if (later === undefined) throw new Error('expected something to sign')
  const again = encodeRotations(await rotationsOf(3, author, await home.authority(), second))
  await home.adoptRotations(again)
  const bytes = encodeSignedRoot(later.next.payloadBytes, [
    { key: first.publicKey, signature: await first.sign(later.next.payloadBytes) },
  ])
  assert.is(decodeSignedRoot(bytes).state, 'known')
  await refused(home.completePublish(bytes), 'grant')
})

test.run()
