/** Items of BitTorrent's DHT: the vectors of bep_0044, npm's bittorrent-dht as the other side, and the way from an author to its signer. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hexToBytes } from '../../src/bytes.ts'
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import { ascii, encodeBencode } from '../../src/carriers/bep44/bencode.ts'
import { decodeHops, encodeHops, type Hop, saltOf, signHop } from '../../src/carriers/bep44/hops.ts'
import { itemSignedBytes, itemTarget, itemValue, signItem, verifyItem } from '../../src/carriers/bep44/item.ts'
import type { CarrierReceipt, PointerRecord, Shown } from '../../src/carriers/carrier.ts'
import {
  addRotation,
  type Authority,
  carrierSequence,
  createAuthority,
  decodeRotation,
  decodeRotations,
  decodeSignedRoot,
  encodeSignedRoot,
  type Signer,
  signGrant,
  signRotation,
} from '../../src/pointer/index.ts'
import { sha256 } from '../../src/sha256.ts'
import { pointerOf } from '../conformance/carriers.ts'
import { AuthorChain, signerOf } from '../support/author-chain.ts'
import { Bep44Swarm, hex, openCarrier } from '../support/bep44-swarm.ts'
import { DhtMember, honest, itemFields } from '../support/dht-member.ts'
import { rejectsCode } from '../support/throws.ts'

const signal = new AbortController().signal
const test = suite('carriers/bep44 items')
let swarm: Bep44Swarm
/** Another one, which shares no node with it. */
let elsewhere: Bep44Swarm
test.before(async () => {
  swarm = await Bep44Swarm.start(10)
  elsewhere = await Bep44Swarm.start(9)
})
test.after(async () => {
  await swarm.stop()
  await elsewhere.stop()
})

function bytesOf(text: string): Uint8Array {
  const bytes = hexToBytes(text)
  if (bytes === undefined) throw new TypeError(text)
  return bytes
}

async function put(signer: Signer | undefined, chain: AuthorChain, record: PointerRecord): Promise<CarrierReceipt> {
  const carrier = openCarrier(swarm.addresses.slice(0, 3), signer)
  try {
    return (await carrier.put?.(pointerOf(chain), record, signal)) as CarrierReceipt
  } finally {
    await carrier.close()
  }
}

async function get(chain: AuthorChain): Promise<readonly Shown[]> {
  const carrier = openCarrier(swarm.addresses.slice(3, 6))
  try {
    return (await carrier.get(pointerOf(chain), signal)).shown
  } finally {
    await carrier.close()
  }
}

const sequencesOf = (shown: readonly Shown[]): number[] =>
  shown.map(({ record }) => decodeSignedRoot(record.signedRoot).payload.sequence)

test('the vectors of bep_0044', () => {
  const key = bytesOf('77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548')
  const vectors = [
    {
      salt: '',
      signed: '3:seqi1e1:v12:Hello World!',
      target: '4a533d47ec9c7d95b1ad75f576cffc641853b750',
      signature:
        '305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01',
    },
    {
      salt: 'foobar',
      signed: '4:salt6:foobar3:seqi1e1:v12:Hello World!',
      target: '411eba73b6f087ca51a3795d9c8c938d365e32c1',
      signature:
        '6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17ddf9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08',
    },
  ]
  for (const { salt, signed, target, signature } of vectors) {
    const encodedValue = encodeBencode(ascii('Hello World!'))
    const item = { key, salt: ascii(salt), sequence: 1n, encodedValue, signature: bytesOf(signature) }
    assert.equal(itemSignedBytes(item), ascii(signed))
    assert.is(hex(itemTarget(key, item.salt)), target)
    assert.ok(verifyItem(item))
    assert.not.ok(verifyItem({ ...item, sequence: 2n }))
    assert.not.ok(verifyItem({ ...item, salt: ascii('foo') }))
    assert.equal(itemValue(item), ascii('Hello World!'))
  }
})

test('the other implementation finds what is put, and what it puts is found', async () => {
  const chain = new AuthorChain('interop')
  const { publicKey } = chain.signer
  const salt = saltOf(chain.name)
  const root = await chain.publish()
  const receipt = await put(chain.signer, chain, { signedRoot: root.bytes, attachments: new Map() })
  assert.ok(receipt.stored >= 8, JSON.stringify(receipt))
  assert.is(receipt.seen, receipt.stored)
  assert.equal(receipt.attachments?.get(ATTACHMENT_IDS.bep44)?.length, 64)
  const found = await swarm.get(7, publicKey, salt)
  assert.is(found.error, undefined)
  assert.is(found.sequence, 1)
  assert.is(found.value, hex(root.bytes))

  const next = await chain.publish()
  const seed = sha256(ascii('interop'))
  assert.is((await swarm.put(2, seed, salt, 2, next.bytes)).error, undefined)
  assert.is(sequencesOf(await get(chain))[0], 2)
})

test('numbers of a carrier are epoch * 2^40 + sequence, and the other implementation keeps them', async () => {
  const chain = new AuthorChain('epochs')
  await chain.publish()
  const root = await chain.publish({ epoch: 3 })
  await put(chain.signer, chain, { signedRoot: root.bytes, attachments: new Map() })
  const found = await swarm.get(1, chain.signer.publicKey, saltOf(chain.name))
  assert.is(found.sequence, 3 * 2 ** 40 + 2)
})

test('a put of what is older says that there is a newer one, and asks nobody to take it', async () => {
  const chain = new AuthorChain('older')
  await chain.publishMany(2)
  const [older, newer] = [chain.at(1), chain.at(2)]
  await put(chain.signer, chain, { signedRoot: newer.bytes, attachments: new Map() })
  const receipt = await put(chain.signer, chain, { signedRoot: older.bytes, attachments: new Map() })
  assert.is(receipt.stored, 0)
  assert.ok(receipt.newer >= 8)
  assert.is(receipt.seen, 0)
  // What is there already is stored.
  const again = await put(chain.signer, chain, { signedRoot: newer.bytes, attachments: new Map() })
  assert.ok(again.stored >= 8 && again.seen >= 8, JSON.stringify(again))
  assert.is(again.newer, 0)
})

test('what only its signer can put is refused without envelope, and with one that is not its own', async () => {
  const chain = new AuthorChain('sealed')
  const root = await chain.publish()
  const other = await signItem(chain.signer, saltOf('another'), 1n, root.bytes)
  const wrong = new Map([[ATTACHMENT_IDS.bep44 as number, other.signature]])
  await rejectsCode(put(undefined, chain, { signedRoot: root.bytes, attachments: new Map() }), 'USAGE', /no signature/)
  await rejectsCode(
    put(signerOf('x'), chain, { signedRoot: root.bytes, attachments: wrong }),
    'USAGE',
    /does not count/,
  )
})

interface Way {
  readonly chain: AuthorChain
  readonly hops: readonly Hop[]
  readonly signer: Signer
}

/** An author that rotates so many times, each time for an epoch later, and then grants the next one. */
async function wayOf(label: string, rotations: number, grants: boolean): Promise<Way> {
  const chain = new AuthorChain(label)
  const { publicKey: author } = chain.signer
  let authority: Authority = createAuthority(author)
  let holder = chain.signer
  const hops: Hop[] = []
  for (let epoch = 1; epoch <= rotations; epoch++) {
    const next = signerOf(`${label} ${epoch}`)
    const statement = await signRotation(holder, { author, epoch, newKey: next.publicKey })
    hops.push(await signHop(holder, chain.name, statement))
    const added = addRotation(authority, decodeRotation(statement))
    if (added.outcome !== 'added') throw new Error(added.outcome)
    authority = added.authority
    holder = next
  }
  chain.authority = authority
  if (!grants) {
    await chain.publish({ signer: holder, epoch: rotations })
    return { chain, hops, signer: holder }
  }
  const signer = signerOf(`${label} granted`)
  const epoch = rotations + 1
  const payload = { author, name: chain.name, epoch, signer: signer.publicKey, firstSequence: 1, expires: null }
  const grant = await signGrant(holder, payload)
  hops.push(await signHop(holder, chain.name, grant))
  await chain.publish({ signer, epoch, grant })
  return { chain, hops, signer }
}

function recordOf({ chain, hops }: Way): PointerRecord {
  const attachments = new Map([[ATTACHMENT_IDS.bep44Hops as number, encodeHops(hops)]])
  return { signedRoot: chain.at(1).bytes, attachments: hops.length === 0 ? new Map() : attachments }
}

for (const [title, rotations, grants] of [
  ['a grant', 0, true],
  ['a rotation', 1, false],
  ['three rotations and a grant', 3, true],
  ['eight hops', 7, true],
] as const) {
  test(`a reader that knows the author's key alone finds the signer over ${title}; helpers put all of it again`, async () => {
    const way = await wayOf(`over ${title}`, rotations, grants)
    const { chain } = way
    const receipt = await put(way.signer, chain, recordOf(way))
    assert.ok(receipt.seen >= 8, JSON.stringify(receipt))
    const [shown] = await get(chain)
    assert.equal(shown?.record.signedRoot, chain.at(1).bytes)
    const learnt = shown?.record.attachments.get(ATTACHMENT_IDS.rotations)
    const known = learnt === undefined ? 0 : decodeRotations(pointerOf(chain).author, learnt).rotations.length
    assert.is(known, rotations)
    assert.equal(decodeHops(shown?.record.attachments.get(ATTACHMENT_IDS.bep44Hops) as Uint8Array), way.hops)
    // Where none of it is yet, by somebody without any key.
    const helper = openCarrier(elsewhere.addresses.slice(0, 3))
    const again = await helper.put?.(pointerOf(chain), shown?.record as PointerRecord, signal)
    await helper.close()
    assert.ok((again?.seen ?? 0) >= 8, JSON.stringify(again))
  })
}

test('a root that no reader is led to is stored, not seen, and the reason is said', async () => {
  const way = await wayOf('unled', 0, true)
  const receipt = await put(way.signer, way.chain, recordOf({ ...way, hops: [] }))
  assert.ok(receipt.stored >= 8)
  assert.is(receipt.seen, 0)
  assert.match(receipt.refusals.join(), /nothing at its author's key leads to it/)
})

test('hops that nobody entitled signed, that end elsewhere or that are too many lead nowhere', async () => {
  const way = await wayOf('forged hops', 1, true)
  const { chain, signer } = way
  const [first, second] = way.hops as [Hop, Hop]
  const stranger = signerOf('stranger')
  const forged = await signGrant(stranger, {
    author: chain.signer.publicKey,
    name: chain.name,
    epoch: 9,
    signer: stranger.publicKey,
    firstSequence: 1,
    expires: null,
  })
  const bad: readonly (readonly Hop[])[] = [
    [first],
    [second],
    [second, first],
    [first, first],
    [first, { ...second, signature: first.signature }],
    [first, await signHop(stranger, chain.name, second.statement)],
    [await signHop(chain.signer, chain.name, forged)],
  ]
  for (const hops of bad) await rejectsCode(put(signer, chain, recordOf({ ...way, hops })), 'USAGE', /do not lead/)
  await rejectsCode(
    put(signer, chain, recordOf({ ...way, hops: Array.from({ length: 9 }, () => first) })),
    'SIGNED_ROOT_INVALID',
  )
  // Where the author itself puts such an item, a reader does not follow it, although the next one is there.
  const item = await signHop(chain.signer, chain.name, forged)
  const sequence = Number(carrierSequence({ epoch: 9, sequence: 1 }))
  const put0 = await swarm.put(0, sha256(ascii('forged hops')), saltOf(chain.name), sequence, item.statement)
  assert.is(put0.error, undefined)
  const { payloadBytes } = chain.at(1)
  const pair = { key: stranger.publicKey, signature: await stranger.sign(payloadBytes) }
  const signedRoot = encodeSignedRoot(payloadBytes, [pair])
  assert.ok((await put(stranger, chain, { signedRoot, attachments: new Map() })).stored >= 8)
  assert.equal(await get(chain), [])
})

test('a node that would let an older one replace a newer is not asked to; others are told what they showed', async () => {
  const chain = new AuthorChain('lax')
  await chain.publishMany(3)
  const held = await signItem(chain.signer, saltOf(chain.name), 2n, chain.at(2).bytes)
  const told: unknown[] = []
  const lax = await DhtMember.start((asked, member) => {
    if (asked.kind === 'put') told.push(asked.arguments.get('seq'), asked.arguments.get('cas'))
    return [honest(asked, member, itemFields(held))]
  })
  const carrier = openCarrier([lax.address], chain.signer)
  try {
    const older = await carrier.put?.(
      pointerOf(chain),
      { signedRoot: chain.at(1).bytes, attachments: new Map() },
      signal,
    )
    assert.equal([older?.stored, older?.newer, told.length], [0, 1, 0])
    const newer = await carrier.put?.(
      pointerOf(chain),
      { signedRoot: chain.at(3).bytes, attachments: new Map() },
      signal,
    )
    assert.equal([newer?.stored, newer?.seen, told], [1, 0, [3n, 2n]])
  } finally {
    await carrier.close()
    await lax.stop()
  }
})

test.run()
