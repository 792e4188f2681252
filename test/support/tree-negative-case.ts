/** What the trees that must be rejected are forged with: an honest tree, places in it, and blocks of any bytes. Nothing of src/. */
import type { CID } from 'multiformats/cid'
import { type Forge, isLeaf, type Place } from './tree-forge.ts'
import {
  cidOf,
  type ReferenceFormat,
  type ReferenceInner,
  type ReferenceLeaf,
  type ReferenceRow,
} from './tree-reference.ts'
import { vectorSet } from './vector-sets.ts'

export const DEEP: ReferenceFormat = { targetBits: 6, chunkBytesMin: 16, chunkBytesMax: 256, inlineBytesMax: 24 }
export const RAW = 0x55
export const DAG_PB = 0x70
export const DAG_CBOR = 0x71

export interface Case {
  readonly rule: number
  readonly format?: ReferenceFormat
  readonly note?: string
  make(forge: Forge, format: ReferenceFormat): Made
}

export interface Made {
  readonly root: CID
  /** The truth, unless given. */
  readonly entries?: number
  readonly bytes?: number
  readonly held?: readonly CID[]
}

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** 40 rows of the deep set: a tree of six levels or so. */
export function rows(): readonly ReferenceRow[] {
  return vectorSet('deep-300').rows.slice(0, 40)
}

/** A root block of any bytes. */
export function rawRoot(bytes: Uint8Array, entries = 1): Case['make'] {
  return (forge) => ({ root: forge.storeBytes(bytes), entries, bytes: bytes.length })
}

export function honest(
  forge: Forge,
  format: ReferenceFormat,
): { root: CID; places: Place[]; leaves: Place[]; inner: Place[] } {
  const root = forge.addTree(rows(), format)
  const places = forge.places(root)
  return {
    root,
    places,
    leaves: places.filter(({ node }) => isLeaf(node)),
    inner: places.filter(({ node }) => !isLeaf(node)),
  }
}

export function leafOf(place: Place | undefined): ReferenceLeaf {
  if (place === undefined || !isLeaf(place.node)) throw new Error('negative: expected a leaf')
  return place.node
}

export function innerOf(place: Place | undefined): ReferenceInner {
  if (place === undefined || isLeaf(place.node)) throw new Error('negative: expected an internal node')
  return place.node
}

export function required<T>(item: T | undefined): T {
  if (item === undefined) throw new Error('negative: the honest tree has no such place')
  return item
}

/** A leaf `[0, [61], [value]]` with that encoded value. */
export function leafWithValue(encoded: string): Uint8Array {
  return hex(`83 00 81 41 61 81 ${encoded}`)
}

export function cidHex(codec: number): string {
  return Buffer.from(cidOf(codec, utf8('x')).bytes).toString('hex')
}

export const LINK = 'd8 2a 58 25 00'
