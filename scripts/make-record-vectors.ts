/**
 * Writes test/vectors/record.json: `node scripts/make-record-vectors.ts`. It follows docs/spec/record.md with libraries only
 * (@ipld/dag-cbor, multiformats, node:crypto) and imports nothing of src/: what it makes, src/pointer has to reproduce.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'

const OUTPUT = new URL('../test/vectors/record.json', import.meta.url)
const NAME = 'vectors'
const ISSUED = 1_790_000_000

interface Key {
  readonly seed: string
  readonly secret: KeyObject
  readonly publicKey: Uint8Array
}

const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function keyOf(label: string): Key {
  const seed = sha256(utf8(label))
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' })
  return { seed: hexOf(seed), secret, publicKey: new Uint8Array(spki.subarray(-32)) }
}

const signBytes = (key: Key, bytes: Uint8Array): Uint8Array => new Uint8Array(sign(null, bytes, key.secret))
const cidOf = (codec: number, bytes: Uint8Array): CID => CID.createV1(codec, Digest.create(0x12, sha256(bytes)))

const author = keyOf('coppice/vectors/author')
const signer = keyOf('coppice/vectors/signer')
const rotated = keyOf('coppice/vectors/rotated')
const stranger = keyOf('coppice/vectors/stranger')

/** RFC 6962, 2.1, as it stands there. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves
  if (first === undefined) return sha256()
  if (leaves.length === 1) return sha256(Uint8Array.of(0), first)
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(Uint8Array.of(1), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)))
}

/** A root by its number: number 0 is the empty tree's. */
const treeRoot = (n: number): CID =>
  cidOf(0x71, n === 0 ? dagCbor.encode([0, [], []]) : dagCbor.encode([0, [utf8(`k${n}`)], [utf8('v')]]))

interface Options {
  readonly epoch?: number
  readonly tree?: number
  readonly expires?: number | null
  readonly resolves?: CID[]
  readonly grant?: Uint8Array | null
  readonly extensions?: unknown[]
  readonly by?: Key
  readonly issued?: number
}

interface Link {
  readonly sequence: number
  readonly tree: number
  readonly payload: Uint8Array
  readonly cid: CID
}

const grantBytes = (by: Key, ...rest: unknown[]): Uint8Array => {
  const payload = dagCbor.encode(['coppice/grant/1', author.publicKey, NAME, ...rest])
  return dagCbor.encode([payload, signBytes(by, payload)])
}

/** The fields of the root after `chain`. */
function fieldsAfter(chain: readonly Link[], options: Options): unknown[] {
  const sequence = chain.length + 1
  const tree = options.tree ?? sequence
  const trees = new Set([tree])
  const recent: [number, CID][] = []
  for (const link of chain.toReversed()) {
    if (trees.has(link.tree) || recent.length === 4) continue
    trees.add(link.tree)
    recent.push([link.sequence, link.cid])
  }
  return [
    'coppice/root/1',
    1,
    author.publicKey,
    NAME,
    options.epoch ?? 0,
    sequence,
    treeRoot(tree),
    tree === 0 ? 0 : 1,
    tree === 0 ? 4 : 9,
    options.issued ?? ISSUED + sequence * 60,
    options.expires === undefined ? ISSUED + 86_400 : options.expires,
    chain.at(-1)?.cid ?? null,
    treeHash(chain.map(({ payload }) => payload)),
    recent,
    options.resolves ?? [],
    options.grant ?? null,
    options.extensions ?? [],
  ]
}

function seal(fields: unknown, by: Key): { payload: Uint8Array; cid: CID; signedRoot: Uint8Array } {
  const payload = dagCbor.encode(fields)
  const signedRoot = dagCbor.encode([payload, [[by.publicKey, signBytes(by, payload)]]])
  return { payload, cid: cidOf(0x71, payload), signedRoot }
}

interface Made {
  readonly link: Link
  readonly record: Record<string, unknown>
  readonly signedRoot: Uint8Array
}

function next(label: string, chain: readonly Link[], options: Options = {}): Made {
  const fields = fieldsAfter(chain, options)
  const { payload, cid, signedRoot } = seal(fields, options.by ?? author)
  const sequence = chain.length + 1
  const head = cidOf(0x71, dagCbor.encode([fields[6], signedRoot]))
  const carrier = (BigInt(options.epoch ?? 0) << 40n) + BigInt(sequence)
  const record = {
    label,
    epoch: options.epoch ?? 0,
    sequence,
    root: String(fields[6]),
    entries: fields[7],
    bytes: fields[8],
    issued: fields[9],
    expires: fields[10],
    signer: hexOf((options.by ?? author).publicKey),
    payload: hexOf(payload),
    payloadCid: cid.toString(),
    signedRoot: hexOf(signedRoot),
    length: signedRoot.length,
    history: hexOf(fields[12] as Uint8Array),
    headCid: head.toString(),
    carrierSequence: carrier.toString(),
  }
  return { link: { sequence, tree: options.tree ?? sequence, payload, cid }, record, signedRoot }
}

/** A chain with a message, trees that come back, a granted epoch, a fork that is resolved, and a rotated key. */
function makeChain(): { records: unknown[]; fork: unknown; links: Link[] } {
  const links: Link[] = []
  const records: unknown[] = []
  const add = (label: string, options: Options = {}): void => {
    const made = next(label, links, options)
    links.push(made.link)
    records.push(made.record)
  }
  const message = [1, utf8('first release \u{1f333}')]
  add('first, of the empty tree', { tree: 0 })
  add('with a message', { extensions: [message] })
  add('the same tree again, for freshness', { tree: 2 })
  add('another tree, no promise', { expires: null })
  add('the tree of sequence 2 again', { tree: 2 })
  add('an odd extension, which may be ignored', { extensions: [message, [77, utf8('later')]] })
  const grant = grantBytes(author, 1, signer.publicKey, 7, ISSUED + 1_000_000)
  add('by the signer of a granted epoch', { epoch: 1, grant, by: signer })
  add('by the same signer', { epoch: 1, grant, by: signer })
  const other = next('the other tip of a fork', links, { epoch: 1, grant, by: signer, tree: 99 })
  add('one tip of a fork', { epoch: 1, grant, by: signer })
  add('which a new epoch resolves', { epoch: 2, resolves: [links.at(-1)?.cid as CID, other.link.cid] })
  add('by the key of a rotation', { epoch: 3, by: rotated })
  return { records, fork: other.record, links }
}

function makeRotation(): string {
  const payload = dagCbor.encode(['coppice/rotation/1', author.publicKey, 3, rotated.publicKey])
  return hexOf(dagCbor.encode([payload, signBytes(author, payload)]))
}

/** Every field at its largest, two roots in `recent` (more do not fit then), and an odd extension of `filler` bytes. */
function sealLargest(filler: number): { payload: Uint8Array; cid: CID; signedRoot: Uint8Array } {
  const name = 'n'.repeat(48)
  const safe = Number.MAX_SAFE_INTEGER
  const sequence = 2 ** 40 - 1
  const grantPayload = dagCbor.encode([
    'coppice/grant/1',
    author.publicKey,
    name,
    4095,
    signer.publicKey,
    sequence,
    safe,
  ])
  const fields = [
    'coppice/root/1',
    1,
    author.publicKey,
    name,
    4095,
    sequence,
    treeRoot(1),
    safe,
    safe,
    safe - 1,
    safe,
    treeRoot(2),
    sha256(),
    [
      [sequence - 1, treeRoot(2)],
      [sequence - 2, treeRoot(3)],
    ],
    [treeRoot(4), treeRoot(5)],
    dagCbor.encode([grantPayload, signBytes(author, grantPayload)]),
    [
      [1, utf8('m'.repeat(160))],
      [77, new Uint8Array(filler)],
    ],
  ]
  return seal(fields, signer)
}

/** Of exactly the bytes that may be: 996. */
function makeLargest(): unknown {
  const { payload, cid, signedRoot } = sealLargest(42)
  return {
    name: 'n'.repeat(48),
    payload: hexOf(payload),
    payloadCid: cid.toString(),
    signedRoot: hexOf(signedRoot),
    length: signedRoot.length,
  }
}

/** Validly signed, and not for this version. */
function makeStates(links: readonly Link[]): unknown[] {
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
function makeUnentitled(links: readonly Link[]): unknown[] {
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
function makeMalformed(links: readonly Link[]): unknown[] {
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

/** RFC 6962 over the well-known leaves of the Certificate Transparency test suite. */
function makeHistory(): unknown {
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const bytes = leaves.map((leaf) => new Uint8Array(Buffer.from(leaf, 'hex')))
  return { leaves, roots: leaves.map((_, i) => hexOf(treeHash(bytes.slice(0, i + 1)))) }
}

const { records, fork, links } = makeChain()
const address = `coppice:${base36.encode(Uint8Array.from([1, 0x72, 0, 0x24, 8, 1, 0x12, 0x20, ...author.publicKey]))}/${NAME}`
const vectors = {
  generator: 'scripts/make-record-vectors.ts',
  seeds: { author: author.seed, signer: signer.seed, rotated: rotated.seed },
  author: hexOf(author.publicKey),
  name: NAME,
  address,
  rotation: makeRotation(),
  records,
  fork,
  largest: makeLargest(),
  states: makeStates(links),
  unentitled: makeUnentitled(links),
  malformed: makeMalformed(links),
  history: makeHistory(),
}
writeFileSync(OUTPUT, `${JSON.stringify(vectors, null, 1)}\n`)
console.log(`${OUTPUT.pathname}: ${records.length} records, ${vectors.malformed.length} malformed`)
