/** The chain of ../shared/vectors/record.json, reproduced byte for byte through publishing: ed25519 is deterministic. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { formatLink, parseLink } from '../../src/link.ts'
import {
  createAuthority,
  createSigner,
  decodeSignedRoot,
  formatAddress,
  headBlock,
  parseAddress,
  signGrant,
  signNextRoot,
  verifySignedRoot,
  type Published,
} from '../../src/pointer/index.ts'
import { hex } from '../support/hex.ts'
import { hasSharedVectors, readSharedVectors } from '../support/shared-vectors.ts'

interface SharedRecords {
  authorSeed: string
  author: string
  signerSeed: string
  signer: string
  name: string
  address: string
  records: {
    set: string
    sequence: number
    payload: string
    payloadCid: string
    signedRoot: string
    length: number
    history: string
    headCid: string
  }[]
}

const test = suite('pointer/record-shared')
const when = hasSharedVectors('record.json') ? test : test.skip

when('keys, address, payloads, signatures, history and head blocks', async () => {
  const vectors = readSharedVectors<SharedRecords>('record.json')
  const author = createSigner(hex(vectors.authorSeed))
  const signer = createSigner(hex(vectors.signerSeed))
  const authority = createAuthority(author.publicKey)
  const address = { author: author.publicKey, name: vectors.name, peers: [] }
  assert.equal([bytesToHex(author.publicKey), bytesToHex(signer.publicKey)], [vectors.author, vectors.signer])
  assert.is(formatAddress(address), vectors.address)
  assert.equal(parseAddress(vectors.address), address)

  let published: Published | null = null
  for (const vector of vectors.records) {
    const expected = decodeSignedRoot(hex(vector.signedRoot))
    if (expected.state !== 'known') throw new Error('expected a known format')
    assert.is(verifySignedRoot(expected, authority), undefined)
    assert.is(expected.bytes.length, vector.length)
    const { payload } = expected
    const grant = expected.grant === null ? null : await signGrant(author, expected.grant)
    const next = await signNextRoot(published, {
      authority,
      name: vectors.name,
      tree: payload,
      signer: grant === null ? author : signer,
      now: payload.issued,
      expires: payload.expires,
      epoch: payload.epoch,
      grant,
      ...(expected.message === undefined ? {} : { message: expected.message }),
    })
    published = next.published
    const { signed } = published
    assert.is(bytesToHex(signed.payloadBytes), vector.payload, vector.set)
    assert.is(bytesToHex(signed.bytes), vector.signedRoot)
    assert.equal(signed.link, parseLink(vector.payloadCid))
    assert.is(bytesToHex(signed.payload.history), vector.history)
    assert.is(formatLink(headBlock(signed).link), vector.headCid)
  }
})

test.run()
