/** Replay across databases and protocols: what was signed for one place counts nowhere else. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  decodeGrant,
  decodeRotation,
  encodeSignedRoot,
  signGrant,
  signRotation,
  type Signer,
} from '../../../src/pointer/index.ts'
import { AuthorChain, signerOf } from '../../support/author-chain.ts'
import { TestReplica } from '../../support/floors.ts'
import { throwsCode } from '../../support/throws.ts'

const test = suite('hostile/pointer/replay')

test('a root of another database of the same author, or of another author', async () => {
  const chain = new AuthorChain()
  const replica = new TestReplica(chain.authority)
  assert.is(replica.take(await new AuthorChain('author', 'other').publish()), 'invalid: name')
  assert.is(replica.take(await new AuthorChain('stranger').publish()), 'invalid: author')
})

test('a grant or a rotation is no signed root, nor one the other', async () => {
  const author = signerOf('author')
  const replica = new TestReplica(new AuthorChain().authority)
  const grant = await signGrant(author, {
    author: author.publicKey,
    name: 'test',
    epoch: 1,
    signer: author.publicKey,
    firstSequence: 1,
    expires: null,
  })
  const rotation = await signRotation(author, { author: author.publicKey, epoch: 1, newKey: author.publicKey })
  const root = (await new AuthorChain().publish()).bytes
  for (const bytes of [grant, rotation]) {
    assert.is(replica.take(bytes), 'invalid: malformed')
    const { payloadBytes, signature } = bytes === grant ? decodeGrant(grant) : decodeRotation(rotation)
    const wrapped = encodeSignedRoot(payloadBytes, [{ key: author.publicKey, signature }])
    assert.is(replica.take(wrapped), 'invalid: malformed')
  }
  for (const bytes of [rotation, root]) throwsCode(() => decodeGrant(bytes), 'SIGNED_ROOT_INVALID')
  for (const bytes of [grant, root]) throwsCode(() => decodeRotation(bytes), 'SIGNED_ROOT_INVALID')
})

test('a grant for another database, epoch or signer', async () => {
  const chain = new AuthorChain()
  await chain.publish()
  const signer = signerOf('signer')
  const base = {
    author: chain.signer.publicKey,
    name: 'test',
    epoch: 1,
    signer: signer.publicKey,
    firstSequence: 1,
    expires: null,
  }
  const right = await signGrant(chain.signer, base)
  const made = await chain.publish({ epoch: 1, signer, grant: right })
  const other: readonly [string, object, Signer][] = [
    ['name', { ...base, name: 'other' }, chain.signer],
    ['epoch', { ...base, epoch: 2 }, chain.signer],
    ['author', { ...base, author: signer.publicKey }, chain.signer],
    ['authority', base, signer],
  ]
  const { encodePayload } = await import('../../../src/pointer/payload.ts')
  for (const [label, payload, by] of other) {
    const grant = await signGrant(by, payload as typeof base)
    const payloadBytes = encodePayload({ ...made.payload, grant })
    const signature = await signer.sign(payloadBytes)
    const replica = new TestReplica(chain.authority)
    replica.take(chain.at(1))
    const bytes = encodeSignedRoot(payloadBytes, [{ key: signer.publicKey, signature }])
    assert.is(replica.take(bytes), 'invalid: grant', label)
  }
})

test.run()
