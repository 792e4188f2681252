/** Signature malleability: other bytes that also verify would be other identities, or would split readers. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeSignedRoot, encodeSignedRoot } from '../../../src/pointer/index.ts'
import { AuthorChain } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'
import { hex } from '../../support/hex.ts'

const test = suite('hostile/pointer/signature-malleability')

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

const chain = new AuthorChain()
const root = await chain.publish()
const signature = root.signatures[0]?.signature ?? new Uint8Array(64)

function withS(change: (s: bigint) => bigint): Uint8Array {
  const out = signature.slice()
  let s = change(out.subarray(32).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n))
  for (let i = 32; i < 64; i++, s >>= 8n) out[i] = Number(s & 255n)
  return out
}

test('S + L, L - S, S + 8L, a set high bit: none counts', () => {
  const malleable = [
    withS((s) => s + ORDER),
    withS((s) => ORDER - s),
    withS((s) => s + 8n * ORDER),
    withS((s) => s | (1n << 255n)),
    withS(() => 0n),
  ]
  for (const changed of malleable) {
    const replica = new TestReplica(chain.authority)
    const bytes = encodeSignedRoot(root.payloadBytes, [{ key: root.key, signature: changed }])
    assert.is(replica.take(bytes), 'invalid: signature')
  }
})

test('small-order keys and R, for which one signature fits every message, count nowhere', () => {
  for (const point of [
    '01' + '00'.repeat(31),
    'ec' + 'ff'.repeat(30) + '7f',
    '00'.repeat(32),
    '00'.repeat(31) + '80',
  ]) {
    const forged = hex(point + '00'.repeat(32))
    const replica = new TestReplica(chain.authority)
    assert.is(
      replica.take(encodeSignedRoot(root.payloadBytes, [{ key: root.key, signature: forged }])),
      'invalid: signature',
    )
    const author = hex(point)
    const own = new TestReplica({ author, rotations: [] })
    const payloadBytes = root.payloadBytes.slice()
    payloadBytes.set(author, 19)
    const judged = own.take(encodeSignedRoot(payloadBytes, [{ key: author, signature: forged }]))
    assert.is(judged, 'invalid: signature')
  }
})

test('identity is the payload: a root with any other signature bytes is the same, and is never newer or different', () => {
  const replica = new TestReplica(chain.authority)
  replica.take(root)
  for (const changed of [withS((s) => s ^ 1n), new Uint8Array(64)]) {
    const bytes = encodeSignedRoot(root.payloadBytes, [{ key: root.key, signature: changed }])
    assert.equal(decodeSignedRoot(bytes).link, root.link)
    assert.is(replica.take(bytes), 'same')
    assert.equal(replica.accepted?.bytes, root.bytes, 'what is kept is what verified')
  }
})

test.run()
