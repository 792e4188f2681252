/**
 * What connects, or sets against each other, two signed roots that are more than one sequence apart: an inclusion proof of a
 * leaf at the older one's place in the newer one's `history`, and a consistency proof between both histories (record.md, 5).
 * Whoever keeps the history's subtree hashes makes it; it is only worth what it proves.
 */
import { equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { SHA256_BYTES } from '../sha256.ts'
import { cborArray, cborBytes, CborReader } from './cbor.ts'
import { historyLeaf } from './history.ts'
import {
  checkConsistency,
  checkInclusion,
  proveConsistency,
  proveInclusion,
  type SubtreeHashReader,
} from './history-proof.ts'
import type { SignedRoot } from './signed-root.ts'

export interface LinkProof {
  /** The leaf hash that the newer history has at the older root's place. */
  readonly leaf: Uint8Array
  readonly inclusion: readonly Uint8Array[]
  /** From the older root's history to the newer one's. Empty where there is none, as between contradicting histories. */
  readonly consistency: readonly Uint8Array[]
}

/** Sequences end below 2^40: a path has at most 40 hashes, a consistency proof at most 41. */
const PATH_HASHES_MAX = 41
export const LINK_PROOF_BYTES_MAX = 4096

/** `contradicted`: the newer author's own history has another payload there. `unproven`: the proof shows nothing. */
export type LinkVerdict = 'linked' | 'contradicted' | 'unproven'

/** `older` stands at a lower sequence of the same database than `newer`. Total. */
export function checkLink(older: SignedRoot, newer: SignedRoot, proof: LinkProof): LinkVerdict {
  const index = older.payload.sequence - 1
  const size = newer.payload.sequence - 1
  if (!checkInclusion(proof.leaf, index, size, proof.inclusion, newer.payload.history)) return 'unproven'
  if (!equalBytes(proof.leaf, historyLeaf(older.payloadBytes))) return 'contradicted'
  const consistent = checkConsistency(index, size, proof.consistency, older.payload.history, newer.payload.history)
  return consistent ? 'linked' : 'unproven'
}

/** The proof between the roots of two sequences of the history that `read` knows, 1 <= older < newer. Rejects as `read` throws. */
export async function proveLink(older: number, newer: number, read: SubtreeHashReader): Promise<LinkProof> {
  const [leaf] = await read([{ level: 0, index: older - 1 }])
  if (leaf === undefined) throw new RangeError(`sequence ${older}: expected its leaf in the history`)
  return {
    leaf,
    inclusion: await proveInclusion(older - 1, newer - 1, read),
    consistency: await proveConsistency(older - 1, newer - 1, read),
  }
}

export function encodeLinkProof(proof: LinkProof): Uint8Array {
  const hashes = (path: readonly Uint8Array[]): Uint8Array => cborArray(path.map(cborBytes))
  return cborArray([cborBytes(proof.leaf), hashes(proof.inclusion), hashes(proof.consistency)])
}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID`. */
export function decodeLinkProof(bytes: Uint8Array): LinkProof {
  const failure = (message: string, offset: number): CoppiceError =>
    new CoppiceError('SIGNED_ROOT_INVALID', `link proof: ${message} (byte ${offset})`, {
      details: { at: 'link proof', offset },
    })
  const reader = new CborReader(new Uint8Array(bytes), failure)
  reader.array('link proof', 3, 3)
  const hash = (): Uint8Array => reader.bytes('hash', SHA256_BYTES, SHA256_BYTES)
  const path = (field: string): Uint8Array[] => Array.from({ length: reader.array(field, 0, PATH_HASHES_MAX) }, hash)
  const proof = { leaf: hash(), inclusion: path('inclusion'), consistency: path('consistency') }
  reader.end('link proof')
  return proof
}
