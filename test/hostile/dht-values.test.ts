/**
 * Attacks on signed roots and IPNS records in a DHT of eight real nodes: threats 2, 9, 12, 20, 21, 24 and 32. Old records put again by
 * strangers, forged ones, floods, members that are silent, answer with noise, or lead astray. What every member refused is counted.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { multiaddr } from '@multiformats/multiaddr'
import { concatBytes } from '../../src/bytes.ts'
import { ATTACHMENT_IDS, encodeAttachments, NO_ATTACHMENTS } from '../../src/carriers/attachments.ts'
import type { CarrierAnswer } from '../../src/carriers/carrier.ts'
import { dhtCarrier } from '../../src/carriers/dht/dht-carrier.ts'
import { DHT_VALUE_BYTES_MAX, dhtKey, encodeDhtValue } from '../../src/carriers/dht/value.ts'
import { ipnsCarrier } from '../../src/carriers/ipns/ipns-carrier.ts'
import { IPNS_RECORD_BYTES_MAX, ipnsKey, signIpnsRecord } from '../../src/carriers/ipns/record.ts'
import type { ValueRefusal } from '../../src/net/discovery/value-floors.ts'
import { VALUE_LIMITS } from '../../src/net/discovery/value-floors.ts'
import { DATASTORE_LIMITS } from '../../src/net/discovery/bounded-datastore.ts'
import { cborArray, cborBytes } from '../../src/pointer/cbor.ts'
import { decodeSignedRoot, type SignedRoot } from '../../src/pointer/index.ts'
import { pointerOf, recordOf } from '../conformance/carriers.ts'
import { AuthorChain, signerOf } from '../support/author-chain.ts'
import { closerAnswer, corrupt, DhtAttacker, valueAnswer } from '../support/dht-attacker.ts'
import { DhtLab, PATIENT } from '../support/dht-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('hostile/dht-values')

const signal = new AbortController().signal
const [seed = 0] = seeds(1)
const random = new Random(seed)
const escaped: unknown[] = []
const onEscaped = (error: unknown): void => void escaped.push(error)
let lab: DhtLab
let attacker: DhtAttacker
/** Puts by hand, too, but what it is asked to. */
let helper: DhtAttacker

test.before(async () => {
  process.on('uncaughtException', onEscaped)
  process.on('unhandledRejection', onEscaped)
  lab = await DhtLab.start()
  attacker = await DhtAttacker.start()
  helper = await DhtAttacker.start()
})

test.after(async () => {
  await attacker.stop()
  await helper.stop()
  await lab.stop()
  process.off('uncaughtException', onEscaped)
  process.off('unhandledRejection', onEscaped)
  assert.equal(escaped, [], 'nothing escaped to the process')
})

/** By a client, and then at every member: a lookup of libp2p misses one of eight now and then. */
async function publish(chain: AuthorChain, root: SignedRoot): Promise<Uint8Array> {
  const carrier = dhtCarrier(await lab.values(), PATIENT)
  assert.ok(((await carrier.put?.(pointerOf(chain), recordOf(root), signal))?.seen ?? 0) >= 6)
  const key = dhtKey(pointerOf(chain))
  assert.is(await putEverywhere(key, encodeDhtValue(recordOf(root)), helper), 8)
  return key
}

/** By a reader that has seen nothing before. */
async function read(chain: AuthorChain): Promise<CarrierAnswer> {
  return await dhtCarrier(await lab.values(), PATIENT).get(pointerOf(chain), signal)
}

/** Every member keeps this root, and readers are shown no other. */
async function assertKept(chain: AuthorChain, root: SignedRoot): Promise<void> {
  const key = dhtKey(pointerOf(chain))
  for (const member of lab.members) assert.equal(lab.held(member, key), encodeDhtValue(recordOf(root)))
  assert.equal(sequencesOf(await read(chain)), [root.payload.sequence])
}

function sequencesOf({ shown }: CarrierAnswer): number[] {
  return shown.map(({ record }) => decodeSignedRoot(record.signedRoot).payload.sequence)
}

/** How often the members together have refused for that reason. */
function refused(reason: ValueRefusal): number {
  return lab.members.reduce((sum, { dht }) => sum + dht.floors.counts[reason], 0)
}

/** The value at every member; how many took it. */
async function putEverywhere(key: Uint8Array, value: Uint8Array, by: DhtAttacker = attacker): Promise<number> {
  let taken = 0
  for (const member of lab.members) if (await by.put(member, key, value)) taken++
  return taken
}

test('an old record that is put again at every member replaces nothing', async () => {
  const chain = new AuthorChain('replayed')
  const roots = await chain.publishMany(5)
  const key = await publish(chain, chain.at(5))
  const before = refused('older')
  for (const root of roots.slice(0, 4)) assert.is(await putEverywhere(key, encodeDhtValue(recordOf(root))), 0)
  assert.is(refused('older') - before, 4 * 8)
  assert.is(
    await putEverywhere(key, encodeDhtValue(recordOf(chain.at(5)))),
    8,
    'the newest may be put again by anybody',
  )
  await assertKept(chain, chain.at(5))
})

test('members that show old records do not hide the newest, and are counted', async () => {
  const chain = new AuthorChain('turned back')
  await chain.publishMany(3)
  const key = await publish(chain, chain.at(3))
  lab.hold(key, encodeDhtValue(recordOf(chain.at(1))), lab.members.slice(0, 3))
  lab.hold(key, encodeDhtValue(recordOf(chain.at(2))), lab.members.slice(3, 5))
  const answer = await read(chain)
  assert.equal(sequencesOf(answer), [3, 2, 1])
  for (const [i, most] of [3, 2, 3].entries()) {
    const copies = answer.shown[i]?.copies ?? 0
    assert.ok(copies === most || copies === most - 1, `${copies} of ${most}`)
  }
})

test('an old IPNS record that is put again at every member replaces nothing, nor does one past its validity', async () => {
  const chain = new AuthorChain('replayed by IPNS')
  const carrier = ipnsCarrier(await lab.values(), { ...PATIENT, signers: [chain.signer] })
  await chain.publish()
  await carrier.put?.(pointerOf(chain), recordOf(chain.at(1)), signal)
  const [shown] = (await carrier.get(pointerOf(chain), signal)).shown
  const old = shown?.record.attachments.get(ATTACHMENT_IDS.ipns)
  assert.ok(old)
  await chain.publish()
  const { attachments } = (await carrier.put?.(pointerOf(chain), recordOf(chain.at(2)), signal)) ?? {}
  const key = ipnsKey(chain.signer.publicKey)
  assert.is(await putEverywhere(key, attachments?.get(ATTACHMENT_IDS.ipns) ?? new Uint8Array()), 8)
  const [older, expired] = [refused('older'), refused('expired')]
  assert.is(await putEverywhere(key, old), 0)
  assert.is(refused('older') - older, 8)
  const entries = new Map([[chain.name, chain.at(1).bytes]])
  const past = { value: '/ipfs/x', sequence: 9, validUntil: Date.now() - 1000, ttlMs: 1, entries }
  assert.is(await putEverywhere(key, await signIpnsRecord(chain.signer, past)), 0)
  assert.is(refused('expired') - expired, 8)
  const reader = ipnsCarrier(await lab.values(), PATIENT)
  assert.equal(sequencesOf(await reader.get(pointerOf(chain), signal)), [2])
})

test('no member keeps what is forged, of another database, too large, or of no kind it knows', async () => {
  const chain = new AuthorChain('forged')
  const thief = new AuthorChain('forging')
  const [mine, theirs] = [await chain.publish(), await thief.publish()]
  await chain.publish()
  const key = await publish(chain, chain.at(2))
  const value = encodeDhtValue(recordOf(chain.at(2)))
  const newer = (await chain.publish()).bytes.slice()
  newer[newer.length - 1] = (newer.at(-1) as number) ^ 1
  const withAttachment = (id: number, bytes: Uint8Array): Uint8Array =>
    cborArray([cborBytes(chain.at(3).bytes), cborBytes(encodeAttachments(new Map([[id, bytes]])))])
  const ipns = ipnsKey(chain.signer.publicKey)
  const forgedRecord = await signIpnsRecord(thief.signer, {
    value: '/ipfs/x',
    sequence: 1,
    validUntil: Date.now() + 1e9,
    ttlMs: 1,
    entries: new Map([['test', mine.bytes]]),
  })
  const text = (name: string): Uint8Array => new TextEncoder().encode(name)
  const table: readonly (readonly [ValueRefusal, Uint8Array, Uint8Array])[] = [
    ['signature', key, encodeDhtValue(recordOf({ bytes: newer }))],
    ['signature', key, withAttachment(ATTACHMENT_IDS.evidence, random.bytes(400))],
    ['form', key, withAttachment(ATTACHMENT_IDS.rotations, random.bytes(400))],
    ['form', key, withAttachment(ATTACHMENT_IDS.bep44, new Uint8Array(64))],
    ['form', key, encodeDhtValue(recordOf(theirs))],
    ['form', dhtKey({ ...pointerOf(chain), name: 'other' }), value],
    ['form', key, value.subarray(0, -1)],
    ['form', key, concatBytes(value, Uint8Array.of(0))],
    ['form', key, chain.at(2).bytes],
    ['form', key, random.bytes(900)],
    ['size', key, random.bytes(DHT_VALUE_BYTES_MAX + 1)],
    ['size', key, random.bytes(1_000_000)],
    ['size', ipns, random.bytes(IPNS_RECORD_BYTES_MAX + 1)],
    ['signature', ipns, forgedRecord],
    ['form', ipns, random.bytes(300)],
    ['form', concatBytes(text('/ipns/'), random.bytes(34)), forgedRecord],
    ['kind', text('/pk/abc'), value],
  ]
  for (const [reason, at, bytes] of table) {
    const before = refused(reason)
    assert.is(await putEverywhere(at, bytes), 0, `${reason}, ${bytes.length} bytes`)
    assert.is(refused(reason) - before, 8, `${reason}, ${bytes.length} bytes`)
  }
  await assertKept(chain, chain.at(2))
})

test('a flood of one stranger is bounded in signatures and in memory, and pushes out nothing of others', async () => {
  const chain = new AuthorChain('flooded')
  await publish(chain, await chain.publish())
  const [member] = lab.members
  assert.ok(member)
  const { floors } = member.dht
  // By putting it again it does not become the attacker's, to be pushed out with what is his.
  assert.is(await putEverywhere(dhtKey(pointerOf(chain)), encodeDhtValue(recordOf(chain.at(1)))), 8)
  const began = Date.now()
  const before = { ...floors.counts }
  for (let i = 0; i < 200; i++) {
    const flood = new AuthorChain('flooding', `database-${i}`)
    await attacker.put(member, dhtKey(pointerOf(flood)), encodeDhtValue(recordOf(await flood.publish())))
  }
  const seconds = (Date.now() - began) / 1000
  const taken = floors.counts.taken - before.taken
  assert.is(taken + floors.counts.busy - before.busy, 200)
  const signatures = VALUE_LIMITS.burst + VALUE_LIMITS.perSecond * seconds
  assert.ok(taken <= signatures / 2 + 1, `${taken} taken in ${seconds} s`)
  assert.ok(
    member.memory.values <= DATASTORE_LIMITS.valuesPerSourceMax + before.taken,
    `${member.memory.values} values`,
  )
  await assertKept(chain, chain.at(1))
  const others = dhtCarrier(await lab.values(), PATIENT)
  await chain.publish()
  await others.put?.(pointerOf(chain), recordOf(chain.at(2)), signal)
  assert.equal(sequencesOf(await read(chain))[0], 2, 'others still put there')
})

test('bytes that are no message end their stream and nothing else', async () => {
  const chain = new AuthorChain('noise')
  await publish(chain, await chain.publish())
  let answered = 0
  for (let i = 0; i < 120; i++) {
    const member = lab.members[i % lab.members.length]
    assert.ok(member)
    const body = random.bytes(random.between(1, 300))
    const head = i % 3 === 0 ? random.bytes(3) : Uint8Array.of(Math.min(body.length, 127))
    if (await attacker.send(member, concatBytes(head, body))) answered++
  }
  assert.ok(answered < 120)
  await assertKept(chain, chain.at(1))
})

test('silent, noisy and misleading members cost their own answers', async () => {
  const chain = new AuthorChain('among liars')
  await chain.publishMany(2)
  await publish(chain, chain.at(2))
  const old = encodeDhtValue({ signedRoot: chain.at(1).bytes, attachments: NO_ATTACHMENTS })
  const nowhere = multiaddr('/ip4/127.0.0.1/tcp/1').bytes
  const invented = Array.from({ length: 500 }, () =>
    concatBytes(Uint8Array.of(0, 36, 8, 1, 18, 32), signerOf(String(random.below(2 ** 30))).publicKey),
  )
  const ways: readonly ((asked: Uint8Array, isGet: boolean) => Uint8Array | undefined)[] = [
    () => undefined,
    () => random.bytes(2000),
    (asked) => valueAnswer(asked, old),
    (asked) => valueAnswer(asked, random.bytes(200_000)),
    (asked) => closerAnswer(asked, invented, nowhere),
  ]
  for (const [i, way] of ways.entries()) {
    const member = lab.members[i + 2]
    assert.ok(member)
    await corrupt(member, way)
  }
  const answer = await read(chain)
  assert.is(sequencesOf(answer)[0], 2)
  assert.ok((answer.shown[0]?.copies ?? 0) >= 2, 'of three honest ones')
  assert.ok(answer.answered < answer.asked)
})

test.run()
