/** Who signs the next root, and why somebody may not (docs/spec/record.md, 3): told before anything is signed, and to readers. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoppiceError, isCoppiceError } from '../../src/errors.ts'
import {
  addRotation,
  type Authority,
  chooseEpoch,
  createAuthority,
  decodeChain,
  decodeGrant,
  decodeRotation,
  encodePayload,
  encodeRotations,
  encodeSignedRoot,
  type Grant,
  type GrantPayload,
  joinRotations,
  judgeSignedRoot,
  createFloor,
  type NextRootOptions,
  type RootPayload,
  type Rotation,
  signGrant,
  type Signer,
  signRotation,
  verifyPastRoot,
  verifySignedRoot,
} from '../../src/pointer/index.ts'
import { AuthorChain, signerOf, START } from '../support/author-chain.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('pointer/entitlement')

const signer = signerOf('signer')

/** A signer that must not be asked. */
const unasked = (publicKey: Uint8Array): Signer => ({
  publicKey,
  sign: () => {
    throw new Error('asked to sign')
  },
})

function grantOf(
  chain: AuthorChain,
  grant: Partial<GrantPayload> = {},
  by: Signer = chain.signer,
): Promise<Uint8Array> {
  const { author } = chain.authority
  const defaults = { author, name: 'test', epoch: 1, signer: signer.publicKey, firstSequence: 1, expires: null }
  return signGrant(by, { ...defaults, ...grant })
}

async function rotate(authority: Authority, by: Signer, epoch: number, to: Signer): Promise<Authority> {
  const { author } = authority
  const rotation = decodeRotation(await signRotation(by, { author, epoch, newKey: to.publicKey }))
  const result = addRotation(authority, rotation)
  if (result.outcome !== 'added') throw new Error(`expected it to be added, got ${result.outcome}`)
  return result.authority
}

async function refusal(publishing: Promise<unknown>): Promise<CoppiceError> {
  const error = await publishing.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (error instanceof CoppiceError && error.code === 'PUBLISH_REFUSED') return error
  throw error ?? new Error('expected it to be refused')
}

test('each reason is told before the key is asked to sign', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const now = START + 500
  const held = unasked(signer.publicKey)
  const cases: readonly [reason: string, message: RegExp, options: Partial<NextRootOptions>][] = [
    ['signer', /another key needs a new epoch/, { signer: held }],
    ['signer', /the author key, which has the authority of epoch 1/, { signer: held, epoch: 1 }],
    ['signer', /is granted to/, { signer: unasked(chain.signer.publicKey), epoch: 1, grant: await grantOf(chain) }],
    ['grant-expired', /expired at 2027-01-15 08:05:00Z/, { grant: await grantOf(chain, { expires: START + 300 }) }],
    ['grant-early', /expected sequence 4 or later, got 3/, { grant: await grantOf(chain, { firstSequence: 4 }) }],
    ['grant-epoch', /expected one for epoch 2, got one for epoch 1/, { epoch: 2, grant: await grantOf(chain) }],
    ['grant-database', /got one for other of k51/, { grant: await grantOf(chain, { name: 'other' }) }],
    ['grant-database', /of k51/, { grant: await grantOf(chain, { author: signer.publicKey }) }],
    ['grant-signature', /authority of epoch 1/, { grant: await grantOf(chain, {}, signer) }],
  ]
  for (const [reason, message, options] of cases) {
    const error = await refusal(chain.publish({ now, epoch: reason === 'signer' ? 0 : 1, signer: held, ...options }))
    assert.is(error.details['reason'], reason)
    assert.match(error.message, message)
  }
  // A second before its end it holds.
  await chain.publish({ now: START + 299, epoch: 1, signer, grant: await grantOf(chain, { expires: START + 300 }) })
})

test('a reader says what is wrong with a root, in words', async () => {
  const chain = new AuthorChain()
  const first = await chain.publish()
  const grant = await grantOf(chain, { expires: START + 300, firstSequence: 2 })
  const real = await chain.publish({ epoch: 1, signer, grant })
  const thief = signerOf('thief')
  const judge = async (payload: Partial<RootPayload>, by: Signer, authority = chain.authority): Promise<string> => {
    const bytes = encodePayload({ ...real.payload, ...payload })
    const signature = await by.sign(bytes)
    const root = encodeSignedRoot(bytes, [{ key: by.publicKey, signature }])
    const verdict = judgeSignedRoot(createFloor(authority.author, 'test'), root, { authority, now: START + 1e6 })
    return verdict.outcome === 'invalid' ? `${verdict.reason}: ${verdict.error?.message}` : verdict.outcome
  }
  assert.is(await judge({}, signer), 'accepted')
  assert.match(
    await judge({ issued: START + 300 }, signer),
    /^grant: signed root: grant of the signer: .*expired at 2027/,
  )
  assert.match(
    await judge({ grant: await grantOf(chain, {}, thief) }, signer),
    /^grant: .*signature of the authority of epoch 1/,
  )
  assert.match(await judge({ epoch: 2 }, signer), /^grant: .*epoch 2, got one for epoch 1/)
  assert.match(await judge({}, thief), /^signer: .*, which is granted, got k51/)
  assert.match(await judge({ grant: null }, thief), /^signer: .*, the author key, got k51/)
  assert.match(await judge({ author: thief.publicKey }, signer), /^author: /)
  const after = await rotate(chain.authority, chain.signer, 1, signerOf('new'))
  assert.match(
    await judge({ grant: null }, chain.signer, after),
    /^signer: .*rotation gave the authority from epoch 1 on/,
  )
  // What was valid before a rotation is the author's past, though it counts no more.
  assert.is(verifySignedRoot(real, after), 'grant')
  assert.equal([verifyPastRoot(real, after), verifyPastRoot(first, after)], [undefined, undefined])
  const forged = await new AuthorChain('thief').publish()
  assert.is(verifyPastRoot(forged, after), 'author')
})

test('which epoch and key come next', async () => {
  const chain = new AuthorChain()
  const [author, next] = [chain.signer.publicKey, signerOf('new')]
  const keys = (...signers: Signer[]): Uint8Array[] => signers.map(({ publicKey }) => publicKey)
  assert.equal(chooseEpoch(null, chain.authority), { epoch: 0, key: author, grant: null })
  const first = await chain.publish()
  assert.equal(chooseEpoch(first, chain.authority, { keys: keys(next) }), { epoch: 0, key: author, grant: null })
  assert.equal(chooseEpoch(first, chain.authority, { newEpoch: true }), { epoch: 1, key: author, grant: null })
  const grant: Grant = decodeGrant(await grantOf(chain, { epoch: 4 }))
  const granted = { epoch: 4, key: signer.publicKey, grant: grant.bytes }
  assert.equal(chooseEpoch(first, chain.authority, { grant, newEpoch: true }), granted)
  const fourth = await chain.publish({ epoch: 4, signer, grant: grant.bytes })
  assert.equal(chooseEpoch(fourth, chain.authority, { keys: keys(chain.signer) }), granted)
  // A rotation for a later epoch: the signer goes on until a root of that epoch is signed.
  const after = await rotate(chain.authority, chain.signer, 6, next)
  const taken = { epoch: 6, key: next.publicKey, grant: null }
  assert.equal(chooseEpoch(fourth, after), granted)
  assert.equal(chooseEpoch(fourth, after, { keys: keys(next, signer) }), granted)
  assert.equal(chooseEpoch(fourth, after, { keys: keys(next) }), taken)
  assert.equal(chooseEpoch(fourth, after, { newEpoch: true }), taken)
  assert.equal(chooseEpoch(null, after), taken)
  // One that takes over the epoch that had begun.
  const late = await rotate(chain.authority, chain.signer, 2, next)
  assert.equal(chooseEpoch(fourth, late, { keys: keys(signer) }), { epoch: 5, key: next.publicKey, grant: null })
})

test('chains of rotations are joined, and a second one for an epoch is set apart', async () => {
  const author = signerOf('author')
  const [a, b, c] = [signerOf('a'), signerOf('b'), signerOf('c')]
  const none = createAuthority(author.publicKey)
  const one = await rotate(none, author, 2, a)
  const two = await rotate(one, a, 5, b)
  const joined = joinRotations(none, encodeRotations(two))
  assert.equal([joined.added, joined.conflict, joined.authority.rotations.length], [2, undefined, 2])
  assert.equal([joinRotations(two, encodeRotations(one)).added, joinRotations(one, encodeRotations(two)).added], [0, 1])
  assert.is(joinRotations(two, encodeRotations(none)).added, 0)
  const other = await rotate(await rotate(none, author, 2, c), c, 7, b)
  const split = joinRotations(two, encodeRotations(other))
  assert.equal([split.added, split.conflict?.held.epoch], [0, 2])
  assert.equal(split.authority, two)
  const between = await rotate(one, a, 3, c)
  const failed = joinRotations(two, encodeRotations(between))
  assert.is(failed.authority, two)
  assert.match(failed.failure?.message ?? '', /order/)
  const foreign = joinRotations(createAuthority(a.publicKey), encodeRotations(one))
  assert.equal([foreign.added, isCoppiceError(foreign.failure, 'SIGNED_ROOT_INVALID')], [0, true])
  throwsCode(() => joinRotations(none, Uint8Array.of(1)), 'SIGNED_ROOT_INVALID')
  const three = await rotate(two, b, 9, c)
  const last = three.rotations.at(-1) as Rotation
  const forged = { ...last, bytes: last.bytes.with(-1, (last.bytes.at(-1) ?? 0) ^ 1) }
  const bogus = encodeRotations({ ...two, rotations: [...two.rotations, forged] })
  const begun = joinRotations(none, bogus)
  assert.equal(
    [begun.added, isCoppiceError(begun.failure, 'SIGNED_ROOT_INVALID')],
    [2, true],
    'what is valid before it counts',
  )
  assert.equal(begun.authority, two)
  assert.is(joinRotations(begun.authority, bogus).authority, begun.authority, 'and is not verified again')
  assert.equal(decodeChain(encodeRotations(two)), two)
  throwsCode(() => decodeChain(encodeRotations(none)), 'SIGNED_ROOT_INVALID')
})

test.run()
