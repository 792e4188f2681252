/** What authors sign and what replicas keep of it: made, damaged and random bytes, to every decoder of src/pointer. */
import * as dagCbor from '@ipld/dag-cbor'
import * as assert from 'uvu/assert'
import { bytesToHex, equalBytes } from '../src/bytes.ts'
import { type ErrorCode, isCoppiceError } from '../src/errors.ts'
import {
  decodeEvidence,
  decodeFloor,
  decodeFrontier,
  decodeGrant,
  decodeHeadBlock,
  decodeLinkProof,
  decodePublished,
  decodeRotation,
  decodeRotations,
  decodeSignedRoot,
  encodeEvidence,
  encodeFloor,
  encodeFrontier,
  encodeLinkProof,
  encodePublished,
  encodeRotations,
  encodeSignedRoot,
  findConflict,
  headBlock,
  proveLink,
  signGrant,
  signRotation,
  verifySignedRoot,
} from '../src/pointer/index.ts'
import { encodePayload } from '../src/pointer/payload.ts'
import { AuthorChain, signerOf } from '../test/support/author-chain.ts'
import { damaged } from '../test/support/damage.ts'
import { TestReplica } from '../test/support/floors.ts'
import { Random } from '../test/support/random.ts'

export const summary =
  'records decode to what encodes to the same bytes, or are refused with their code; none verifies that was changed'

interface Decoder {
  /** What it may refuse with. */
  readonly codes: readonly ErrorCode[]
  /** Decodes, and gives what encoding makes of the result. Undefined: it has no encoder of its own. */
  readonly again: (bytes: Uint8Array) => Uint8Array | undefined
}

const FOREIGN: readonly ErrorCode[] = ['SIGNED_ROOT_INVALID']
const KEPT: readonly ErrorCode[] = ['STORE_CORRUPT', 'FORMAT_NEWER']

const author = signerOf('author')

const DECODERS: Readonly<Record<string, Decoder>> = {
  'signed root': { codes: FOREIGN, again: reencodeRoot },
  'head block': { codes: FOREIGN, again: (bytes) => headBlock(decodeHeadBlock(bytes)).bytes },
  grant: { codes: FOREIGN, again: (bytes) => reencodeStatement(decodeGrant(bytes)) },
  rotation: { codes: FOREIGN, again: (bytes) => reencodeStatement(decodeRotation(bytes)) },
  rotations: { codes: FOREIGN, again: (bytes) => encodeRotations(decodeRotations(author.publicKey, bytes)) },
  evidence: { codes: FOREIGN, again: (bytes) => encodeEvidence(decodeEvidence(bytes)) },
  'link proof': { codes: FOREIGN, again: (bytes) => encodeLinkProof(decodeLinkProof(bytes)) },
  frontier: { codes: KEPT, again: (bytes) => encodeFrontier(decodeFrontier(bytes)) },
  floor: { codes: KEPT, again: (bytes) => encodeFloor(decodeFloor(bytes)) },
  published: { codes: KEPT, again: (bytes) => encodePublished(decodePublished(bytes)) },
}

const chain = new AuthorChain()
const samples = await makeSamples()
/** Payloads that somebody entitled signed. */
const genuine: ReadonlySet<string> = new Set(
  (samples.get('signed root') ?? []).map((bytes) => bytesToHex(decodeSignedRoot(bytes).payloadBytes)),
)

export function run(seed: number): void {
  const random = new Random(seed)
  assertEveryDecoder(random.bytes(random.below(200)))
  for (const kind of Object.keys(DECODERS)) {
    const bytes = random.pick(samples.get(kind) ?? [])
    assert.ok(assertStrict(kind, bytes), `an honest ${kind} decodes`)
    for (let i = 0; i < 8; i++) assertEveryDecoder(damaged(random, bytes))
  }
}

function assertEveryDecoder(bytes: Uint8Array): void {
  for (const kind of Object.keys(DECODERS)) assertStrict(kind, bytes)
}

/** Whether `bytes` decode. @throws where decoding breaks its promise. */
function assertStrict(kind: string, bytes: Uint8Array): boolean {
  const { codes, again } = DECODERS[kind] as Decoder
  let encoded: Uint8Array | undefined
  try {
    encoded = again(bytes)
  } catch (error) {
    if (isCoppiceError(error) && codes.includes(error.code)) return false
    throw error
  }
  if (encoded !== undefined) assert.ok(equalBytes(encoded, bytes), `${kind}: encoding gives the same bytes`)
  return true
}

function reencodeRoot(bytes: Uint8Array): Uint8Array {
  const root = decodeSignedRoot(bytes)
  if (root.state !== 'newer-format') {
    assert.ok(equalBytes(encodePayload(root.payload), root.payloadBytes), 'the payload has one form')
    const isGenuine = genuine.has(bytesToHex(root.payloadBytes))
    if (!isGenuine) assert.ok(verifySignedRoot(root, chain.authority) !== undefined, 'nobody signed this')
  }
  return encodeSignedRoot(root.payloadBytes, root.signatures)
}

function reencodeStatement({
  payloadBytes,
  signature,
}: {
  payloadBytes: Uint8Array
  signature: Uint8Array
}): Uint8Array {
  assert.ok(equalBytes(dagCbor.encode(dagCbor.decode(payloadBytes)), payloadBytes), 'the payload has one form')
  return dagCbor.encode([payloadBytes, signature])
}

/** Honest bytes of every kind, from one chain with a granted epoch, a fork and a rotation. */
async function makeSamples(): Promise<ReadonlyMap<string, readonly Uint8Array[]>> {
  await chain.publish({ message: 'first release' })
  await chain.publishMany(5)
  const signer = signerOf('signer')
  const place = { author: author.publicKey, name: chain.name, epoch: 1, signer: signer.publicKey }
  const grant = await signGrant(author, { ...place, firstSequence: 7, expires: null })
  const other = chain.fork()
  await chain.publish({ epoch: 1, signer, grant })
  const forked = await other.publish({ epoch: 1, signer, grant, message: 'another' })
  const tip = chain.at(7)
  const conflict = findConflict(tip, forked)
  if (conflict === undefined || chain.published === null) throw new Error('expected a fork')
  const replica = new TestReplica(chain.authority)
  replica.take(chain.at(3))
  const floors = [encodeFloor(replica.floor)]
  replica.take(tip)
  replica.take(forked)
  floors.push(encodeFloor(replica.floor))
  const rotation = await signRotation(author, { author: author.publicKey, epoch: 2, newKey: signer.publicKey })
  const proof = await proveLink(2, 6, chain.subtrees)
  return new Map([
    ['signed root', [...chain.roots.map(({ bytes }) => bytes), forked.bytes]],
    ['head block', chain.roots.map((root) => headBlock(root).bytes)],
    ['grant', [grant]],
    ['rotation', [rotation]],
    ['rotations', [dagCbor.encode([]), dagCbor.encode([rotation])]],
    ['evidence', [encodeEvidence(conflict)]],
    ['link proof', [encodeLinkProof(proof)]],
    ['frontier', [encodeFrontier(chain.published.history)]],
    ['floor', floors],
    ['published', [encodePublished(chain.published)]],
  ])
}
