/**
 * What an author keeps of its last signed root: all that signing the next one needs, as one value, so that no crash can leave
 * half of it (record.md, 5). It is made durable before the signed bytes leave the process.
 */
import { copyBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { CODEC_DAG_CBOR, type Link } from '../link.ts'
import { cborArray, cborBytes, cborLink, CborReader, cborUint } from './cbor.ts'
import { decodeFrontier, encodeFrontier, isFrontierOf, type Frontier } from './history.ts'
import { RECENT_MAX } from './payload.ts'
import { decodeSignedRoot, SIGNED_ROOT_BYTES_MAX, type SignedRoot } from './signed-root.ts'

const VERSION = 1
const PARTS = 4
const STATE_BYTES_MAX = 4096

/** All that signing the next root needs of the last one. Kept as one value: see {@link encodePublished}. */
export interface Published {
  readonly signed: SignedRoot
  /** Over the payloads below `signed`: its tree hash is the payload's `history`. */
  readonly history: Frontier
  /** The tree roots of the first of the payload's `recent`, in its order: all of them, unless the chain was adopted. */
  readonly recentRoots: readonly Link[]
}

/** The chain of `signed`, a verified root, as the state to go on from: after a restore, or to end a fork. */
export function adoptPublished(signed: SignedRoot, history: Frontier, recentRoots: readonly Link[] = []): Published {
  const published = { signed, history, recentRoots: recentRoots.slice(0, signed.payload.recent.length) }
  if (!isOneState(published))
    throw new CoppiceError('PUBLISH_REFUSED', 'history: expected that of the signed root, got another')
  return published
}

export function encodePublished(published: Published): Uint8Array {
  return cborArray([
    cborUint(VERSION),
    cborBytes(published.signed.bytes),
    cborBytes(encodeFrontier(published.history)),
    cborArray(published.recentRoots.map(cborLink)),
  ])
}

/** @throws {CoppiceError} `FORMAT_NEWER` when a newer version wrote it, `STORE_CORRUPT` for anything else. */
export function decodePublished(bytes: Uint8Array): Published {
  const reader = new CborReader(copyBytes(bytes), corruptPublished)
  const parts = reader.array('published', 1, 64)
  const version = reader.uint('version', 1, Number.MAX_SAFE_INTEGER)
  if (version !== VERSION)
    throw new CoppiceError('FORMAT_NEWER', `published: expected version ${VERSION}, got ${version}`)
  if (parts !== PARTS) throw corruptPublished(`expected ${PARTS} elements, got ${parts}`, 0)
  const signed = decodeOwn(reader.bytes('signed root', 1, SIGNED_ROOT_BYTES_MAX))
  const history = decodeFrontier(reader.bytes('history', 1, STATE_BYTES_MAX))
  const count = reader.array('recent roots', 0, RECENT_MAX)
  const recentRoots = Array.from({ length: count }, () => reader.link('recent root', CODEC_DAG_CBOR))
  reader.end('published')
  const published = { signed, history, recentRoots }
  if (!isOneState(published)) throw corruptPublished('expected the history of the signed root', 0)
  return published
}

function decodeOwn(bytes: Uint8Array): SignedRoot {
  try {
    const signed = decodeSignedRoot(bytes)
    if (signed.state === 'known') return signed
    throw corruptPublished('expected a root of a known format', 0)
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
    throw new CoppiceError('STORE_CORRUPT', `published: ${error.message}`, { cause: error })
  }
}

export function corruptPublished(message: string, offset: number): CoppiceError {
  return new CoppiceError('STORE_CORRUPT', `published: ${message} (byte ${offset})`, { details: { offset } })
}

/** Whether the parts belong together: a frontier of another chain would sign a history that never was. */
export function isOneState({ signed, history, recentRoots }: Published): boolean {
  const { payload } = signed
  return isFrontierOf(history, payload.sequence - 1, payload.history) && recentRoots.length <= payload.recent.length
}
