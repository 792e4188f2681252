/** test/vectors/record.json, as scripts/make-record-vectors.ts writes it. */
import { readFileSync } from 'node:fs'

export interface RecordVector {
  readonly label: string
  readonly epoch: number
  readonly sequence: number
  readonly root: string
  readonly entries: number
  readonly bytes: number
  readonly issued: number
  readonly expires: number | null
  readonly signer: string
  readonly payload: string
  readonly payloadCid: string
  readonly signedRoot: string
  readonly length: number
  readonly history: string
  readonly headCid: string
  readonly carrierSequence: string
}

export interface LabelledRoot {
  readonly label: string
  readonly signedRoot: string
}

export interface RecordVectors {
  readonly seeds: { readonly author: string; readonly signer: string; readonly rotated: string }
  readonly author: string
  readonly name: string
  readonly address: string
  readonly rotation: string
  readonly records: readonly RecordVector[]
  /** The other tip of the fork at sequence 9. */
  readonly fork: RecordVector
  readonly largest: {
    readonly name: string
    readonly payload: string
    readonly payloadCid: string
    readonly signedRoot: string
    readonly length: number
  }
  readonly states: readonly (LabelledRoot & { readonly state: string; readonly problem?: string })[]
  readonly unentitled: readonly (LabelledRoot & { readonly problem: string })[]
  readonly malformed: readonly LabelledRoot[]
  readonly history: { readonly leaves: readonly string[]; readonly roots: readonly string[] }
}

export const RECORD_VECTORS: RecordVectors = JSON.parse(
  readFileSync(new URL('../vectors/record.json', import.meta.url), 'utf8'),
) as RecordVectors
