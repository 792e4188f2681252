/** Fast-forward: whoever got a signing key jumps to the last sequence, so that nothing can follow. A higher epoch can. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  decodeSignedRoot,
  encodeSignedRoot,
  proveLink,
  signGrant,
  type SignedRoot,
} from '../../../src/pointer/index.ts'
import { encodePayload } from '../../../src/pointer/payload.ts'
import { AuthorChain, signerOf } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'

const test = suite('hostile/pointer/fast-forward')

test('a jump is accepted as unlinked at best, and the authority recovers below it', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const author = chain.signer
  const signer = signerOf('signer')
  const grant = await signGrant(author, {
    author: author.publicKey,
    name: 'test',
    epoch: 1,
    signer: signer.publicKey,
    firstSequence: 3,
    expires: null,
  })
  const third = await chain.publish({ epoch: 1, signer, grant })
  const payloadBytes = encodePayload({
    ...third.payload,
    sequence: 2 ** 40 - 1,
    history: new Uint8Array(32).fill(7),
    recent: [],
  })
  const jumped = encodeSignedRoot(payloadBytes, [{ key: signer.publicKey, signature: await signer.sign(payloadBytes) }])
  const replica = new TestReplica(chain.authority)
  replica.take(third)
  assert.is(replica.take(jumped, { proof: await proveLink(1, 3, chain.subtrees) }), 'unlinked')
  const lost = await chain.publish({ epoch: 1, signer })
  assert.is(replica.take(lost), 'stale')

  const recovered = await chain.publish({ epoch: 2, resolves: [(decodeSignedRoot(jumped) as SignedRoot).link] })
  assert.is(recovered.payload.sequence, 5)
  assert.is(replica.take(recovered), 'resolved')
  assert.is(replica.take(jumped), 'stale')
  assert.is(replica.take(await chain.publish()), 'linked')
})

test('a fast-forwarded epoch is refused to whoever has no authority over it', async () => {
  const chain = new AuthorChain()
  await chain.publish()
  const signer = signerOf('signer')
  const payload = {
    author: chain.signer.publicKey,
    name: 'test',
    signer: signer.publicKey,
    expires: null,
    firstSequence: 1,
  }
  const granted = await chain.publish({
    epoch: 1,
    signer,
    grant: await signGrant(chain.signer, { ...payload, epoch: 1 }),
  })
  const own = await signGrant(signer, { ...payload, epoch: 4095 })
  const replica = new TestReplica(chain.authority)
  replica.take(granted)
  for (const [grant, expected] of [
    [null, 'invalid: signer'],
    [own, 'invalid: grant'],
    [granted.payload.grant, 'invalid: grant'],
  ] as const) {
    const payloadBytes = encodePayload({
      ...granted.payload,
      sequence: 3,
      epoch: 4095,
      grant,
      previous: granted.link,
      recent: [],
    })
    const bytes = encodeSignedRoot(payloadBytes, [
      { key: signer.publicKey, signature: await signer.sign(payloadBytes) },
    ])
    assert.is(replica.take(bytes), expected)
  }
})

test.run()
