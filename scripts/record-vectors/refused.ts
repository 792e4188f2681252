/** Records that a reader must refuse or leave to a newer version, each with the reason. Made with {@link seal}, so signed all the same. */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import {
  author,
  cidOf,
  fieldsAfter,
  grantBytes,
  hexOf,
  ISSUED,
  type Link,
  next,
  type Options,
  seal,
  sealLargest,
  sha256,
  signBytes,
  signer,
  stranger,
  treeRoot,
  utf8,
} from './sealed.ts'

/** Validly signed, and not for this version. */
export function makeStates(links: readonly Link[]): unknown[] {
  const chain = links.slice(0, 2)
  const newer = fieldsAfter(chain, {})
  newer[1] = 2
  newer.splice(12, 1, { any: [true, 1.5, null] })
  const unsigned = seal(newer, stranger)
  return [
    {
      label: 'an even extension',
      state: 'needs-newer',
      signedRoot: hexOf(next('', chain, { extensions: [[2, utf8('x')]] }).signedRoot),
    },
    { label: 'format 2', state: 'newer-format', signedRoot: hexOf(seal(newer, author).signedRoot) },
    {
      label: 'format 2 by a stranger',
      state: 'newer-format',
      problem: 'signer',
      signedRoot: hexOf(unsigned.signedRoot),
    },
  ]
}

/** Decodable, and signed by somebody who may not, or not so. */
export function makeUnentitled(links: readonly Link[]): unknown[] {
  const chain = links.slice(0, 6)
  const granted = (grant: Uint8Array, options: Options = {}): string =>
    hexOf(next('', chain, { epoch: 1, grant, by: signer, ...options }).signedRoot)
  const grant = grantBytes(author, 1, signer.publicKey, 7, null)
  const foreign = dagCbor.encode(['coppice/grant/1', author.publicKey, 'another', 1, signer.publicKey, 7, null])
  const forged = next('', chain)
  const [payload, pairs] = dagCbor.decode<[Uint8Array, [Uint8Array, Uint8Array][]]>(forged.signedRoot)
  const signature = (pairs[0]?.[1] ?? new Uint8Array(64)).map((byte, i) => (i === 40 ? byte ^ 1 : byte))
  const ofAnother = fieldsAfter(chain, {})
  ofAnother[2] = stranger.publicKey
  return [
    { label: 'a stranger', problem: 'signer', signedRoot: hexOf(next('', chain, { by: stranger }).signedRoot) },
    {
      label: 'the signer without a grant',
      problem: 'signer',
      signedRoot: hexOf(next('', chain, { epoch: 1, by: signer }).signedRoot),
    },
    { label: 'the author under a grant', problem: 'signer', signedRoot: granted(grant, { by: author }) },
    {
      label: 'a grant by a stranger',
      problem: 'grant',
      signedRoot: granted(grantBytes(stranger, 1, signer.publicKey, 7, null)),
    },
    { label: 'a grant for another epoch', problem: 'grant', signedRoot: granted(grant, { epoch: 2 }) },
    {
      label: 'a grant for another name',
      problem: 'grant',
      signedRoot: granted(dagCbor.encode([foreign, signBytes(author, foreign)])),
    },
    {
      label: 'before the first sequence',
      problem: 'grant',
      signedRoot: granted(grantBytes(author, 1, signer.publicKey, 8, null)),
    },
    {
      label: 'after the grant',
      problem: 'grant',
      signedRoot: granted(grantBytes(author, 1, signer.publicKey, 7, ISSUED + 420)),
    },
    {
      label: 'a changed signature',
      problem: 'signature',
      signedRoot: hexOf(dagCbor.encode([payload, [[author.publicKey, signature]]])),
    },
    { label: 'another author', problem: 'author', signedRoot: hexOf(seal(ofAnother, stranger).signedRoot) },
  ]
}

/** Broken in one place, and signed by the author all the same: no decoder may take it. */
export function makeMalformed(links: readonly Link[]): unknown[] {
  const chain = links.slice(0, 5)
  const cases: { label: string; signedRoot: string }[] = []
  const broken = (label: string, change: (fields: unknown[]) => void, base: readonly Link[] = chain): void => {
    const fields = fieldsAfter(base, {})
    change(fields)
    cases.push({ label, signedRoot: hexOf(seal(fields, author).signedRoot) })
  }
  const set = (label: string, index: number, value: unknown): void => broken(label, (fields) => (fields[index] = value))
  const raw = cidOf(0x55, utf8('x'))
  const node = cidOf(0x71, utf8('x'))
  const [, , third, fourth] = chain
  if (third === undefined || fourth === undefined) throw new Error('expected a longer chain')
  set('domain of another version', 0, 'coppice/root/2')
  set('domain as bytes', 0, utf8('coppice/root/1'))
  set('format 0', 1, 0)
  set('format as text', 1, '1')
  set('author of 31 bytes', 2, author.publicKey.subarray(1))
  set('author of 33 bytes', 2, new Uint8Array([...author.publicKey, 0]))
  for (const name of ['', '-a', 'a-', 'A', 'a..b', 'a/b', 'ä', 'n'.repeat(49), 'a b'])
    set(`name ${JSON.stringify(name)}`, 3, name)
  set('epoch 4096', 4, 4096)
  set('epoch -1', 4, -1)
  set('sequence 0', 5, 0)
  set('sequence 2^40', 5, 2 ** 40)
  set('root as bytes', 6, node.bytes)
  set('root of raw', 6, raw)
  set('root of an identity hash', 6, CID.createV1(0x71, Digest.create(0, utf8('x'))))
  set('root of CIDv0', 6, CID.createV0(Digest.create(0x12, sha256()) as never))
  set('entries -1', 7, -1)
  set('entries 2^53', 7, 2n ** 53n)
  set('entries 1.5', 7, 1.5)
  set('bytes as null', 8, null)
  set('issued as null', 9, null)
  set('expires as text', 10, '2030')
  set('expires false', 10, false)
  set('previous null after the first', 11, null)
  set('previous of raw', 11, raw)
  set('history of 31 bytes', 12, new Uint8Array(31))
  set('history null', 12, null)
  broken('previous in the first', (fields) => (fields[11] = node), [])
  broken('a history before the first', (fields) => (fields[12] = sha256(utf8('x'))), [])
  set(
    'recent of 5',
    13,
    [5, 4, 3, 2, 1].map((n) => [n, n === 5 ? chain.at(-1)?.cid : treeRoot(n)]),
  )
  set('recent ascending', 13, [
    [3, third.cid],
    [4, fourth.cid],
  ])
  set('recent twice one sequence', 13, [
    [4, fourth.cid],
    [4, third.cid],
  ])
  set('recent twice one link', 13, [
    [4, fourth.cid],
    [3, fourth.cid],
  ])
  set('recent of itself', 13, [[6, node]])
  set('recent of sequence 0', 13, [[0, node]])
  set('recent against previous', 13, [[5, node]])
  set('recent of three parts', 13, [[4, fourth.cid, 0]])
  set('resolves in epoch 0', 14, [node])
  broken('resolves of 3', (fields) => ([fields[4], fields[14]] = [1, [node, third.cid, fourth.cid]]))
  broken('resolves twice one', (fields) => ([fields[4], fields[14]] = [1, [node, node]]))
  set('grant of no bytes', 15, new Uint8Array(0))
  set('grant of odd bytes', 15, utf8('grant'))
  set('grant as an array', 15, [])
  const grant = grantBytes(author, 1, signer.publicKey, 6, null)
  set('grant with a byte more', 15, new Uint8Array([...grant, 0]))
  set('grant with sequence 0', 15, grantBytes(author, 1, signer.publicKey, 0, null))
  set('grant with a part more', 15, grantBytes(author, 1, signer.publicKey, 6, null, null))
  set('extensions as a map', 16, {})
  set('extensions descending', 16, [
    [3, utf8('a')],
    [1, utf8('b')],
  ])
  set('extensions twice one id', 16, [
    [3, utf8('a')],
    [3, utf8('b')],
  ])
  set('extension id -1', 16, [[-1, utf8('a')]])
  set('extension as text', 16, [[3, 'a']])
  set('message of 161 bytes', 16, [[1, new Uint8Array(161).fill(0x61)]])
  set('message of no UTF-8', 16, [[1, Uint8Array.of(0xff)]])
  set('message with a surrogate', 16, [[1, Uint8Array.of(0xed, 0xa0, 0x80)]])
  cases.push({ label: '997 bytes', signedRoot: hexOf(sealLargest(43).signedRoot) })
  broken('16 elements', (fields) => fields.pop())
  broken('18 elements', (fields) => fields.push(null))
  return [...cases, ...makeMalformedEnvelopes(chain)]
}

/** Envelopes and encodings that are not the one form. */
function makeMalformedEnvelopes(chain: readonly Link[]): unknown[] {
  const { payload, signedRoot } = seal(fieldsAfter(chain, {}), author)
  const pair = [author.publicKey, signBytes(author, payload)]
  const resealed = (bytes: Uint8Array): Uint8Array =>
    dagCbor.encode([bytes, [[author.publicKey, signBytes(author, bytes)]]])
  const bytes = (...parts: (Uint8Array | number[])[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
  const cases: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['an empty array', Uint8Array.of(0x80)],
    ['no signature', dagCbor.encode([payload, []])],
    ['two signatures', dagCbor.encode([payload, [pair, pair]])],
    ['a key of 31 bytes', dagCbor.encode([payload, [[author.publicKey.subarray(1), pair[1]]]])],
    ['a signature of 63 bytes', dagCbor.encode([payload, [[pair[0], (pair[1] as Uint8Array).subarray(1)]]])],
    ['a third part', dagCbor.encode([payload, [pair], null])],
    ['a map', dagCbor.encode({ payload })],
    ['a byte more', bytes(signedRoot, [0])],
    ['a byte less', signedRoot.subarray(0, -1)],
    ['an indefinite array', bytes([0x9f], signedRoot.subarray(1), [0xff])],
    ['a long array head', bytes([0x98, 2], signedRoot.subarray(1))],
    ['a tag before it', bytes([0xd9, 0xd9, 0xf7], signedRoot)],
    ['a payload with a byte more', resealed(bytes(payload, [0]))],
    ['a payload with a byte less', resealed(payload.subarray(0, -1))],
    ['a payload with a long array head', resealed(bytes([0x98, 17], payload.subarray(1)))],
    ['a payload with a long format', resealed(bytes(payload.subarray(0, 16), [0x18, 1], payload.subarray(17)))],
    [
      'a payload with a wide format',
      resealed(bytes(payload.subarray(0, 16), [0x1b, 0, 0, 0, 0, 0, 0, 0, 1], payload.subarray(17))),
    ],
    ['a payload that is nested without end', resealed(new Uint8Array(700).fill(0x81))],
    ['a payload that promises 2^32 elements', resealed(Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff))],
  ]
  return cases.map(([label, signedRoot_]) => ({ label, signedRoot: hexOf(signedRoot_) }))
}
