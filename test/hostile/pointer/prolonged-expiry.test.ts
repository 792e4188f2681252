/** Others publish old data again to prolong it: the promise stands inside the signed bytes and is the author's alone. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeSignedRoot, getFreshness } from '../../../src/pointer/index.ts'
import { encodePayload } from '../../../src/pointer/payload.ts'
import { AuthorChain, signerOf, START } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'

const test = suite('hostile/pointer/prolonged-expiry')

test('put again it is the same root, as old as it was', async () => {
  const chain = new AuthorChain()
  const root = await chain.publish({ now: START, expires: START + 60 })
  const replica = new TestReplica(chain.authority)
  replica.take(root)
  assert.is(replica.take(root.bytes.slice()), 'same')
  assert.is(getFreshness(root, START + 60), 'expired')
})

test('with another expiry or issue time it is nobody’s root', async () => {
  const chain = new AuthorChain()
  const root = await chain.publish({ now: START, expires: START + 60 })
  const carrier = signerOf('carrier')
  for (const change of [{ expires: START + 6000 }, { expires: null }, { issued: START + 50 }]) {
    const payloadBytes = encodePayload({ ...root.payload, ...change })
    const byCarrier = [{ key: carrier.publicKey, signature: await carrier.sign(payloadBytes) }]
    const replica = new TestReplica(chain.authority)
    assert.is(replica.take(encodeSignedRoot(payloadBytes, root.signatures)), 'invalid: signature')
    assert.is(replica.take(encodeSignedRoot(payloadBytes, byCarrier)), 'invalid: signer')
  }
})

test.run()
