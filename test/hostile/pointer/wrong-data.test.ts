/** Arbitrary or wrong data in place of a signed root: nothing that the author did not sign moves a floor. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concatBytes } from '../../../src/bytes.ts'
import { cborArray, cborBytes } from '../../../src/pointer/cbor.ts'
import { encodeFloor, encodeSignedRoot } from '../../../src/pointer/index.ts'
import { encodePayload } from '../../../src/pointer/payload.ts'
import { AuthorChain, signerOf, treeOf } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'
import { assertProperty } from '../../support/property.ts'

const test = suite('hostile/pointer/wrong-data')

const chain = new AuthorChain()
await chain.publishMany(3)

test('random bytes, cut and joined records', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.tuple(fc.nat(2), fc.nat(400)).map(([i, length]) => chain.at(i + 1).bytes.slice(0, length)),
  )
  const property = fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (pieces) => {
    const replica = new TestReplica(chain.authority)
    replica.take(chain.at(3))
    const before = encodeFloor(replica.floor)
    replica.take(concatBytes(...pieces))
    assert.equal(encodeFloor(replica.floor), before)
  })
  await assertProperty(property, 300)
})

test('each field of the next root changed by a peer, under the old signature and under its own', async () => {
  const peer = signerOf('peer')
  const next = await chain.fork().publish()
  const { payload } = next
  const changes = [
    { root: treeOf(666).root },
    { entries: payload.entries + 1 },
    { bytes: payload.bytes + 1 },
    { sequence: 5 },
    { epoch: 1 },
    { issued: payload.issued + 1 },
    { expires: 2 ** 40 },
    { recent: [] },
    { history: new Uint8Array(32) },
    { previous: chain.at(2).link, recent: [] },
    { name: 'other', recent: [] },
    { author: peer.publicKey },
    { extensions: [{ id: 1, bytes: new Uint8Array(3) }] },
  ]
  for (const change of changes) {
    const payloadBytes = encodePayload({ ...payload, ...change })
    const stolen = encodeSignedRoot(payloadBytes, next.signatures)
    const own = encodeSignedRoot(payloadBytes, [{ key: peer.publicKey, signature: await peer.sign(payloadBytes) }])
    const claimed = encodeSignedRoot(payloadBytes, [
      { key: chain.signer.publicKey, signature: await peer.sign(payloadBytes) },
    ])
    for (const bytes of [stolen, own, claimed]) {
      const replica = new TestReplica(chain.authority)
      replica.take(chain.at(3))
      assert.match(replica.take(bytes), /^invalid/, JSON.stringify(Object.keys(change)))
      assert.equal(replica.accepted?.link, chain.at(3).link)
    }
  }
})

test('a signature over the bytes without their frame, or over another frame, does not count', async () => {
  const { payloadBytes } = await chain.fork().publish()
  for (const message of [cborBytes(payloadBytes), cborArray([cborBytes(payloadBytes)]), payloadBytes.subarray(1)]) {
    const signature = await chain.signer.sign(message)
    const replica = new TestReplica(chain.authority)
    const bytes = encodeSignedRoot(payloadBytes, [{ key: chain.signer.publicKey, signature }])
    assert.is(replica.take(bytes), 'invalid: signature')
  }
})

test.run()
