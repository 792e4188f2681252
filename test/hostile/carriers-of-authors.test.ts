/** Threat 35, where carriers lie: they cannot stop a publication, nor make an author go on from what it did not sign. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS, type Carrier, type CarrierAnswer, encodeAttachments } from '../../src/carriers/index.ts'
import { keepAlive } from '../../src/db/announcing/keep-alive.ts'
import { RivalFinder } from '../../src/db/announcing/rivals.ts'
import type { Database } from '../../src/db/index.ts'
import { hearStatements, keepKnown, readKnown } from '../../src/db/roots/statements.ts'
import { cborArray, cborBytes } from '../../src/pointer/cbor.ts'
import {
  encodeEvidence,
  encodePayload,
  encodeSignedRoot,
  findConflict,
  decodeSignedRoot,
  type SignedRoot,
  signRotation,
} from '../../src/pointer/index.ts'
import { AuthorChain } from '../support/author-chain.ts'
import { behaving, carrierClock, carriersOf } from '../support/carriers-lab.ts'
import { CopyableStore } from '../support/copyable-store.ts'
import { createDatabase, failureOf, openDatabase, signerOf, utf8 } from '../support/database-lab.ts'
import { MemoryMember, MemoryNetwork } from '../support/memory-carrier.ts'

const test = suite('hostile/carriers-of-authors')

class Lab {
  readonly clock = carrierClock()
  #count = 0

  async create(...carriers: Carrier[]): Promise<Database> {
    return await createDatabase({ store: new CopyableStore(), clock: this.clock, carriers: carriersOf(...carriers) })
  }

  async second(db: Database, ...carriers: Carrier[]): Promise<Database> {
    const store = await (db.state.store as CopyableStore).copy()
    return await openDatabase(store, { clock: this.clock, carriers: carriersOf(...carriers) })
  }

  async publish(db: Database): Promise<Awaited<ReturnType<Database['publish']>>> {
    await db.put(utf8('n'), utf8(String(this.#count++)))
    return await this.clock.run(db.publish())
  }
}

/** What it says that it has taken is gone, and it shows what it had at first, for ever. */
class Replaying extends MemoryMember {
  override put(pointer: Parameters<MemoryMember['put']>[0], held: Parameters<MemoryMember['put']>[1]): boolean {
    if (this.get(pointer) === undefined) this.show(pointer, held)
    return true
  }
}

/** The payload of `root`, changed and signed by somebody else. */
async function forge(root: SignedRoot, changes: Partial<SignedRoot['payload']>, label = 'thief'): Promise<SignedRoot> {
  const thief = signerOf(label)
  const payload = encodePayload({ ...root.payload, ...changes })
  const bytes = encodeSignedRoot(payload, [{ key: thief.publicKey, signature: await thief.sign(payload) }])
  return decodeSignedRoot(bytes) as SignedRoot
}

function showing(
  carrier: Carrier,
  ...records: (readonly [root: Uint8Array, attachments?: ReadonlyMap<number, Uint8Array>])[]
): Carrier {
  const shown = records.map(([signedRoot, attachments = new Map()]) => ({
    record: { signedRoot, attachments },
    copies: 1,
  }))
  const answer: CarrierAnswer = { shown, asked: 1, answered: 1 }
  return behaving(carrier, { get: () => Promise.resolve(answer) })
}

test('old roots that are shown for ever stop nobody, and are told from what was put', async () => {
  const lab = new Lab()
  const network = new MemoryNetwork([new Replaying(), new Replaying()])
  const db = await lab.create(network.carrier())
  await lab.publish(db)
  for (let sequence = 2; sequence < 5; sequence++) {
    const { asked, carriers, signedRoot } = await lab.publish(db)
    assert.is(signedRoot.payload.sequence, sequence)
    assert.equal([asked[0]?.sequence, carriers[0]?.outcome, carriers[0]?.seen], [1, 'unseen', 0])
  }
})

test('what the thief of the author key proved against it forbids nothing after a rotation, and is said to nobody', async () => {
  const lab = new Lab()
  const db = await lab.create()
  const { signedRoot } = await lab.publish(db)
  const { state } = db
  const twins = await Promise.all(
    [7, 8].map(async (bytes) => await forge(signedRoot, { epoch: 4000, bytes }, 'author')),
  )
  const conflict = findConflict(twins[0] as SignedRoot, twins[1] as SignedRoot)
  if (conflict === undefined) throw new Error('expected a contradiction')
  const known = await readKnown(state)
  const evidence = new Map([[ATTACHMENT_IDS.evidence, encodeEvidence(conflict)]])
  await keepKnown(state, hearStatements(known, encodeAttachments(evidence)))
  assert.is((await failureOf(lab.publish(db))).code, 'PUBLISH_REFUSED')
  const next = signerOf('next')
  const rotation = await signRotation(signerOf('author'), { author: state.author, epoch: 1, newKey: next.publicKey })
  const shown = new Map([[ATTACHMENT_IDS.rotations, cborArray([cborBytes(rotation)])]])
  const finder = await RivalFinder.begin(state, signedRoot)
  assert.equal([finder.evidence.length, finder.rivals.length], [1, 2])
  await finder.hear('a carrier', encodeAttachments(shown))
  assert.equal([finder.evidence.length, finder.rivals.length], [0, 0])
  assert.is(await db.adoptRotations(cborArray([cborBytes(rotation)])), 1)
  assert.equal((await readKnown(state)).floor.evidence, [])
  const store = await (state.store as CopyableStore).copy()
  const rotated = await openDatabase(store, { clock: lab.clock, signers: [next] })
  const { signedRoot: root } = await lab.publish(rotated)
  assert.equal([root.payload.epoch, root.payload.sequence], [1, 2])
})

test('forged roots, of whatever place, and forged evidence forbid nothing', async () => {
  const lab = new Lab()
  const network = new MemoryNetwork()
  const db = await lab.create()
  await lab.publish(db)
  const { signedRoot } = await lab.publish(db)
  const other = new AuthorChain('stranger', 'cities')
  const stranger = await other.publish()
  const higher = await forge(signedRoot, { sequence: 3, previous: signedRoot.link })
  const beside = await forge(signedRoot, { bytes: 7 })
  const epoch = await forge(signedRoot, { epoch: 4095, sequence: 2 ** 40 - 1 })
  const conflict = findConflict(signedRoot, beside)
  const strangers = findConflict(stranger, await forge(stranger, { bytes: 7 }, 'stranger'))
  if (conflict === undefined || strangers === undefined) throw new Error('expected contradictions')
  const evidence = (of: typeof conflict): ReadonlyMap<number, Uint8Array> =>
    new Map([[ATTACHMENT_IDS.evidence, encodeEvidence(of)]])
  const garbage = new Map(Object.values(ATTACHMENT_IDS).map((id) => [id, utf8('garbage')]))
  const lying = showing(
    network.carrier('lying'),
    [higher.bytes],
    [beside.bytes, evidence(conflict)],
    [epoch.bytes, evidence(strangers)],
    [stranger.bytes, garbage],
    [utf8('garbage'), garbage],
  )
  const second = await lab.second(db, lying)
  const { signedRoot: next, asked } = await lab.publish(second)
  assert.equal([next.payload.sequence, asked[0]?.shows], [3, 'invalid'])
  const report = await lab.clock.run(second.recover())
  assert.equal([report.outcome, (await second.published())?.bytes], ['nothing', next.bytes])
})

test('one honest carrier among liars is enough to be refused', async () => {
  const lab = new Lab()
  const honest = new MemoryNetwork().carrier('honest')
  const db = await lab.create(honest)
  const { signedRoot: first } = await lab.publish(db)
  const backup = await lab.second(db)
  await lab.publish(db)
  const liars = [
    showing(honest, [first.bytes]),
    showing(honest),
    showing(honest, [(await forge(first, { sequence: 9, previous: first.link })).bytes]),
    behaving(honest, { name: 'broken', get: () => Promise.reject(new Error('broken')) }),
  ]
  const restored = await lab.second(backup, ...liars, honest)
  const error = await failureOf(lab.publish(restored))
  assert.equal([error.code, error.details['reason'], error.details['carrier']], ['PUBLISH_REFUSED', 'newer', 'honest'])
})

test('of an answer without end only a few roots are looked at', async () => {
  const lab = new Lab()
  const db = await lab.create()
  const { signedRoot } = await lab.publish(db)
  const forged = await forge(signedRoot, { sequence: 5, previous: signedRoot.link })
  let looked = 0
  const records = Array.from({ length: 1000 }, () => [forged.bytes] as const)
  const endless = showing(new MemoryNetwork().carrier(), ...records)
  const counting = behaving(endless, {
    get: async (signal) => {
      const answer = await endless.get({ author: db.author, name: db.name }, signal)
      const shown = answer.shown.map((each) => ({
        ...each,
        get record() {
          looked++
          return each.record
        },
      }))
      return { ...answer, shown }
    },
  })
  const second = await lab.second(db, counting)
  await lab.publish(second)
  assert.ok(looked <= 8 * 3, `${looked} looks`)
})

test('a carrier that heeds no signal keeps nobody waiting', async () => {
  const lab = new Lab()
  const deaf = (): Promise<never> => new Promise(() => {})
  const carrier = behaving(new MemoryNetwork().carrier(), { keepsMs: 10_000, get: deaf, put: deaf })
  const db = await lab.create(carrier)
  const { isNew, asked, carriers } = await lab.publish(db)
  assert.equal([isNew, asked[0]?.shows, carriers[0]?.outcome], [true, 'late', 'late'])
  const over = new AbortController()
  const kept = keepAlive(db.state, carriersOf(carrier), { isReplica: false, signal: over.signal })
  await lab.clock.run(lab.clock.sleep(300_000))
  over.abort()
  await lab.clock.run(kept)
  await db.close()
})

test('statements that do not fit together are passed over', async () => {
  const lab = new Lab()
  const db = await lab.create()
  const { signedRoot } = await lab.publish(db)
  const nested = encodeAttachments(new Map([[ATTACHMENT_IDS.rotations, utf8('no chain')]]))
  const lying = showing(new MemoryNetwork().carrier(), [
    signedRoot.bytes,
    new Map([[ATTACHMENT_IDS.rotations, nested]]),
  ])
  const second = await lab.second(db, lying)
  assert.is((await lab.publish(second)).asked[0]?.shows, 'same')
})

test.run()
