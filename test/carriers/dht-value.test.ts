/** What nodes of the own DHT keep of a database: the form of a value, and which of two takes the other's place, in any order. */
import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import { decodeDhtValue, DHT_RULES, DHT_VALUE_BYTES_MAX, dhtKey, encodeDhtValue } from '../../src/carriers/dht/value.ts'
import type { ValueClaim } from '../../src/carriers/value-network.ts'
import {
  addRotation,
  type Authority,
  createAuthority,
  decodeRotation,
  encodeEvidence,
  encodeRotations,
  findConflict,
  type Signer,
  signRotation,
} from '../../src/pointer/index.ts'
import { pointerOf, recordOf } from '../conformance/carriers.ts'
import { AuthorChain, signerOf, START } from '../support/author-chain.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('carriers/dht-value')

type Floor = Parameters<typeof DHT_RULES.replaces>[0]

function claimOf(chain: AuthorChain, value: Uint8Array): ValueClaim<Floor> {
  const claim = DHT_RULES.read(dhtKey(pointerOf(chain)), value)
  assert.ok(claim)
  return claim
}

/** The chain of `count` rotations of a key, each by the key before; the signer at its end. */
async function rotated(
  first: Signer,
  epochs: readonly number[],
  label = 'rotated',
): Promise<{ readonly authority: Authority; readonly signer: Signer }> {
  let authority = createAuthority(first.publicKey)
  let signer = first
  for (const epoch of epochs) {
    const next = signerOf(`${label} ${epoch}`)
    const payload = { author: first.publicKey, epoch, newKey: next.publicKey }
    const added = addRotation(authority, decodeRotation(await signRotation(signer, payload)))
    if (added.outcome !== 'added') throw new Error(added.outcome)
    authority = added.authority
    signer = next
  }
  return { authority, signer }
}

function withRotations({ bytes }: { readonly bytes: Uint8Array }, authority: Authority): Uint8Array {
  const attachments = new Map<number, Uint8Array>([[ATTACHMENT_IDS.rotations, encodeRotations(authority)]])
  return encodeDhtValue({ signedRoot: bytes, attachments })
}

test('the key is a hash with a domain, and hides who and what', () => {
  const chain = new AuthorChain('author', 'cities')
  const hash = createHash('sha256')
    .update('coppice/pointer/1\0')
    .update(chain.authority.author)
    .update('cities')
    .digest()
  assert.is(
    Buffer.from(dhtKey(pointerOf(chain))).toString('hex'),
    Buffer.concat([Buffer.from('/coppice/'), hash]).toString('hex'),
  )
})

test('a value says what it was made of, and nothing else is one', async () => {
  const [seed = 0] = seeds(1)
  const random = new Random(seed)
  const chain = new AuthorChain()
  const { authority } = await rotated(chain.signer, [3])
  const root = await chain.publish()
  const attachments = new Map<number, Uint8Array>([
    [ATTACHMENT_IDS.rotations, encodeRotations(authority)],
    [ATTACHMENT_IDS.bep44, new Uint8Array(64)],
  ])
  const value = encodeDhtValue({ signedRoot: root.bytes, attachments })
  const read = decodeDhtValue(value)
  assert.equal(read?.signedRoot, root.bytes)
  assert.equal([...(read?.attachments ?? [])], [[ATTACHMENT_IDS.rotations, encodeRotations(authority)]], 'no envelopes')
  assert.ok(claimOf(chain, value).verify())
  const key = dhtKey(pointerOf(chain))
  for (let i = 0; i < 300; i++) {
    const changed = value.slice()
    const at = random.below(value.length)
    changed[at] = (changed[at] as number) ^ random.between(1, 255)
    assert.is(DHT_RULES.read(key, changed)?.verify() ?? false, false, `byte ${at}`)
    assert.is(DHT_RULES.read(key, random.bytes(random.below(1200))), undefined)
  }
})

test('a chain of rotations that does not fit is a coded error, and evidence gives way before', async () => {
  const chain = new AuthorChain()
  const root = await chain.publish()
  const fitting = (
    await rotated(
      chain.signer,
      Array.from({ length: 55 }, (_, i) => i + 1),
    )
  ).authority
  assert.ok(withRotations(root, fitting).length <= DHT_VALUE_BYTES_MAX)
  const evidence = new Uint8Array(4000)
  const both = new Map<number, Uint8Array>([
    [ATTACHMENT_IDS.rotations, encodeRotations(fitting)],
    [ATTACHMENT_IDS.evidence, evidence],
  ])
  const kept = decodeDhtValue(encodeDhtValue({ signedRoot: root.bytes, attachments: both }))?.attachments
  assert.equal([...(kept?.keys() ?? [])], [ATTACHMENT_IDS.rotations])
  const long = (
    await rotated(
      chain.signer,
      Array.from({ length: 80 }, (_, i) => i + 1),
    )
  ).authority
  throwsCode(() => withRotations(root, long), 'USAGE')
})

test('the higher root takes the place of the lower one, and no other', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  await chain.publish({ epoch: 2 })
  const floors = chain.roots.map((root) => claimOf(chain, encodeDhtValue(recordOf(root))).floor)
  for (const [i, held] of floors.entries())
    for (const [j, next] of floors.entries()) assert.is(DHT_RULES.replaces(held, next), j > i, `${i} to ${j}`)
  const other = new AuthorChain()
  await other.publish({ now: START + 999 })
  const [mine, fork] = [floors[0], claimOf(other, encodeDhtValue(recordOf(other.at(1)))).floor]
  assert.ok(mine)
  assert.not(DHT_RULES.replaces(mine, fork), 'of one place the first stays')
})

test('of one root, the value that says more of forks and rotations stays', async () => {
  const chain = new AuthorChain()
  const other = new AuthorChain()
  const root = await chain.publish()
  const rival = await other.publish({ now: START + 999 })
  const conflict = findConflict(root, rival)
  assert.ok(conflict)
  const told = new Map<number, Uint8Array>([[ATTACHMENT_IDS.evidence, encodeEvidence(conflict)]])
  const plain = claimOf(chain, encodeDhtValue(recordOf(root)))
  const telling = claimOf(chain, encodeDhtValue({ signedRoot: root.bytes, attachments: told }))
  assert.ok(telling.verify())
  assert.ok(DHT_RULES.replaces(plain.floor, telling.floor))
  assert.not(DHT_RULES.replaces(telling.floor, plain.floor))
  const { authority } = await rotated(chain.signer, [7])
  const rotating = claimOf(chain, withRotations(root, authority))
  assert.ok(DHT_RULES.replaces(plain.floor, rotating.floor))
  assert.not(DHT_RULES.replaces(rotating.floor, plain.floor))
})

test('evidence of another database is not kept', async () => {
  const chain = new AuthorChain('author', 'one')
  const [left, right] = [new AuthorChain('author', 'two'), new AuthorChain('author', 'two')]
  const conflict = findConflict(await left.publish(), await right.publish({ now: START + 999 }))
  assert.ok(conflict)
  const attachments = new Map<number, Uint8Array>([[ATTACHMENT_IDS.evidence, encodeEvidence(conflict)]])
  const { bytes: signedRoot } = await chain.publish()
  assert.not(claimOf(chain, encodeDhtValue({ signedRoot, attachments })).verify())
})

test('a key that was rotated away cannot keep its place, nor get it back', async () => {
  const stolen = new AuthorChain()
  const fixed = await stolen.publish({ epoch: 4095 })
  const held = claimOf(stolen, encodeDhtValue(recordOf(fixed)))
  const { authority, signer } = await rotated(stolen.signer, [5])
  const honest = new AuthorChain()
  honest.authority = authority
  const root = await honest.publish({ signer, epoch: 5 })
  const next = claimOf(honest, withRotations(root, authority))
  assert.ok(held.verify() && next.verify())
  assert.ok(DHT_RULES.replaces(held.floor, next.floor), 'though it is lower')
  assert.not(DHT_RULES.replaces(next.floor, held.floor), 'though it is higher')
  assert.not(claimOf(honest, withRotations(fixed, authority)).verify(), 'with the rotation it is not valid')
  // A chain of its own that the old key signs after the fact is another one than that which is held.
  const rival = await rotated(stolen.signer, [4, 5, 6], 'rival')
  const again = new AuthorChain()
  again.authority = rival.authority
  const after = claimOf(
    again,
    withRotations(await again.publish({ signer: rival.signer, epoch: 4095 }), rival.authority),
  )
  assert.ok(after.verify())
  assert.not(DHT_RULES.replaces(next.floor, after.floor))
})

test('a rotation for later epochs lets no older root back', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const { authority } = await rotated(chain.signer, [9])
  const held = claimOf(chain, encodeDhtValue(recordOf(chain.at(2))))
  const older = claimOf(chain, withRotations(chain.at(1), authority))
  assert.ok(older.verify())
  assert.not(DHT_RULES.replaces(held.floor, older.floor))
})

test.run()
