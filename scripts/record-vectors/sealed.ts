/**
 * What record vectors are made of: keys, chains and sealed payloads, after docs/spec/record.md, with libraries only
 * (@ipld/dag-cbor, multiformats, node:crypto). Like its users it imports nothing of src/.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'

export const NAME = 'vectors'
export const ISSUED = 1_790_000_000

export interface Key {
  readonly seed: string
  readonly secret: KeyObject
  readonly publicKey: Uint8Array
}

export const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function keyOf(label: string): Key {
  const seed = sha256(utf8(label))
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' })
  return { seed: hexOf(seed), secret, publicKey: new Uint8Array(spki.subarray(-32)) }
}

export const signBytes = (key: Key, bytes: Uint8Array): Uint8Array => new Uint8Array(sign(null, bytes, key.secret))
export const cidOf = (codec: number, bytes: Uint8Array): CID => CID.createV1(codec, Digest.create(0x12, sha256(bytes)))

export const author: Key = keyOf('coppice/vectors/author')
export const signer: Key = keyOf('coppice/vectors/signer')
export const rotated: Key = keyOf('coppice/vectors/rotated')
export const stranger: Key = keyOf('coppice/vectors/stranger')

/** RFC 6962, 2.1, as it stands there. */
export function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves
  if (first === undefined) return sha256()
  if (leaves.length === 1) return sha256(Uint8Array.of(0), first)
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(Uint8Array.of(1), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)))
}

/** A root by its number: number 0 is the empty tree's. */
export const treeRoot = (n: number): CID =>
  cidOf(0x71, n === 0 ? dagCbor.encode([0, [], []]) : dagCbor.encode([0, [utf8(`k${n}`)], [utf8('v')]]))

export interface Options {
  readonly epoch?: number
  readonly tree?: number
  readonly expires?: number | null
  readonly resolves?: CID[]
  readonly grant?: Uint8Array | null
  readonly extensions?: unknown[]
  readonly by?: Key
  readonly issued?: number
}

export interface Link {
  readonly sequence: number
  readonly tree: number
  readonly payload: Uint8Array
  readonly cid: CID
}

export const grantBytes = (by: Key, ...rest: unknown[]): Uint8Array => {
  const payload = dagCbor.encode(['coppice/grant/1', author.publicKey, NAME, ...rest])
  return dagCbor.encode([payload, signBytes(by, payload)])
}

/** The fields of the root after `chain`. */
export function fieldsAfter(chain: readonly Link[], options: Options): unknown[] {
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

export function seal(fields: unknown, by: Key): { payload: Uint8Array; cid: CID; signedRoot: Uint8Array } {
  const payload = dagCbor.encode(fields)
  const signedRoot = dagCbor.encode([payload, [[by.publicKey, signBytes(by, payload)]]])
  return { payload, cid: cidOf(0x71, payload), signedRoot }
}

export interface Made {
  readonly link: Link
  readonly record: Record<string, unknown>
  readonly signedRoot: Uint8Array
}

export function next(label: string, chain: readonly Link[], options: Options = {}): Made {
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

/** Every field at its largest, two roots in `recent` (more do not fit then), and an odd extension of `filler` bytes. */
export function sealLargest(filler: number): { payload: Uint8Array; cid: CID; signedRoot: Uint8Array } {
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
