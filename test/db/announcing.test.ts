/** Publishing with carriers (docs/spec/record.md, 5): they are asked before, told after, and none of them can stop or fool an author. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ATTACHMENT_IDS,
  type Attachments,
  type Carrier,
  type CarrierReceipt,
  NO_ATTACHMENTS,
} from '../../src/carriers/index.ts'
import { signIpnsRecord } from '../../src/carriers/ipns/record.ts'
import type { Database, PublishOptions, PublishReport } from '../../src/db/index.ts'
import { keepAttachments, readAttachments } from '../../src/db/roots/attachments.ts'
import { CoppiceError } from '../../src/errors.ts'
import {
  createFloor,
  createSigner,
  encodeFloor,
  encodePayload,
  encodeSignedRoot,
  findConflict,
  type SignedRoot,
  type Signer,
  withEvidence,
} from '../../src/pointer/index.ts'
import { FLOOR } from '../../src/db/meta.ts'
import { behaving, carrierClock, carriersOf, never, NOTHING_SHOWN } from '../support/carriers-lab.ts'
import { CopyableStore } from '../support/copyable-store.ts'
import { createDatabase, failureOf, openDatabase, signerOf, thrownBy, utf8 } from '../support/database-lab.ts'
import { MemoryNetwork } from '../support/memory-carrier.ts'

const test = suite('db/announcing')

class Lab {
  readonly clock = carrierClock()
  readonly network = new MemoryNetwork()
  readonly carrier = this.network.carrier('dht')
  #count = 0

  async create(...carriers: Carrier[]): Promise<Database> {
    return await createDatabase({ store: new CopyableStore(), clock: this.clock, carriers: carriersOf(...carriers) })
  }

  /** A second machine with the key, or one that a backup brought back. */
  async second(db: Database, ...carriers: Carrier[]): Promise<Database> {
    const store = await (db.state.store as CopyableStore).copy()
    return await openDatabase(store, { clock: this.clock, carriers: carriersOf(...carriers) })
  }

  async publish(db: Database, options: PublishOptions = {}): Promise<PublishReport> {
    await db.put(utf8('n'), utf8(String(this.#count++)))
    return await this.clock.run(db.publish(options))
  }

  async shown(db: Database): Promise<readonly Uint8Array[]> {
    const { shown } = await this.carrier.get(db, new AbortController().signal)
    return shown.map(({ record }) => record.signedRoot)
  }
}

async function refused(action: Promise<unknown>, reason: string): Promise<CoppiceError> {
  const error = await failureOf(action)
  assert.equal([error.code, error.details['reason']], ['PUBLISH_REFUSED', reason])
  return error
}

test('without carriers nobody is asked, and nobody told', async () => {
  const db = await createDatabase()
  const { asked, carriers } = await db.publish()
  assert.equal([asked, carriers], [[], []])
})

test('a root is put on the carriers, and looked for there', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  const first = await lab.publish(db)
  assert.equal(
    first.asked.map(({ name, shows }) => [name, shows]),
    [['dht', 'nothing']],
  )
  assert.equal(
    first.carriers.map(({ name, outcome, stored, seen, tries }) => [name, outcome, stored, seen, tries]),
    [['dht', 'stands', 4, 4, 1]],
  )
  assert.equal(await lab.shown(db), [first.signedRoot.bytes])
  const second = await lab.publish(db)
  assert.equal(
    second.asked.map(({ shows, sequence, copies }) => [shows, sequence, copies]),
    [['same', 1, 4]],
  )
  assert.equal(await lab.shown(db), [second.signedRoot.bytes])
})

test('its bytes are durable before a carrier has them', async () => {
  const lab = new Lab()
  const carriers: Carrier[] = []
  const db = await lab.create(...carriers)
  const durable: (Uint8Array | undefined)[] = []
  const looking = behaving(lab.carrier, {
    put: async () => void durable.push((await db.published())?.bytes) as unknown as CarrierReceipt,
  })
  const list = await db.carriers?.list()
  ;(list as Carrier[]).push(looking)
  const { signedRoot } = await lab.publish(db)
  assert.equal(durable, [signedRoot.bytes])
})

test('an unchanged state is put again as it was signed', async () => {
  const lab = new Lab()
  const db = await lab.create()
  const { signedRoot } = await lab.publish(db)
  const again = await lab.second(db, lab.carrier)
  const { isNew, carriers } = await lab.clock.run(again.publish())
  assert.equal([isNew, carriers[0]?.outcome], [false, 'stands'])
  assert.equal(await lab.shown(db), [signedRoot.bytes])
  const renewed = await lab.clock.run(again.publish({ refresh: true }))
  assert.equal(await lab.shown(db), [renewed.signedRoot.bytes])
  assert.is(renewed.signedRoot.payload.sequence, 2)
})

test('a newer root of its own, or one that contradicts its last, forbids to sign', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db)
  const backup = await lab.second(db, lab.carrier)
  const { signedRoot } = await lab.publish(db)
  const before = await backup.published()
  const error = await refused(lab.publish(backup), 'newer')
  assert.equal([error.details['carrier'], error.details['sequence']], ['dht', 2])
  assert.match(error.message, /got @2 \(at dht\); coppice recover goes on from it/)
  // Also where nothing would be signed: that nothing is new would mislead.
  const unchanged = await lab.second(backup, lab.carrier)
  await refused(lab.clock.run(unchanged.publish()), 'newer')
  await refused(lab.clock.run(backup.preparePublish()), 'newer')
  assert.equal((await backup.published())?.bytes, before?.bytes)

  const apart = await lab.second(backup)
  await lab.publish(apart)
  const joined = await lab.second(apart, lab.carrier)
  await refused(lab.publish(joined), 'different')
  assert.equal(await lab.shown(db), [signedRoot.bytes])
})

test('an older root that is none of its history forbids to sign', async () => {
  const lab = new Lab()
  const db = await lab.create()
  await lab.publish(db)
  const apart = await lab.second(db, lab.carrier)
  for (let i = 0; i < 6; i++) await lab.publish(db)
  await lab.publish(apart)
  const joined = await lab.second(db, lab.carrier)
  await refused(lab.publish(joined), 'different')
})

test('a prepared root that was signed meanwhile is not published over another', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db)
  const offline = await lab.second(db, lab.carrier)
  await offline.put(utf8('a'), utf8('b'))
  const unsigned = await lab.clock.run(offline.preparePublish())
  await lab.publish(db)
  if (unsigned === undefined) throw new Error('expected something to sign')
  const signed = await signed1(signerOf('author'), unsigned.next.payloadBytes)
  await refused(lab.clock.run(offline.completePublish(signed)), 'newer')
  // What the carrier shows is this very root.
  lab.network.show(db, signed)
  assert.is((await lab.clock.run(offline.completePublish(signed))).isNew, true)
})

async function signed1(signer: Signer, payloadBytes: Uint8Array): Promise<Uint8Array> {
  return encodeSignedRoot(payloadBytes, [{ key: signer.publicKey, signature: await signer.sign(payloadBytes) }])
}

test('a new epoch supersedes what its signer, who is revoked, has put there', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  await lab.publish(db)
  const backup = await lab.second(db, lab.carrier)
  await lab.publish(db)
  const { signedRoot, asked } = await lab.publish(backup, { newEpoch: true })
  assert.equal([asked[0]?.shows, signedRoot.payload.epoch], ['rival', 1])
  assert.equal(await lab.shown(db), [signedRoot.bytes])
  await refused(lab.publish(db), 'newer')
})

test('evidence that replicas told its server of forbids to go on in that epoch, without any carrier', async () => {
  const lab = new Lab()
  const db = await lab.create()
  await lab.publish(db)
  const apart = await lab.second(db)
  const { signedRoot: one } = await lab.publish(db)
  const { signedRoot: other } = await lab.publish(apart)
  const evidence = findConflict(one, other)
  if (evidence === undefined) throw new Error('expected a contradiction')
  const { author, name, state } = db
  const floor = withEvidence(createFloor(author, name), evidence)
  await state.store.write({ meta: new Map([[FLOOR, encodeFloor(floor)]]) })
  const error = await refused(lab.publish(db), 'different')
  assert.match(error.message, /\(at this database\)/)
  // Further on, neither of the two is the last.
  const later = await lab.second(apart)
  await later.state.store.write({ meta: new Map([[FLOOR, encodeFloor(createFloor(author, name))]]) })
  await lab.publish(later)
  await later.state.store.write({ meta: new Map([[FLOOR, encodeFloor(floor)]]) })
  await refused(lab.publish(later), 'different')
  const { signedRoot } = await lab.publish(db, { newEpoch: true })
  assert.is(signedRoot.payload.epoch, 1)
  assert.is((await lab.publish(db)).signedRoot.payload.sequence, 4)
})

test('what strangers sign forbids nothing', async () => {
  const lab = new Lab()
  const db = await lab.create(lab.carrier)
  const { signedRoot } = await lab.publish(db)
  const thief = createSigner(new Uint8Array(32).fill(7))
  const payload = encodePayload({ ...signedRoot.payload, sequence: 9, previous: signedRoot.link })
  lab.network.show(db, await signed1(thief, payload))
  const { asked, carriers } = await lab.publish(db)
  assert.equal(
    asked.map(({ shows, sequence }) => [shows, sequence]),
    [['invalid', 9]],
  )
  // Members that take what is forged keep it: they are of no use, and the report says so.
  assert.equal(
    carriers.map(({ outcome }) => outcome),
    ['newer'],
  )
  lab.network.show(db, utf8('garbage'))
  assert.equal(
    (await lab.publish(db)).asked.map(({ shows }) => shows),
    ['invalid'],
  )
})

test('carriers that fail, are silent or slow are reported, and stop nobody', async () => {
  const lab = new Lab()
  const gone = (): Promise<never> => Promise.reject(new CoppiceError('PEER_UNREACHABLE', 'gone: nobody is there'))
  const broken = (): Promise<never> => Promise.reject(new TypeError('a bug'))
  const unable = (): Promise<never> => Promise.reject(new CoppiceError('USAGE', 'needs an envelope'))
  let firsts = 0
  const db = await lab.create(
    behaving(lab.carrier, { name: 'gone', get: gone, put: gone }),
    behaving(lab.carrier, { name: 'silent', get: never, put: never }),
    behaving(lab.carrier, { name: 'hanging', get: gone, put: never }),
    behaving(lab.carrier, { name: 'broken', get: broken, put: broken }),
    behaving(lab.carrier, { name: 'unable', get: () => Promise.resolve(NOTHING_SHOWN), put: unable }),
    behaving(lab.carrier, {
      name: 'forgetful',
      get: () => Promise.resolve(NOTHING_SHOWN),
      put: () => Promise.resolve({ stored: 1, newer: 0, seen: 0, refusals: [] }),
    }),
    behaving(lab.carrier, {
      name: 'second',
      get: () => Promise.resolve(NOTHING_SHOWN),
      put: () => (firsts++ === 0 ? gone() : Promise.resolve({ stored: 1, newer: 0, seen: 1, refusals: [] })),
    }),
    lab.carrier,
  )
  const { asked, carriers } = await lab.publish(db)
  assert.equal(
    asked.map(({ shows }) => shows),
    ['failed', 'late', 'failed', 'failed', 'nothing', 'nothing', 'nothing', 'nothing'],
  )
  assert.equal(
    carriers.map(({ name, outcome, tries }) => [name, outcome, tries]),
    [
      // Once: they did not answer before either.
      ['gone', 'failed', 1],
      ['silent', 'late', 1],
      ['hanging', 'late', 1],
      ['broken', 'failed', 1],
      ['unable', 'unable', 1],
      ['forgetful', 'unseen', 3],
      ['second', 'stands', 2],
      ['dht', 'stands', 1],
    ],
  )
  assert.match(String(carriers[0]?.reason), /nobody is there/)
  assert.match(String(carriers[2]?.reason), /nobody is there/, 'as it said when it was asked')
})

test('cancelled before it signs, nothing is signed; after that, it is published', async () => {
  const lab = new Lab()
  const asking = new AbortController()
  const quiet = behaving(lab.carrier, {
    get: (signal) => {
      asking.abort(new Error('enough'))
      return never(signal)
    },
  })
  const db = await lab.create(quiet)
  await db.put(utf8('a'), utf8('1'))
  assert.is(((await thrownBy(db.publish({ signal: asking.signal }))) as Error).message, 'enough')
  assert.is(await db.published(), undefined)

  const putting = new AbortController()
  const list = (await db.carriers?.list()) as Carrier[]
  list[0] = behaving(lab.carrier, {
    put: (signal) => {
      putting.abort(new Error('enough'))
      return never(signal)
    },
  })
  const { isNew, carriers } = await lab.clock.run(db.publish({ signal: putting.signal }))
  assert.equal([isNew, carriers[0]?.outcome], [true, 'late'])
  assert.is((await db.published())?.payload.sequence, 1)
})

test('envelopes that a put made are kept beside that root, and no other', async () => {
  const lab = new Lab()
  const envelope = new Map([
    [ATTACHMENT_IDS.bep44, utf8('item')],
    [99, utf8('unknown')],
  ])
  const making = behaving(lab.carrier, {
    put: () => Promise.resolve({ stored: 1, newer: 0, seen: 1, refusals: [], attachments: envelope }),
  })
  const db = await lab.create(making)
  const { signedRoot } = await lab.publish(db)
  const kept = async (root: SignedRoot): Promise<unknown> => [...(await readAttachments(db.state, root))]
  assert.equal(await kept(signedRoot), [[ATTACHMENT_IDS.bep44, utf8('item')]])
  await keepAttachments(db.state, signedRoot, new Map([[ATTACHMENT_IDS.ipns, utf8('record')]]))
  await keepAttachments(db.state, signedRoot, NO_ATTACHMENTS)
  assert.equal(await kept(signedRoot), [
    [ATTACHMENT_IDS.bep44, utf8('item')],
    [ATTACHMENT_IDS.ipns, utf8('record')],
  ])
  const second = await lab.publish(db)
  assert.equal(await kept(signedRoot), [])
  assert.equal(await kept(second.signedRoot), [[ATTACHMENT_IDS.bep44, utf8('item')]])
})

test('of a root an older IPNS record does not take the place of a newer one that is kept', async () => {
  const db = await new Lab().create()
  const { signedRoot } = await db.publish()
  const [signer, now] = [signerOf('author'), db.state.clock.now()]
  const sign = async (sequence: number): Promise<Attachments> => {
    const entries = new Map([[db.name, signedRoot.bytes]])
    const fields = { value: '/ipfs/x', sequence, validUntil: now + 1000, ttlMs: 1000, entries }
    return new Map([[ATTACHMENT_IDS.ipns, await signIpnsRecord(signer, fields)]])
  }
  const [older, newer, newest] = [await sign(1), await sign(2), await sign(3)]
  for (const [next, kept] of [
    [newer, newer],
    [older, newer],
    [newest, newest],
  ] as const) {
    await keepAttachments(db.state, signedRoot, next)
    assert.equal(await readAttachments(db.state, signedRoot), kept)
  }
})

test.run()
