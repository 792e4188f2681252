/**
 * What travels beside a signed root (record.md, 7): statements that are needed to judge it, and envelopes by which anybody can put
 * it on a carrier again. Each is verified on its own where it is used; unknown ones are passed over.
 *
 *     attachments = [[id, bytes], ...]     ids ascending and unique
 */
import { cborArray, cborBytes, CborReader, cborUint } from '../pointer/cbor.ts'
import { signedRootFailure } from '../pointer/statement.ts'

export const ATTACHMENT_IDS = {
  /** The rotations of the author, as `encodeRotations` gives them. */
  rotations: 1,
  /** Evidence of a fork, as `encodeEvidence` gives it. */
  evidence: 2,
  /** The BEP44 item that carries the signed root: its key, sequence and signature. */
  bep44: 3,
  /** The IPNS record of the author, or of the signer, that leads to the signed root. */
  ipns: 4,
  /** The BEP44 items and IPNS records of keys before the signer's, which lead to it. */
  bep44Hops: 5,
  ipnsHops: 6,
} as const

/** All of them together: 1,024 rotations have 167 KB, evidence 6, envelopes a few. Carriers with less room leave some out. */
export const ATTACHMENTS_BYTES_MAX: number = 256 * 1024
const ATTACHMENTS_MAX = 16
const ID_MAX = 255

export type Attachments = ReadonlyMap<number, Uint8Array>

export const NO_ATTACHMENTS: Attachments = new Map<number, Uint8Array>()

/** @throws {RangeError} beyond the bounds: a bug of the caller. */
export function encodeAttachments(attachments: Attachments): Uint8Array {
  const pairs = [...attachments].toSorted(([a], [b]) => a - b)
  const bytes = cborArray(pairs.map(([id, each]) => cborArray([cborUint(id), cborBytes(each)])))
  if (bytes.length > ATTACHMENTS_BYTES_MAX) {
    throw new RangeError(`attachments: expected at most ${ATTACHMENTS_BYTES_MAX} bytes, got ${bytes.length}`)
  }
  return bytes
}

/** Copies. @throws {CoppiceError} `SIGNED_ROOT_INVALID`, and nothing else whatever the bytes. */
export function decodeAttachments(bytes: Uint8Array): Attachments {
  const failure = signedRootFailure('attachments')
  if (bytes.length > ATTACHMENTS_BYTES_MAX) {
    throw failure(`expected at most ${ATTACHMENTS_BYTES_MAX} bytes, got ${bytes.length}`, 0)
  }
  const reader = new CborReader(new Uint8Array(bytes), failure)
  const attachments = new Map<number, Uint8Array>()
  const count = reader.array('attachments', 0, ATTACHMENTS_MAX)
  let last = -1
  for (let i = 0; i < count; i++) {
    reader.array(`attachments[${i}]`, 2, 2)
    const id = reader.uint(`attachments[${i}] id`, last + 1, ID_MAX)
    last = id
    attachments.set(id, reader.bytes(`attachments[${i}]`, 1, ATTACHMENTS_BYTES_MAX))
  }
  reader.end('attachments')
  return attachments
}

/** Of them the statements, encoded: what says who may sign and what is forked. Undefined where there is none. */
export function statementsOf(attachments: Attachments): Uint8Array | undefined {
  const ids: readonly number[] = [ATTACHMENT_IDS.rotations, ATTACHMENT_IDS.evidence]
  const statements = [...attachments].filter(([id]) => ids.includes(id))
  return statements.length === 0 ? undefined : encodeAttachments(new Map(statements))
}
