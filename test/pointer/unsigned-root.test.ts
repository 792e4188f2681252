/** Roots that are signed elsewhere (docs/spec/record.md, 6): the signer gets nothing but the next root of the chain, and never two. */
import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, linkTo } from '../../src/link.ts'
import { cborArray, cborBytes, cborNullable, cborText } from '../../src/pointer/cbor.ts'
import {
  addRotation,
  type Authority,
  createAuthority,
  decodeRotation,
  decodeUnsignedRoot,
  encodePayload,
  encodePublished,
  encodeRotations,
  encodeStatementFile,
  type NextPayloadOptions,
  prepareUnsignedRoot,
  type Published,
  type RootPayload,
  signGrant,
  type Signer,
  signRotation,
  signUnsignedRoot,
  verifySignedRoot,
} from '../../src/pointer/index.ts'
import { AuthorChain, signerOf, START, treeOf } from '../support/author-chain.ts'
import { assertProperty } from '../support/property.ts'
import { rejectsCode, throwsCode } from '../support/throws.ts'

const test = suite('pointer/unsigned-root')

function optionsOf(chain: AuthorChain, options: Partial<NextPayloadOptions> = {}): NextPayloadOptions {
  const sequence = (chain.published?.signed.payload.sequence ?? 0) + 1
  return {
    authority: chain.authority,
    name: chain.name,
    tree: treeOf(sequence),
    key: chain.signer.publicKey,
    now: START + 60 * sequence,
    ...options,
  }
}

/** An unsigned root as somebody else would write it. */
function forged(payload: RootPayload, previous: Published | null, authority: Authority): Uint8Array {
  return cborArray([
    cborText('coppice/unsigned-root/1'),
    cborBytes(encodePayload(payload)),
    cborNullable(previous, (published) => cborBytes(encodePublished(published))),
    cborBytes(encodeRotations(authority)),
  ])
}

async function rotated(by: Signer, authority: Authority, epoch: number, to: Signer): Promise<Authority> {
  const { author } = authority
  const bytes = await signRotation(by, { author, epoch, newKey: to.publicKey })
  const result = addRotation(authority, decodeRotation(bytes))
  if (result.outcome !== 'added') throw new Error('expected it to be added')
  return result.authority
}

test('what is signed elsewhere is, to the byte, what is signed at once', async () => {
  const chain = new AuthorChain()
  for (let i = 0; i < 7; i++) {
    const options = optionsOf(chain, { message: `release ${i}`, expires: START + 1e6, merged: [treeOf(90).root] })
    const prepared = prepareUnsignedRoot(chain.published, options)
    const decoded = decodeUnsignedRoot(prepared.bytes)
    assert.equal(decoded.bytes, prepared.bytes)
    assert.equal([decoded.link, decoded.key, decoded.message], [prepared.link, prepared.key, `release ${i}`])
    const signed = await signUnsignedRoot(decoded, chain.signer, { now: START + 1e5 })
    const { key: _, ...rest } = options
    assert.equal(signed.bytes, (await chain.publish(rest)).bytes)
    assert.equal(signed.link, prepared.link)
    assert.is(verifySignedRoot(signed, chain.authority), undefined)
    // What was lost on its way back comes again.
    const again = { now: START + 2e5, last: signed }
    assert.equal((await signUnsignedRoot(decoded, chain.signer, again)).bytes, signed.bytes)
  }
})

test('the bytes are those that the specification says, by another encoder', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const { published } = chain
  if (published === null) throw new Error('expected a root')
  const authority = await rotated(chain.signer, chain.authority, 2, signerOf('second'))
  const { bytes, next } = prepareUnsignedRoot(published, optionsOf(chain, { authority }))
  const { signed, history, recentRoots } = published
  const kept = [
    1,
    signed.bytes,
    dagCbor.encode([history.size, history.hashes]),
    recentRoots.map((root) => CID.decode(root)),
  ]
  const rotations = dagCbor.encode(authority.rotations.map((rotation) => rotation.bytes))
  const parts = ['coppice/unsigned-root/1', next.payloadBytes, dagCbor.encode(kept), rotations]
  assert.equal([...bytes], [...dagCbor.encode(parts)])
  const first = prepareUnsignedRoot(null, optionsOf(new AuthorChain()))
  const none = ['coppice/unsigned-root/1', first.next.payloadBytes, null, dagCbor.encode([])]
  assert.equal([...first.bytes], [...dagCbor.encode(none)])
  const line = `coppice-unsigned-root/1 u${Buffer.from(bytes).toString('base64url')}\n`
  assert.is(encodeStatementFile('unsigned-root', bytes), line)
})

test('nothing but the next root of the chain: every other field value is refused', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(6)
  const previous = chain.published
  const { payload } = prepareUnsignedRoot(previous, optionsOf(chain)).next
  const other = linkTo(CODEC_DAG_CBOR, Uint8Array.of(1))
  const changes: Partial<RootPayload>[] = [
    { sequence: payload.sequence + 1 },
    { sequence: payload.sequence - 1 },
    { previous: other },
    { history: new Uint8Array(32) },
    { recent: payload.recent.slice(1) },
    { recent: [{ sequence: 2, link: other }] },
    { issued: START },
    { expires: payload.issued },
    { epoch: payload.epoch + 1, resolves: [], grant: Uint8Array.of(1) },
    { name: 'other' },
    { author: signerOf('other').publicKey },
    { extensions: [{ id: 5, bytes: Uint8Array.of(1) }] },
    { extensions: [{ id: 2, bytes: Uint8Array.of(1) }] },
    { extensions: [{ id: 3, bytes: Uint8Array.of(1) }] },
  ]
  for (const change of changes) {
    const bytes = forged({ ...payload, ...change }, previous, chain.authority)
    try {
      decodeUnsignedRoot(bytes)
      assert.unreachable(JSON.stringify(Object.keys(change)))
    } catch (error) {
      if (!(error instanceof CoppiceError)) throw error
      assert.ok(
        ['SIGNED_ROOT_INVALID', 'PUBLISH_REFUSED'].includes(error.code),
        `${Object.keys(change)[0]}: ${error.code}`,
      )
    }
  }
  assert.ok(decodeUnsignedRoot(forged(payload, previous, chain.authority)))
})

test('a last root that the author never signed, or whose history is another', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const stranger = new AuthorChain('stranger')
  await stranger.publishMany(3)
  if (chain.published === null || stranger.published === null) throw new Error('expected roots')
  const { payload } = prepareUnsignedRoot(chain.published, optionsOf(chain)).next
  throwsCode(() => decodeUnsignedRoot(forged(payload, stranger.published, chain.authority)), 'SIGNED_ROOT_INVALID')
  const mixed = { ...chain.published, history: stranger.published.history }
  throwsCode(() => decodeUnsignedRoot(forged(payload, mixed, chain.authority)), 'SIGNED_ROOT_INVALID', /history/)
  throwsCode(() => decodeUnsignedRoot(forged(payload, null, chain.authority)), 'SIGNED_ROOT_INVALID')
})

test('damage anywhere gives a coded error, and nothing that is signed', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(5)
  const { bytes } = prepareUnsignedRoot(chain.published, optionsOf(chain, { message: 'release' }))
  const property = fc.property(
    fc.nat(bytes.length - 1),
    fc.integer({ min: 1, max: 255 }),
    fc.nat(3),
    (at, turn, kind) => {
      let damaged = Uint8Array.from(bytes)
      if (kind === 0) damaged = damaged.subarray(0, at)
      else damaged[at] = (damaged[at] ?? 0) ^ turn
      try {
        const { next } = decodeUnsignedRoot(damaged)
        // Totals and message are the author's to say: they are shown.
        assert.equal(next.payload.previous, chain.at(5).link)
      } catch (error) {
        if (!(error instanceof CoppiceError)) throw error
        assert.ok(['SIGNED_ROOT_INVALID', 'PUBLISH_REFUSED', 'FORMAT_NEWER'].includes(error.code), error.code)
      }
    },
  )
  await assertProperty(property, 300)
})

test('another key, a clock that is wrong, and what the key signed before', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const unsigned = prepareUnsignedRoot(chain.published, optionsOf(chain))
  const { issued } = unsigned.next.payload
  const refused = async (reason: string, signing: Promise<unknown>): Promise<void> => {
    const error = await signing.then(
      () => new Error('expected it to be refused'),
      (caught: unknown) => caught,
    )
    if (!(error instanceof CoppiceError)) throw error
    assert.equal([error.code, error.details['reason']], ['PUBLISH_REFUSED', reason])
  }
  let signatures = 0
  const counting: Signer = {
    publicKey: chain.signer.publicKey,
    sign: (bytes) => {
      signatures++
      return chain.signer.sign(bytes)
    },
  }
  await refused('signer', signUnsignedRoot(unsigned, signerOf('other'), { now: issued }))
  await refused('future', signUnsignedRoot(unsigned, counting, { now: issued - 601 }))
  const fork = chain.fork()
  const other = await fork.publish({ tree: treeOf(77) })
  await refused('contradiction', signUnsignedRoot(unsigned, counting, { now: issued, last: other }))
  const later = await fork.publish()
  await refused('older', signUnsignedRoot(unsigned, counting, { now: issued, last: later }))
  // From a backup that is older by one: the root after it names another one before.
  const next = await chain.publish()
  const after = prepareUnsignedRoot(chain.published, optionsOf(chain))
  await refused('contradiction', signUnsignedRoot(after, counting, { now: issued + 600, last: other }))
  assert.is(signatures, 0)
  await signUnsignedRoot(after, counting, { now: issued + 600, last: next })
  await signUnsignedRoot(unsigned, counting, { now: issued - 600, last: chain.at(2) })
  assert.is(signatures, 2)
})

test('a new epoch goes on where what was signed is lost', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const lost = await chain.fork().publish({ tree: treeOf(77) })
  const unsigned = prepareUnsignedRoot(chain.published, optionsOf(chain, { epoch: 1, resolves: [lost.link] }))
  const signed = await signUnsignedRoot(decodeUnsignedRoot(unsigned.bytes), chain.signer, {
    now: START + 1e5,
    last: lost,
  })
  assert.equal([signed.payload.epoch, signed.payload.sequence], [1, 3])
})

test('granted signers and rotated authorities sign elsewhere, too', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(2)
  const [signer, second] = [signerOf('signer'), signerOf('second')]
  const author = chain.authority.author
  const grant = await signGrant(chain.signer, {
    author,
    name: 'test',
    epoch: 1,
    signer: signer.publicKey,
    firstSequence: 3,
    expires: START + 1e6,
  })
  const granted = prepareUnsignedRoot(chain.published, optionsOf(chain, { epoch: 1, grant, key: signer.publicKey }))
  assert.equal(decodeUnsignedRoot(granted.bytes).key, signer.publicKey)
  await rejectsCode(signUnsignedRoot(granted, chain.signer, { now: START + 1e5 }), 'PUBLISH_REFUSED')
  await signUnsignedRoot(decodeUnsignedRoot(granted.bytes), signer, { now: START + 1e5 })
  // The authority over the last root's epoch was taken by a rotation that came late: it still is the last root.
  await chain.publish({ epoch: 1, grant, signer })
  const authority = await rotated(chain.signer, createAuthority(author), 1, second)
  const options = optionsOf(chain, { authority, epoch: 2, key: second.publicKey })
  const unsigned = decodeUnsignedRoot(prepareUnsignedRoot(chain.published, options).bytes)
  assert.is(unsigned.authority.rotations.length, 1)
  const signed = await signUnsignedRoot(unsigned, second, { now: START + 1e5 })
  assert.is(verifySignedRoot(signed, authority), undefined)
  throwsCode(() => prepareUnsignedRoot(chain.published, { ...options, key: author }), 'PUBLISH_REFUSED', /rotation/)
})

test.run()
