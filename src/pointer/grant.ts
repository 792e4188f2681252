/**
 * A grant lets another key sign the roots of one epoch, so that the author key can stay offline (record.md, 3). One
 * signer per epoch; the authority of that epoch signs the grant, and every root of the epoch carries it.
 */
import { cborArray, cborBytes, cborNullable, CborReader, cborText, cborUint } from './cbor.ts'
import { PUBLIC_KEY_BYTES } from './ed25519.ts'
import type { Signer } from './keys.ts'
import { isDatabaseName, NAME_BYTES_MAX, NAME_RULE } from './name.ts'
import { EPOCH_MAX, SEQUENCE_MAX, SECONDS_MAX } from './order.ts'
import { decodeStatement, signStatement, signedRootFailure, verifyStatement, type Statement } from './statement.ts'

const DOMAIN = 'coppice/grant/1'

export interface GrantPayload {
  readonly author: Uint8Array
  readonly name: string
  /** 0..4095 */
  readonly epoch: number
  /** The key that may sign. */
  readonly signer: Uint8Array
  /** The first sequence it may sign. */
  readonly firstSequence: number
  /** Seconds; a root issued then or later does not count. null = no end. */
  readonly expires: number | null
}

export interface Grant extends Statement, GrantPayload {}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID`. Says nothing about the signature: see {@link verifyGrant}. */
export function decodeGrant(bytes: Uint8Array): Grant {
  const statement = decodeStatement('grant', bytes)
  const reader = new CborReader(statement.payloadBytes, signedRootFailure('grant payload'))
  reader.array('payload', 7, 7)
  if (reader.text('domain', DOMAIN.length) !== DOMAIN) reader.fail(`domain: expected ${DOMAIN}`)
  const author = reader.bytes('author', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
  const name = reader.text('name', NAME_BYTES_MAX)
  if (!isDatabaseName(name)) reader.fail(`name: expected ${NAME_RULE}`)
  const epoch = reader.uint('epoch', 0, EPOCH_MAX)
  const signer = reader.bytes('signer', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
  const firstSequence = reader.uint('first sequence', 1, SEQUENCE_MAX)
  const expires = reader.nullable(() => reader.uint('expires', 0, SECONDS_MAX))
  reader.end('payload')
  return { ...statement, author, name, epoch, signer, firstSequence, expires }
}

/** The bytes of a grant by `authority`, whose key must be the authority of `payload.epoch`. */
export function signGrant(authority: Signer, payload: GrantPayload): Promise<Uint8Array> {
  return signStatement(
    authority,
    cborArray([
      cborText(DOMAIN),
      cborBytes(payload.author),
      cborText(payload.name),
      cborUint(payload.epoch),
      cborBytes(payload.signer),
      cborUint(payload.firstSequence),
      cborNullable(payload.expires, cborUint),
    ]),
  )
}

/** Whether `authorityKey` signed it. */
export function verifyGrant(authorityKey: Uint8Array, grant: Grant): boolean {
  return verifyStatement(authorityKey, grant)
}
