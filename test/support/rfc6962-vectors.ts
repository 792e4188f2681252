/** test/vectors/rfc6962.json: published proofs of RFC 6962 trees, spoiled ones, and digests of all proofs of larger trees. */
import { readFileSync } from 'node:fs'

interface Rfc6962Vectors {
  readonly leaves: readonly string[]
  readonly roots: readonly string[]
  readonly inclusion: readonly {
    readonly what: string
    readonly index: number
    readonly size: number
    readonly leaf: string
    readonly root: string
    readonly path: readonly string[]
    readonly holds: boolean
  }[]
  readonly consistency: readonly {
    readonly what: string
    readonly from: number
    readonly to: number
    readonly fromRoot: string
    readonly toRoot: string
    readonly path: readonly string[]
    readonly holds: boolean
  }[]
  /** Leaves are the decimal numbers from 0. Digests are SHA-256 over the paths in order, each as its length in one byte and its hashes. */
  readonly trees: readonly {
    readonly size: number
    readonly root: string
    /** Of leaf 0, 1, ... in this tree. */
    readonly inclusion: string
    /** From the tree of 1, 2, ... leaves to this one. */
    readonly consistency: string
  }[]
}

export const RFC6962_VECTORS: Rfc6962Vectors = JSON.parse(
  readFileSync(new URL('../vectors/rfc6962.json', import.meta.url), 'utf8'),
) as Rfc6962Vectors
