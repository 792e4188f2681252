/**
 * A second implementation of the tree (docs/spec/tree.md, 1 to 3), written to be obviously right and nothing else: level
 * by level, everything in memory, CID objects, @ipld/dag-cbor, BigInt where the rule speaks of exact numbers. It imports
 * nothing of src/, so it can be the source of vectors and the oracle of tests.
 */
import { createHash } from 'node:crypto'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'

export interface ReferenceFormat {
  readonly targetBits: number
  readonly chunkBytesMin: number
  readonly chunkBytesMax: number
  readonly inlineBytesMax: number
}

export const REFERENCE_FORMAT_1: ReferenceFormat = {
  targetBits: 12,
  chunkBytesMin: 1024,
  chunkBytesMax: 16384,
  inlineBytesMax: 1024,
}

export interface ReferenceRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export type ReferenceValue = Uint8Array | [CID, number]
export type ReferenceLeaf = [0, Uint8Array[], ReferenceValue[]]
export type ReferenceInner = [number, Uint8Array[], CID[], number[], number[]]
export type ReferenceNode = ReferenceLeaf | ReferenceInner

export interface ReferenceTree {
  readonly root: CID
  readonly levels: number
  readonly entries: number
  /** As a signed root counts them: the root block and all below. */
  readonly bytes: number
  /** Tree nodes by CID text, in the order they were built: level 0 first, left to right. */
  readonly nodes: ReadonlyMap<string, Uint8Array>
  /** Out-of-line values by CID text. */
  readonly values: ReadonlyMap<string, Uint8Array>
  readonly maxNodeBytes: number
}

/** One entry of a level, be it a row or a child. */
interface Item {
  readonly key: Uint8Array
  /** The columns beside the key: [value] or [CID, count, bytes]. */
  readonly columns: readonly unknown[]
  readonly entries: number
  /** What it adds to the `bytes` of the node it stands in, beside the node's block. */
  readonly below: number
}

const RAW = 0x55
const SHA2_256 = 0x12

export function cidOf(codec: number, bytes: Uint8Array): CID {
  return CID.createV1(codec, createDigest(SHA2_256, createHash('sha256').update(bytes).digest()))
}

export function encodeReference(node: ReferenceNode): Uint8Array {
  return dagCbor.encode(node)
}

export function decodeReference(bytes: Uint8Array): ReferenceNode {
  return dagCbor.decode<ReferenceNode>(bytes)
}

const MASK = 0xffffffffn
const PRIMES = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn, 0x27d4eb2fn, 0x165667b1n] as const

function rotate(x: bigint, bits: bigint): bigint {
  return ((x << bits) | (x >> (32n - bits))) & MASK
}

/** XXH32 as its specification tells it, step by step. */
export function referenceXxh32(input: Uint8Array, seed: number): number {
  const [p1, p2, p3, p4, p5] = PRIMES
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const start = BigInt(seed)
  let accumulator = (start + p5) & MASK
  let at = 0
  if (input.length >= 16) {
    const lanes = [start + p1 + p2, start + p2, start, start - p1].map((lane) => lane & MASK)
    while (input.length - at >= 16) {
      for (const [i, lane] of lanes.entries()) {
        const read = BigInt(view.getUint32(at + 4 * i, true))
        lanes[i] = (rotate((lane + read * p2) & MASK, 13n) * p1) & MASK
      }
      at += 16
    }
    const turns = [1n, 7n, 12n, 18n]
    accumulator = lanes.reduce((sum, lane, i) => sum + rotate(lane, turns[i] as bigint), 0n) & MASK
  }
  accumulator = (accumulator + BigInt(input.length)) & MASK
  for (; input.length - at >= 4; at += 4) {
    const read = BigInt(view.getUint32(at, true))
    accumulator = (rotate((accumulator + read * p3) & MASK, 17n) * p4) & MASK
  }
  for (; at < input.length; at++) {
    accumulator = (rotate((accumulator + BigInt(input[at] as number) * p5) & MASK, 11n) * p1) & MASK
  }
  accumulator ^= accumulator >> 15n
  accumulator = (accumulator * p2) & MASK
  accumulator ^= accumulator >> 13n
  accumulator = (accumulator * p3) & MASK
  return Number(accumulator ^ (accumulator >> 16n))
}

/** Whether a chunk ends after the entry of that key: `h / 2^32 < 4 x^3 e / T^4`, both sides times 2^32 T^4. */
export function referenceCloses(
  format: ReferenceFormat,
  level: number,
  n: number,
  x: number,
  e: number,
  key: Uint8Array,
): boolean {
  if (level > 0 && n < 2) return false
  if (x >= format.chunkBytesMax) return true
  if (x < format.chunkBytesMin) return false
  const h = BigInt(referenceXxh32(key, level))
  const t4 = 1n << BigInt(4 * format.targetBits)
  return h * t4 < (1n << 34n) * BigInt(x) ** 3n * BigInt(e)
}

function encodedLength(item: Item): number {
  return [item.key, ...item.columns].reduce<number>((sum, part) => sum + dagCbor.encode(part).length, 0)
}

function cut(items: readonly Item[], level: number, format: ReferenceFormat): Item[][] {
  const chunks: Item[][] = []
  let chunk: Item[] = []
  let x = 0
  for (const item of items) {
    const e = encodedLength(item)
    x += e
    chunk.push(item)
    if (!referenceCloses(format, level, chunk.length, x, e, item.key)) continue
    chunks.push(chunk)
    chunk = []
    x = 0
  }
  if (chunk.length > 0 || chunks.length === 0) chunks.push(chunk)
  return chunks
}

function toNode(level: number, chunk: readonly Item[]): ReferenceNode {
  const columns = level === 0 ? 1 : 3
  const column = (c: number): unknown[] => chunk.map((item) => item.columns[c])
  const parts = Array.from({ length: columns }, (_, c) => column(c))
  return [level, chunk.map((item) => item.key), ...parts] as ReferenceNode
}

/**
 * The tree of `rows`, which are in any order and have distinct keys. Where values are beyond 1 MiB, `files` has their
 * CIDs, by the importer of IPFS.
 */
export function referenceTree(
  rows: readonly ReferenceRow[],
  format: ReferenceFormat = REFERENCE_FORMAT_1,
  files: ReadonlyMap<Uint8Array, CID> = new Map(),
): ReferenceTree {
  const nodes = new Map<string, Uint8Array>()
  const values = new Map<string, Uint8Array>()
  let maxNodeBytes = 0
  let items: Item[] = [...rows]
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ key, value }) => {
      if (value.length <= format.inlineBytesMax) return { key, columns: [value], entries: 1, below: 0 }
      const cid = files.get(value) ?? cidOf(RAW, value)
      values.set(cid.toString(), value)
      return { key, columns: [[cid, value.length]], entries: 1, below: value.length }
    })
  for (let level = 0; ; level++) {
    items = cut(items, level, format).map((chunk) => {
      const bytes = encodeReference(toNode(level, chunk))
      const cid = cidOf(dagCbor.code, bytes)
      nodes.set(cid.toString(), bytes)
      maxNodeBytes = Math.max(maxNodeBytes, bytes.length)
      const entries = chunk.reduce((sum, item) => sum + item.entries, 0)
      const below = chunk.reduce((sum, item) => sum + item.below, bytes.length)
      return { key: chunk.at(-1)?.key ?? new Uint8Array(0), columns: [cid, entries, below], entries, below }
    })
    const [top] = items
    if (items.length > 1 || top === undefined) continue
    const root = top.columns[0] as CID
    return { root, levels: level + 1, entries: top.entries, bytes: top.below, nodes, values, maxNodeBytes }
  }
}
