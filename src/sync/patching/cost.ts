/**
 * What an update costs as rows and as blocks, estimated from one page of rows and from what both signed roots say (protocol.md,
 * 16). Rows are extrapolated by how far in the older tree the page came; blocks by how many nodes of each level so many rows
 * touch. An estimate decides only which way is tried first: every way ends at the same verified tree.
 */
import type { Format } from '../../prolly/index.ts'
import type { PatchEstimate } from '../report.ts'

/** Nodes of the older tree, as one path of it and its totals tell. */
export interface Shape {
  readonly entries: number
  /** By level, from the leaves to the root. */
  readonly nodes: readonly number[]
  readonly nodeBytes: number
}

/** The first page of a patch. */
export interface Sample {
  readonly rows: number
  /** As they came. */
  readonly bytes: number
  /** Of their values that stand out of line. */
  readonly valueBytes: number
  /** Rows of the older tree up to where the page ends. */
  readonly passed: number
  /** The page is the whole patch. */
  readonly isLast: boolean
}

/** Chunks cluster below 2^targetBits bytes; with the rule of version 1 their mean is 3.6 KB (tree.md, 3). */
export function meanNodeBytes({ targetBits }: Format): number {
  return Math.round(0.9 * 2 ** targetBits)
}

/** @param growth entries that the newer tree has more, by its signed count; negative for fewer */
export function estimate(shape: Shape, growth: number, sample: Sample): PatchEstimate {
  const scale = sample.isLast ? 1 : shape.entries / Math.max(1, Math.min(sample.passed, shape.entries))
  const likely = Math.max(sample.rows * scale, sample.isLast ? 0 : Math.abs(growth))
  const limit = 2 * shape.entries + Math.abs(growth)
  const rows = Math.round(Math.max(sample.rows, Math.min(likely, limit)))
  const perRow = (bytes: number): number => (sample.rows === 0 ? 0 : Math.round((rows * bytes) / sample.rows))
  const nodes = touchedNodes(shape, rows)
  return {
    rows,
    rowBytes: perRow(sample.bytes),
    nodes,
    nodeBytes: nodes * shape.nodeBytes,
    valueBytes: perRow(sample.valueBytes),
  }
}

/** The shape of the part of a tree that has so many of its entries, up to `level`. */
export function partOf({ entries, nodes, nodeBytes }: Shape, part: number, level: number = Infinity): Shape {
  const share = part / Math.max(1, entries)
  return { entries: part, nodes: nodes.slice(0, level + 1).map((count) => Math.max(1, count * share)), nodeBytes }
}

/**
 * Nodes that `rows` changed rows make anew: here and there in the tree, each touches a leaf until they meet, and each level has
 * what the one below leaves of it. Rows side by side make fewer; then they are about as many bytes as their leaves, and either way is good.
 */
export function touchedNodes({ nodes }: Shape, rows: number): number {
  let below = rows
  let sum = 0
  for (const count of nodes) {
    below = spread(count, below)
    sum += below
  }
  return Math.max(1, Math.round(sum))
}

/**
 * How many of `places` are hit by so many hits at random: places * (1 - e^(-hits / places)). The power of e is that of
 * (1 + x/64)^64, by squaring, which is the same on every engine.
 */
function spread(places: number, hits: number): number {
  let power = 1 + hits / places / 64
  for (let i = 0; i < 6; i++) power *= power
  return places * (1 - 1 / power)
}

/**
 * Rows are worth it while they have less than three quarters of the blocks' bytes: they have to be applied, and come from few
 * peers, where blocks come from all.
 */
export const PATCH_SHARE_MAX = 0.75

/** `paid`: bytes of rows that are here already. */
export function isPatchWorthIt(
  { rowBytes, nodeBytes }: PatchEstimate,
  paid: number,
  shareMax: number = PATCH_SHARE_MAX,
): boolean {
  return rowBytes - paid <= shareMax * nodeBytes
}
