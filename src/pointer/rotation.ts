/**
 * A rotation hands the authority over all databases of an author to a new key, from one epoch on. It is signed by the
 * authority before it (record.md, 3).
 */
import { cborArray, cborBytes, CborReader, cborText, cborUint } from './cbor.ts'
import { PUBLIC_KEY_BYTES } from './ed25519.ts'
import type { Signer } from './keys.ts'
import { EPOCH_MAX } from './order.ts'
import { decodeStatement, signStatement, signedRootFailure, verifyStatement, type Statement } from './statement.ts'

const DOMAIN = 'coppice/rotation/1'

export interface RotationPayload {
  readonly author: Uint8Array
  /** 1..4095: the first epoch of the new key. Epoch 0 is the author key's for ever. */
  readonly epoch: number
  readonly newKey: Uint8Array
}

export interface Rotation extends Statement, RotationPayload {}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID`. Says nothing about the signature: see {@link verifyRotation}. */
export function decodeRotation(bytes: Uint8Array): Rotation {
  const statement = decodeStatement('rotation', bytes)
  const reader = new CborReader(statement.payloadBytes, signedRootFailure('rotation payload'))
  reader.array('payload', 4, 4)
  if (reader.text('domain', DOMAIN.length) !== DOMAIN) reader.fail(`domain: expected ${DOMAIN}`)
  const author = reader.bytes('author', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
  const epoch = reader.uint('epoch', 1, EPOCH_MAX)
  const newKey = reader.bytes('new key', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
  reader.end('payload')
  return { ...statement, author, epoch, newKey }
}

/** The bytes of a rotation by `authority`, whose key must be the authority before `payload.epoch`. */
export function signRotation(authority: Signer, payload: RotationPayload): Promise<Uint8Array> {
  return signStatement(
    authority,
    cborArray([cborText(DOMAIN), cborBytes(payload.author), cborUint(payload.epoch), cborBytes(payload.newKey)]),
  )
}

/** Whether `authorityKey` signed it. */
export function verifyRotation(authorityKey: Uint8Array, rotation: Rotation): boolean {
  return verifyStatement(authorityKey, rotation)
}
