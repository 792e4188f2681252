/**
 * A root that is to be signed elsewhere, with all that the signer needs to judge it (record.md, 6):
 *
 *     unsigned root = [ "coppice/unsigned-root/1", payload bytes, published | null, rotations ]
 *
 * `published` is what the author's machine keeps of its last signed root (published.ts). From it the payload is made once more, and must
 * be the same to the byte: a machine that was taken over gets nothing signed but the next root of its chain. What is in
 * the tree it still decides; who signs sees name, totals, dates and message.
 */
import { equalBytes, copyBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { CODEC_DAG_CBOR, linkTo, type Link } from '../link.ts'
import { renderTime } from '../time-text.ts'
import { formatAuthor } from './address.ts'
import { authorityKeyAt, decodeRotations, encodeRotations, type Authority } from './authority.ts'
import { cborArray, cborBytes, cborNullable, CborReader, cborText } from './cbor.ts'
import { signedRootProblem } from './entitlement.ts'
import { findConflict } from './evidence.ts'
import { FUTURE_SECONDS_MAX } from './freshness.ts'
import { decodeGrant, type Grant } from './grant.ts'
import type { Signer } from './keys.ts'
import { comparePositions } from './order.ts'
import { payloadMerged, payloadMessage, readPayload, type RootPayload } from './payload.ts'
import { buildNextPayload, sealNextRoot, type NextPayload, type NextPayloadOptions } from './publish.ts'
import { decodePublished, encodePublished, type Published } from './published.ts'
import {
  decodeSignedRoot,
  encodeSignedRoot,
  SIGNED_ROOT_BYTES_MAX,
  verifyPastRoot,
  type SignedRoot,
} from './signed-root.ts'
import { SIGNATURE_BYTES } from './ed25519.ts'
import { signedRootFailure } from './statement.ts'

const DOMAIN = 'coppice/unsigned-root/1'
/** A signed root, its history and the roots it names. */
const PUBLISHED_BYTES_MAX = 6144

export interface UnsignedRoot {
  /** As it is kept and handed on. */
  readonly bytes: Uint8Array
  readonly next: NextPayload
  /** The identity that the signed root will have. */
  readonly link: Link
  /** The public key that is to sign. */
  readonly key: Uint8Array
  readonly grant: Grant | null
  /** The release message. Not yet escaped for a terminal. */
  readonly message: string | undefined
  /** The author's last root; null for the first. */
  readonly previous: Published | null
  readonly authority: Authority
}

/** What follows `previous`, as {@link decodeUnsignedRoot} gives it. @throws as `signNextRoot`. */
export function prepareUnsignedRoot(previous: Published | null, options: NextPayloadOptions): UnsignedRoot {
  const next = buildNextPayload(previous, options)
  const bytes = cborArray([
    cborText(DOMAIN),
    cborBytes(next.payloadBytes),
    cborNullable(previous, (published) => cborBytes(encodePublished(published))),
    cborBytes(encodeRotations(options.authority)),
  ])
  return unsignedRootOf(bytes, next, previous, options.authority)
}

/**
 * Decodes `bytes`, and makes sure that it is the root that follows the last one, which the author signed.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` for anything else, `PUBLISH_REFUSED` where its key may not sign it.
 */
export function decodeUnsignedRoot(bytes: Uint8Array): UnsignedRoot {
  const failure = signedRootFailure('unsigned root')
  const reader = new CborReader(copyBytes(bytes), failure)
  reader.array('unsigned root', 4, 4)
  if (reader.text('domain', DOMAIN.length) !== DOMAIN) reader.fail(`domain: expected ${DOMAIN}`)
  const payloadBytes = reader.bytes('payload', 1, SIGNED_ROOT_BYTES_MAX)
  const kept = reader.nullable(() => reader.bytes('published', 1, PUBLISHED_BYTES_MAX))
  const rotations = reader.bytes('rotations', 1, bytes.length)
  reader.end('unsigned root')
  const payload = readPayload(payloadBytes, signedRootFailure('payload'))
  const authority = decodeRotations(payload.author, rotations)
  const previous = kept === null ? null : decodePrevious(kept, authority)
  const next = buildAgain(previous, payload, authority)
  if (!equalBytes(next.payloadBytes, payloadBytes)) {
    throw failure(
      previous === null
        ? 'expected the first root, made as coppice makes it'
        : `expected the root after @${previous.signed.payload.sequence}, made as coppice makes it`,
      0,
    )
  }
  return unsignedRootOf(bytes, next, previous, authority)
}

function unsignedRootOf(
  bytes: Uint8Array,
  next: NextPayload,
  previous: Published | null,
  authority: Authority,
): UnsignedRoot {
  const { payload, payloadBytes } = next
  const grant = payload.grant === null ? null : decodeGrant(payload.grant)
  return {
    bytes: copyBytes(bytes),
    next,
    link: linkTo(CODEC_DAG_CBOR, payloadBytes),
    key: grant?.signer ?? authorityKeyAt(authority, payload.epoch),
    grant,
    message: payloadMessage(payload),
    previous,
    authority,
  }
}

/** The last root, signed by whoever had the right then: a rotation may have taken it since. */
function decodePrevious(bytes: Uint8Array, authority: Authority): Published {
  try {
    const published = decodePublished(bytes)
    const problem = verifyPastRoot(published.signed, authority)
    if (problem === undefined) return published
    throw signedRootProblem(published.signed, problem, authority)
  } catch (error) {
    if (!isCoppiceError(error, 'STORE_CORRUPT')) throw error
    throw new CoppiceError('SIGNED_ROOT_INVALID', `unsigned root: ${error.message}`, { cause: error })
  }
}

/** The payload that this code makes of what `payload` says. */
function buildAgain(previous: Published | null, payload: RootPayload, authority: Authority): NextPayload {
  const { name, epoch, root, entries, bytes, issued, expires, resolves, grant } = payload
  const message = payloadMessage(payload)
  try {
    return buildNextPayload(previous, {
      authority,
      name,
      tree: { root, entries, bytes },
      key: grant === null ? authorityKeyAt(authority, epoch) : decodeGrant(grant).signer,
      now: issued,
      expires,
      merged: payloadMerged(payload),
      epoch,
      grant,
      resolves,
      ...(message === undefined ? {} : { message }),
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new CoppiceError('SIGNED_ROOT_INVALID', `unsigned root: ${error.message}`, { cause: error })
  }
}

export interface SigningContext {
  /** The clock of the machine that signs, seconds since 1970. */
  readonly now: number
  /** The last root of this database that the key signed, as far as its machine remembers. */
  readonly last?: SignedRoot | undefined
}

/**
 * Signs what was prepared. The same arguments give the same signature, so what was lost on its way back is signed again.
 * @throws {CoppiceError} `PUBLISH_REFUSED`, with `details.reason`: `signer` (another key is to sign), `future` (issued ahead of this clock,
 *   which every later root would have to be, too), `older` or `contradiction` (with what the key signed last). Nothing is signed then.
 */
export async function signUnsignedRoot(
  unsigned: UnsignedRoot,
  signer: Signer,
  context: SigningContext,
): Promise<SignedRoot> {
  assertMaySign(unsigned, signer.publicKey, context)
  const signature = await signer.sign(unsigned.next.payloadBytes)
  return sealNextRoot(unsigned.next, { key: signer.publicKey, signature }, unsigned.authority).published.signed
}

/** @throws as {@link signUnsignedRoot}. */
export function assertMaySign(unsigned: UnsignedRoot, key: Uint8Array, { now, last }: SigningContext): void {
  const { payload } = unsigned.next
  if (!equalBytes(unsigned.key, key)) {
    throw refuse(
      'signer',
      `signer: expected ${formatAuthor(unsigned.key)}, which is to sign this root, got ${formatAuthor(key)}`,
    )
  }
  if (payload.issued > now + FUTURE_SECONDS_MAX) {
    const issued = renderTime(payload.issued)
    throw refuse(
      'future',
      `issued: expected at most ${renderTime(now + FUTURE_SECONDS_MAX)}, got ${issued}; one of the two clocks is wrong`,
    )
  }
  if (last === undefined || equalBytes(last.link, unsigned.link)) return
  const order = comparePositions(payload, last.payload)
  const signed = `@${last.payload.sequence} of epoch ${last.payload.epoch}, which this key signed`
  if (order < 0)
    throw refuse('older', `sequence: expected one after ${signed}, got @${payload.sequence} of epoch ${payload.epoch}`)
  if (payload.epoch === last.payload.epoch && findConflict(last, blankRoot(unsigned)) !== undefined) {
    throw refuse(
      'contradiction',
      `root: expected one that continues ${signed}, got one that contradicts it; readers would stop at both`,
    )
  }
}

/** As it will be, but for its signature. */
function blankRoot({ next, key }: UnsignedRoot): SignedRoot {
  const signature = new Uint8Array(SIGNATURE_BYTES)
  const root = decodeSignedRoot(encodeSignedRoot(next.payloadBytes, [{ key, signature }]))
  if (root.state === 'newer-format') throw new TypeError('expected a payload of the known format')
  return root
}

function refuse(reason: string, message: string): CoppiceError {
  return new CoppiceError('PUBLISH_REFUSED', message, { details: { reason } })
}
