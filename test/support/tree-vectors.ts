/** Reads the committed vectors of trees, and those of a shared folder beside the checkout where there is one. */
import { readFileSync } from 'node:fs'
import { CID } from 'multiformats/cid'
import { type Link, linkMapKey } from '../../src/link.ts'
import type { Format, TreeRef } from '../../src/prolly/index.ts'
import { hex as requireHex } from './hex.ts'
import { hasSharedVectors, readSharedVectors } from './shared-vectors.ts'

export interface TreeVector {
  readonly name: string
  /** Version 1 where it is left out, as in all other vectors. */
  readonly format?: Format
  readonly root: string
  readonly levels: number
  readonly entries: number
  readonly bytes: number
  readonly nodes: number
  readonly maxNodeBytes: number
}

export interface BlockVector {
  readonly name: string
  readonly cid: string
  readonly hex: string
}

export interface BoundaryVector {
  readonly format?: Format
  readonly level: number
  readonly key: string
  readonly n: number
  readonly x: number
  readonly e: number
  readonly h: number
  readonly closes: boolean
}

export interface NegativeVector {
  readonly name: string
  readonly format?: Format
  /** Of docs/spec/tree.md, 4. */
  readonly rule: number
  readonly root: string
  readonly entries: number
  readonly bytes: number
  readonly blocks: Readonly<Record<string, string>>
  /** Roots of sound trees among `blocks` that a replica may hold already. */
  readonly held?: readonly string[]
  readonly note?: string
}

interface Vectors {
  readonly trees: readonly TreeVector[]
  readonly blocks: readonly BlockVector[]
  readonly boundaries: readonly BoundaryVector[]
  readonly negatives: readonly NegativeVector[]
}

export function ownVectors(): Vectors {
  const read = (name: string): unknown => {
    return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'))
  }
  const tree = read('tree.json') as Omit<Vectors, 'negatives'>
  return { ...tree, negatives: read('tree-negative.json') as readonly NegativeVector[] }
}

/** Undefined where there is no such folder: the test that asked is skipped, visibly. */
export function sharedVectors(): Vectors | undefined {
  if (!hasSharedVectors('tree.json')) return undefined
  return {
    trees: readSharedVectors('tree.json'),
    blocks: readSharedVectors('node.json'),
    boundaries: readSharedVectors('boundary.json'),
    negatives: readSharedVectors('negative.json'),
  }
}

/** The link of any CID, also one that no tree may hold. */
function requireCid(text: string): Link {
  return CID.parse(text).bytes
}

/** The blocks of a negative vector, and what its signed root says. */
export function loadNegative(vector: NegativeVector): {
  readonly blocks: { readonly map: ReadonlyMap<string, Uint8Array>; get(link: Link): Uint8Array | undefined }
  readonly ref: TreeRef
} {
  const map = new Map(Object.entries(vector.blocks).map(([cid, hex]) => [linkMapKey(requireCid(cid)), requireHex(hex)]))
  const { entries, bytes } = vector
  return {
    blocks: { map, get: (link) => map.get(linkMapKey(link)) },
    ref: { root: requireCid(vector.root), entries, bytes },
  }
}
