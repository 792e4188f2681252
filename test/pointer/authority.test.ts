/** Rotations and grants (docs/spec/record.md, 3). */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import {
  addRotation,
  authorityEpochAt,
  authorityKeyAt,
  createAuthority,
  decodeGrant,
  decodeRotation,
  decodeRotations,
  encodeRotations,
  ROTATIONS_MAX,
  signGrant,
  signRotation,
  verifyGrant,
  type Authority,
  type Rotation,
  type Signer,
} from '../../src/pointer/index.ts'
import { signerOf } from '../support/author-chain.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('pointer/authority')

const author = signerOf('author')

async function rotation(by: Signer, epoch: number, to: Signer, of: Signer = author): Promise<Rotation> {
  return decodeRotation(await signRotation(by, { author: of.publicKey, epoch, newKey: to.publicKey }))
}

function added(authority: Authority, one: Rotation): Authority {
  const result = addRotation(authority, one)
  if (result.outcome !== 'added') throw new Error(`expected added, got ${JSON.stringify(result)}`)
  return result.authority
}

const second = signerOf('second')
const third = signerOf('third')
const start = createAuthority(author.publicKey)
const atFive = await rotation(author, 5, second)
const atNine = await rotation(second, 9, third)
const chain = added(added(start, atFive), atNine)

test('each epoch has one authority', () => {
  const keys = [0, 4, 5, 8, 9, 4095].map((epoch) => authorityKeyAt(chain, epoch))
  const expected = [author, author, second, second, third, third].map(({ publicKey }) => publicKey)
  assert.equal(keys, expected)
  assert.equal(
    [0, 4, 5, 8, 9, 4095].map((epoch) => authorityEpochAt(chain, epoch)),
    [0, 0, 5, 5, 9, 9],
  )
})

test('a chain comes back from its bytes, verified', () => {
  assert.equal(decodeRotations(author.publicKey, encodeRotations(chain)), chain)
  assert.equal(decodeRotations(author.publicKey, encodeRotations(start)), start)
  for (const bytes of [
    new Uint8Array(0),
    Uint8Array.of(0x81),
    Uint8Array.of(0x80, 0),
    Uint8Array.of(0x99, 0x04, 0x01),
  ]) {
    throwsCode(() => decodeRotations(author.publicKey, bytes), 'SIGNED_ROOT_INVALID')
  }
  assert.throws(() => decodeRotations(second.publicKey, encodeRotations(chain)), /author/)
})

test('only the authority before it rotates, and only at the end of the chain', async () => {
  const outcome = async (
    by: Signer,
    epoch: number,
    to: Signer = signerOf('x'),
    of: Signer = author,
  ): Promise<unknown> => {
    const result = addRotation(chain, await rotation(by, epoch, to, of))
    return result.outcome === 'invalid' ? result.reason : result.outcome
  }
  assert.is(await outcome(third, 10), 'added')
  assert.is(await outcome(second, 10), 'signature')
  assert.is(await outcome(author, 10), 'signature')
  assert.is(await outcome(second, 7), 'order')
  assert.is(await outcome(author, 3), 'order')
  assert.is(await outcome(second, 9, third), 'same')
  assert.is(await outcome(second, 9), 'equivocation')
  assert.is(await outcome(third, 9), 'signature')
  assert.is(await outcome(second, 5, third, second), 'author')
})

test('epoch 0 is the author key for ever', async () => {
  const bytes = await signRotation(author, { author: author.publicKey, epoch: 0, newKey: second.publicKey })
  assert.throws(() => decodeRotation(bytes), /epoch: expected 1\.\.4095/)
})

test('a chain has an end', async () => {
  let authority = start
  let by = author
  for (let epoch = 1; epoch <= ROTATIONS_MAX; epoch++) {
    const to = epoch % 2 === 0 ? author : second
    authority = added(authority, await rotation(by, epoch, to))
    by = to
  }
  const result = addRotation(authority, await rotation(by, ROTATIONS_MAX + 1, third))
  assert.equal(result, { outcome: 'invalid', reason: 'limit' })
  assert.ok(encodeRotations(authority).length < 256 * 1024)
  assert.is(decodeRotations(author.publicKey, encodeRotations(authority)).rotations.length, ROTATIONS_MAX)
})

test('a grant comes back and is verified under the authority', async () => {
  const payload = { author: author.publicKey, name: 'cities', epoch: 3, signer: second.publicKey, firstSequence: 7 }
  for (const expires of [null, 1_900_000_000]) {
    const grant = decodeGrant(await signGrant(author, { ...payload, expires }))
    assert.equal([grant.name, grant.epoch, grant.firstSequence, grant.expires], ['cities', 3, 7, expires])
    assert.is(bytesToHex(grant.signer), bytesToHex(second.publicKey))
    assert.ok(verifyGrant(author.publicKey, grant))
    assert.not.ok(verifyGrant(second.publicKey, grant))
  }
})

test('the largest statements fit', async () => {
  const grant = await signGrant(author, {
    author: author.publicKey,
    name: 'n'.repeat(48),
    epoch: 4095,
    signer: second.publicKey,
    firstSequence: 2 ** 40 - 1,
    expires: Number.MAX_SAFE_INTEGER,
  })
  assert.is(grant.length, 225)
  assert.is(decodeGrant(grant).firstSequence, 2 ** 40 - 1)
})

test.run()
