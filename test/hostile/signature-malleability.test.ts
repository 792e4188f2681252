/**
 * Threat 15: other signature bytes, keys and envelopes for the same payload, shown by a peer that serves all its blocks. None
 * counts, however many libraries would take them, and none makes another root of one that is already accepted.
 * More of them for the pure functions: pointer/signature-malleability.test.ts.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeSignedRoot, encodeSignedRoot, type SignedRoot } from '../../src/pointer/index.ts'
import type { Put } from '../../src/prolly/index.ts'
import type { PeerReport } from '../../src/sync/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { DatabaseLab, failureOf, outcomesOf, text, utf8 } from '../support/database-lab.ts'
import { hex } from '../support/hex.ts'
import { RogueAuthor } from '../support/rogue-author.ts'

const test = suite('hostile/signature-malleability')

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const SMALL_ORDER: readonly string[] = [
  '01' + '00'.repeat(31),
  'ec' + 'ff'.repeat(30) + '7f',
  '00'.repeat(32),
  '00'.repeat(31) + '80',
  'ed' + 'ff'.repeat(30) + '7f',
]

const rows = (value: string): Put[] => [{ key: utf8('n'), value: utf8(value) }]

function signatureOf(root: SignedRoot): Uint8Array {
  const [pair] = root.signatures
  if (pair === undefined) throw new Error('expected a signature')
  return pair.signature
}

function withS(signature: Uint8Array, change: (s: bigint) => bigint): Uint8Array {
  const out = signature.slice()
  let s = change(out.subarray(32).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n))
  for (let i = 32; i < 64; i++, s >>= 8n) out[i] = Number(s & 255n)
  return out
}

/** The payload of `root` under everything that is not its one signature in its one envelope. */
function forgeriesOf(root: SignedRoot): ReadonlyMap<string, Uint8Array> {
  const { key, payloadBytes, bytes } = root
  const signature = signatureOf(root)
  const sealed = (changed: Uint8Array, by = key): Uint8Array =>
    encodeSignedRoot(payloadBytes, [{ key: by, signature: changed }])
  const universal = (point: string): Uint8Array => hex(point + '00'.repeat(32))
  return new Map([
    ['S + L', sealed(withS(signature, (s) => s + ORDER))],
    ['L - S', sealed(withS(signature, (s) => ORDER - s))],
    ['S with a high bit', sealed(withS(signature, (s) => s | (1n << 255n)))],
    ['S = 0', sealed(withS(signature, () => 0n))],
    ...SMALL_ORDER.map((point): [string, Uint8Array] => [`R = ${point}`, sealed(universal(point))]),
    ...SMALL_ORDER.map((point): [string, Uint8Array] => [
      `the key ${point}, of small order`,
      sealed(universal(point), hex(point)),
    ]),
    ['a long array head', Uint8Array.of(0x98, 2, ...bytes.subarray(1))],
    ['an array without a length', Uint8Array.of(0x9f, ...bytes.subarray(1), 0xff)],
    ['a tag before it', Uint8Array.of(0xd9, 0xd9, 0xf7, ...bytes)],
    ['a byte behind it', Uint8Array.of(...bytes, 0)],
    [
      'the signature twice',
      encodeSignedRoot(payloadBytes, [
        { key, signature },
        { key, signature },
      ]),
    ],
    ['no signature', encodeSignedRoot(payloadBytes, [])],
  ])
}

test('no forgery of the next root moves a replica, and its peer is named', async () => {
  const author = new RogueAuthor(surroundings.clock)
  const first = await author.publish(rows('1'))
  const second = await author.publish(rows('2'))
  const forgeries = forgeriesOf(second)
  assert.is(forgeries.size, 20)
  for (const [label, bytes] of forgeries) {
    const lab = new DatabaseLab()
    lab.handle('alice', author.showing(first))
    lab.handle('mallory', author.showingBytes(bytes))
    const replica = await lab.replica(author, ['alice', 'mallory'])
    const { report } = await replica.pull()
    assert.equal(outcomesOf(report), { alice: 'used', mallory: 'liar' }, label)
    assert.equal([text(await replica.get(utf8('n'))), (await replica.standing()).newest?.bytes], ['1', first.bytes])
    lab.handle('alice', author.showing(second))
    await replica.setPeers(['alice'])
    assert.is((await replica.pull()).to.payload.sequence, 2, `${label}: the right one is still news`)
  }
})

test('an author key of small order, under which one signature fits every payload, is followed nowhere', async () => {
  const author = new RogueAuthor(surroundings.clock)
  const root = await author.publish(rows('1'))
  for (const point of SMALL_ORDER) {
    const key = hex(point)
    const payload = root.payloadBytes.slice()
    // Element 2 of the payload: 17 bytes of domain, format and head before it, then its own head of two bytes.
    payload.set(key, 19)
    const bytes = encodeSignedRoot(payload, [{ key, signature: hex(point + '00'.repeat(32)) }])
    assert.equal(decodeSignedRoot(bytes).payload.author, key)
    const victim = new RogueAuthor(surroundings.clock)
    Object.defineProperty(victim, 'author', { value: key })
    await victim.hold([{ link: root.payload.root, bytes: author.store.get(root.payload.root) ?? new Uint8Array(0) }])
    const lab = new DatabaseLab()
    lab.handle('mallory', victim.showingBytes(bytes))
    const replica = await lab.replica(victim, ['mallory'])
    const error = await failureOf(replica.pull())
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.equal(outcomesOf({ peers: error.details['peers'] as PeerReport[] }), { mallory: 'liar' })
    assert.is(await replica.isComplete(), false)
  }
})

test('an accepted root under other signature bytes is the same one: never news, never against the author, never passed on', async () => {
  const author = new RogueAuthor(surroundings.clock)
  const root = await author.publish(rows('1'))
  const lab = new DatabaseLab()
  lab.handle('alice', author.showing(root))
  const replica = await lab.replica(author, ['alice'])
  await replica.pull()
  for (const changed of [withS(signatureOf(root), (s) => s + ORDER), new Uint8Array(64)]) {
    lab.handle(
      'mallory',
      author.showingBytes(encodeSignedRoot(root.payloadBytes, [{ key: root.key, signature: changed }])),
    )
    await replica.setPeers(['mallory'])
    const { changed: moved, judgements } = await replica.pull()
    assert.is(moved, false)
    assert.ok(judgements.every(({ outcome }) => outcome === 'same'))
    assert.equal((await replica.standing()).evidence, [])
    lab.serve('replica', replica)
    const onward = await lab.replica(author, ['replica'])
    await onward.pull()
    assert.equal((await onward.published())?.bytes, root.bytes, 'what is passed on is what verified')
  }
})

test.run()
