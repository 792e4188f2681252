/**
 * What the authority signs beside roots: grants and rotations, both `[payload bytes, signature]` in DAG-CBOR, arrays only
 * (record.md, 3). Signatures are over the received payload bytes, never over a re-encoding.
 */
import { copyBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { cborArray, cborBytes, CborReader } from './cbor.ts'
import { SIGNATURE_BYTES, verifySignature } from './ed25519.ts'
import type { Signer } from './keys.ts'

/** The largest grant has 225 bytes, a rotation fewer. */
export const STATEMENT_BYTES_MAX = 256

export interface Statement {
  /** As received: `[payload bytes, signature]`. */
  readonly bytes: Uint8Array
  readonly payloadBytes: Uint8Array
  readonly signature: Uint8Array
}

/** For decoders of what others signed. `at` names the structure. */
export function signedRootFailure(at: string): (message: string, offset: number) => CoppiceError {
  return (message, offset) =>
    new CoppiceError('SIGNED_ROOT_INVALID', `${at}: ${message} (byte ${offset})`, { details: { at, offset } })
}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID`. */
export function decodeStatement(at: string, input: Uint8Array): Statement {
  const failure = signedRootFailure(at)
  if (input.length > STATEMENT_BYTES_MAX)
    throw failure(`expected at most ${STATEMENT_BYTES_MAX} bytes, got ${input.length}`, 0)
  const bytes = copyBytes(input)
  const reader = new CborReader(bytes, failure)
  reader.array(at, 2, 2)
  const payloadBytes = reader.bytes('payload', 1, STATEMENT_BYTES_MAX)
  const signature = reader.bytes('signature', SIGNATURE_BYTES, SIGNATURE_BYTES)
  reader.end(at)
  return { bytes, payloadBytes, signature }
}

export async function signStatement(signer: Signer, payloadBytes: Uint8Array): Promise<Uint8Array> {
  const signature = await signer.sign(payloadBytes)
  return cborArray([cborBytes(payloadBytes), cborBytes(signature)])
}

export function verifyStatement(key: Uint8Array, statement: Statement): boolean {
  return verifySignature(key, statement.payloadBytes, statement.signature)
}
