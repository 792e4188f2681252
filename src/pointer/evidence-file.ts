/**
 * Evidence of a fork as a file of one line (record.md, 5, "Evidence"), with the rotations that say whose signatures count: whoever has it
 * needs nothing else to see that an author contradicted itself.
 *
 *     coppice-evidence/1 <multibase base64url of [evidence, rotations]>
 */
import type { CoppiceError } from '../errors.ts'
import { type Authority, decodeRotations, encodeRotations, ROTATIONS_BYTES_MAX } from './authority.ts'
import { cborArray, cborBytes, CborReader } from './cbor.ts'
import { decodeEvidence, encodeEvidence, type Evidence, EVIDENCE_BYTES_MAX, verifyEvidence } from './evidence.ts'
import { signedRootFailure } from './statement.ts'

/** Checked: those who may sign for `authority.author` did sign both statements. */
export interface ProvenEvidence {
  readonly evidence: Evidence
  readonly authority: Authority
}

/** What is in the file: with as many rotations as it takes. */
export function encodeProvenEvidence({ evidence, authority }: ProvenEvidence): Uint8Array {
  const last = evidence.kind === 'roots' ? Math.max(...epochsOf(evidence)) : evidence.epoch - 1
  const needed = { ...authority, rotations: authority.rotations.filter(({ epoch }) => epoch <= last) }
  return cborArray([cborBytes(encodeEvidence(evidence)), cborBytes(encodeRotations(needed))])
}

function epochsOf({ lower, upper }: Extract<Evidence, { kind: 'roots' }>): number[] {
  return [lower.payload.epoch, upper.payload.epoch]
}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID` for whatever proves nothing. */
export function decodeProvenEvidence(bytes: Uint8Array): ProvenEvidence {
  const failure: (message: string, offset: number) => CoppiceError = signedRootFailure('evidence file')
  const reader = new CborReader(bytes, failure)
  reader.array('file', 2, 2)
  const evidence = decodeEvidence(reader.bytes('evidence', 1, EVIDENCE_BYTES_MAX))
  const rotations = reader.bytes('rotations', 1, ROTATIONS_BYTES_MAX)
  reader.end('file')
  const authority = decodeRotations(authorOf(evidence), rotations)
  if (!verifyEvidence(evidence, authority)) {
    throw failure('expected two statements that are signed by those who may, got one that is not', 0)
  }
  return { evidence, authority }
}

/** Whose chain it is that it is about. */
function authorOf(evidence: Evidence): Uint8Array {
  return evidence.kind === 'roots' ? evidence.lower.payload.author : evidence.one.author
}
