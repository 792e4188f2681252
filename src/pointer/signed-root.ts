/**
 * Signed roots: the envelope `[payload bytes, [[key, signature]...]]`, its verification, and the head block (record.md, 1).
 * Decoding says what the bytes claim, verifying that somebody entitled signed them; neither says that a replica should
 * take them: acceptance.ts does. A root of a newer format, or with an extension that must be understood, is a state and not
 * an error, so that old software says "upgrade" and not "corrupt".
 */
import { copyBytes, equalBytes } from '../bytes.ts'
import { CODEC_DAG_CBOR, linkTo, type Block, type Link } from '../link.ts'
import { authorityKeyAt, type Authority } from './authority.ts'
import { cborArray, cborBytes, cborLink, CborReader } from './cbor.ts'
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verifySignature } from './ed25519.ts'
import { findGrantProblem } from './entitlement.ts'
import { decodeGrant, type Grant } from './grant.ts'
import { isCoppiceError } from '../errors.ts'
import {
  payloadMessage,
  readPayload,
  readPrefix,
  ROOT_FORMAT,
  unknownExtensions,
  type PayloadPrefix,
  type RootPayload,
} from './payload.ts'
import { signedRootFailure } from './statement.ts'

/** A BEP44 item holds 1000 bencoded bytes. */
export const SIGNED_ROOT_BYTES_MAX = 996
/** What fits in the envelope; version 1 has exactly one. */
const SIGNATURES_MAX = 9

export interface RootSignature {
  readonly key: Uint8Array
  readonly signature: Uint8Array
}

interface Envelope {
  /** As received; what carriers hold and peers send. Never written to. */
  readonly bytes: Uint8Array
  readonly payloadBytes: Uint8Array
  /** The identity of the signed root: the link of its payload, whatever the signature's bytes. */
  readonly link: Link
  readonly signatures: readonly RootSignature[]
}

export interface SignedRoot extends Envelope {
  /** `needs-newer`: an extension must be understood that this version does not know. */
  readonly state: 'known' | 'needs-newer'
  readonly payload: RootPayload
  /** The key that signs this epoch, as claimed until verified. */
  readonly key: Uint8Array
  readonly grant: Grant | null
  /** The release message. Not yet escaped for a terminal. */
  readonly message: string | undefined
  /** The extensions that must be understood and are not. */
  readonly unknown: readonly number[]
}

export interface NewerSignedRoot extends Envelope {
  readonly state: 'newer-format'
  readonly payload: PayloadPrefix
  readonly grant: Grant | null
}

export type AnySignedRoot = SignedRoot | NewerSignedRoot

/** Why nobody entitled signed it: other author, key without authority, a grant that does not hold, a bad signature. */
export type SignedRootProblem = 'author' | 'signer' | 'grant' | 'signature'

/**
 * Decodes `input`, which is copied. The size is checked before anything else.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID`, and nothing else whatever the bytes.
 */
export function decodeSignedRoot(input: Uint8Array): AnySignedRoot {
  const failure = signedRootFailure('signed root')
  if (input.length > SIGNED_ROOT_BYTES_MAX) {
    throw failure(`expected at most ${SIGNED_ROOT_BYTES_MAX} bytes, got ${input.length}`, 0)
  }
  const bytes = copyBytes(input)
  const reader = new CborReader(bytes, failure)
  reader.array('signed root', 2, 2)
  const payloadBytes = reader.bytes('payload', 1, SIGNED_ROOT_BYTES_MAX)
  const signatures = readSignatures(reader)
  reader.end('signed root')
  const envelope = { bytes, payloadBytes, link: linkTo(CODEC_DAG_CBOR, payloadBytes), signatures }
  const payloadFailure = signedRootFailure('payload')
  const { grant: grantBytes, ...prefix } = readPrefix(payloadBytes, payloadFailure)
  if (prefix.format !== ROOT_FORMAT) {
    return { ...envelope, state: 'newer-format', payload: prefix, grant: tryDecodeGrant(grantBytes) }
  }
  const [only, ...others] = signatures
  if (only === undefined || others.length > 0) throw failure(`signatures: expected 1, got ${signatures.length}`, 0)
  const payload = readPayload(payloadBytes, payloadFailure)
  const unknown = unknownExtensions(payload)
  return {
    ...envelope,
    state: unknown.length === 0 ? 'known' : 'needs-newer',
    payload,
    key: only.key,
    grant: payload.grant === null ? null : decodeGrant(payload.grant),
    message: payloadMessage(payload),
    unknown,
  }
}

/** The bytes of a signed root. The caller checks the size. */
export function encodeSignedRoot(payloadBytes: Uint8Array, signatures: readonly RootSignature[]): Uint8Array {
  const pairs = signatures.map(({ key, signature }) => cborArray([cborBytes(key), cborBytes(signature)]))
  return cborArray([cborBytes(payloadBytes), cborArray(pairs)])
}

/**
 * Whether the authority of its epoch, or the signer which that authority granted the epoch, signed `root`; undefined when
 * so. A key without authority is refused before any signature is computed. One verification, two with a grant.
 */
export function verifySignedRoot(root: AnySignedRoot, authority: Authority): SignedRootProblem | undefined {
  if (!equalBytes(root.payload.author, authority.author)) return 'author'
  const authorityKey = authorityKeyAt(authority, root.payload.epoch)
  if (root.state === 'newer-format') return verifyNewer(root, authorityKey)
  const expected = root.grant === null ? authorityKey : root.grant.signer
  if (!equalBytes(root.key, expected)) return 'signer'
  if (root.grant !== null && findGrantProblem(root.grant, root.payload, authorityKey) !== undefined) return 'grant'
  return root.signatures.every((pair) => verifyPair(root, pair)) ? undefined : 'signature'
}

/** As {@link verifySignedRoot}, also for a root that was valid before a rotation took the authority over its epoch: the past stays the author's. */
export function verifyPastRoot(root: AnySignedRoot, { author, rotations }: Authority): SignedRootProblem | undefined {
  const problem = verifySignedRoot(root, { author, rotations })
  if (problem === undefined) return undefined
  for (let known = rotations.slice(0, -1); known.length < rotations.length; known = known.slice(0, -1)) {
    if (verifySignedRoot(root, { author, rotations: known }) === undefined) return undefined
    if (known.length === 0) break
  }
  return problem
}

/** As far as later formats keep to what record.md asks of them: one entitled signature is enough to say "upgrade". */
function verifyNewer(root: NewerSignedRoot, authorityKey: Uint8Array): SignedRootProblem | undefined {
  const granted =
    root.grant !== null && findGrantProblem(root.grant, root.payload, authorityKey) === undefined
      ? root.grant.signer
      : undefined
  const entitled = root.signatures.filter(
    ({ key }) => equalBytes(key, authorityKey) || (granted !== undefined && equalBytes(key, granted)),
  )
  if (entitled.length === 0) return 'signer'
  return entitled.slice(0, 2).some((pair) => verifyPair(root, pair)) ? undefined : 'signature'
}

function verifyPair(root: AnySignedRoot, pair: RootSignature): boolean {
  return verifySignature(pair.key, root.payloadBytes, pair.signature)
}

function readSignatures(reader: CborReader): RootSignature[] {
  const count = reader.array('signatures', 1, SIGNATURES_MAX)
  return Array.from({ length: count }, (_, i) => {
    reader.array(`signatures[${i}]`, 2, 2)
    const key = reader.bytes(`signatures[${i}] key`, PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
    const signature = reader.bytes(`signatures[${i}] signature`, SIGNATURE_BYTES, SIGNATURE_BYTES)
    return { key, signature }
  })
}

/** A newer format may keep something else at the grant's place. */
function tryDecodeGrant(bytes: Uint8Array | null): Grant | null {
  if (bytes === null) return null
  try {
    return decodeGrant(bytes)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return null
    throw error
  }
}

/** dag-cbor `[root CID, signed root bytes]`: what IPNS and CAR roots name, so that stock tools walk from pointer to data. */
export function headBlock(signed: SignedRoot): Block {
  const bytes = cborArray([cborLink(signed.payload.root), cborBytes(signed.bytes)])
  return { link: linkTo(CODEC_DAG_CBOR, bytes), bytes }
}

/**
 * The signed root in a head block, not verified.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID`, also where element 0 is not the payload's root.
 */
export function decodeHeadBlock(input: Uint8Array): SignedRoot {
  const failure = signedRootFailure('head block')
  if (input.length > SIGNED_ROOT_BYTES_MAX + 64) throw failure(`expected a smaller block, got ${input.length} bytes`, 0)
  const reader = new CborReader(copyBytes(input), failure)
  reader.array('head block', 2, 2)
  const root = reader.link('root', CODEC_DAG_CBOR)
  const signed = decodeSignedRoot(reader.bytes('signed root', 1, SIGNED_ROOT_BYTES_MAX))
  reader.end('head block')
  if (signed.state === 'newer-format') throw failure(`format: expected ${ROOT_FORMAT}, got ${signed.payload.format}`, 0)
  if (!equalBytes(root, signed.payload.root)) throw failure('root: expected the root of the signed root', 0)
  return signed
}
