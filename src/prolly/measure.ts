/** The shape of a tree: nodes and bytes of each level, values out of line. For people who tune or wonder. */
import type { Link } from '../link.ts'
import { isValueRef } from './node.ts'
import type { Tree } from './tree.ts'

export interface LevelShape {
  /** 0 = leaves. */
  readonly level: number
  nodes: number
  /** Of the encoded nodes. */
  bytes: number
  /** Entries in them: rows at level 0, children above. */
  entries: number
  bytesMax: number
}

/** Sizes of nodes are counted in steps of so many bytes. */
export const HISTOGRAM_STEP_BYTES = 512

export interface TreeShape {
  /** From the leaves to the root. */
  readonly levels: readonly LevelShape[]
  /** Nodes of all levels by their size: the n-th count, from 0, is of those of `[n, n + 1)` times {@link HISTOGRAM_STEP_BYTES}. */
  readonly histogram: readonly number[]
  /** Values out of line, each at each of its places. */
  readonly values: number
  readonly valueBytes: number
}

/** Reads every node once per place, and no value. @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`. */
export async function measureTree(
  tree: Tree,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<TreeShape> {
  const levels = Array.from({ length: tree.level + 1 }, (_, level): LevelShape => ({
    level,
    nodes: 0,
    bytes: 0,
    entries: 0,
    bytesMax: 0,
  }))
  const histogram: number[] = []
  let values = 0
  let valueBytes = 0
  const visit = async (link: Link): Promise<void> => {
    options.signal?.throwIfAborted()
    const found = tree.nodes.get(link)
    const node = found instanceof Promise ? await found : found
    const shape = levels[node.level]
    if (shape !== undefined) {
      shape.nodes++
      shape.bytes += node.bytes.length
      shape.entries += node.length
      shape.bytesMax = Math.max(shape.bytesMax, node.bytes.length)
    }
    const step = Math.floor(node.bytes.length / HISTOGRAM_STEP_BYTES)
    while (histogram.length <= step) histogram.push(0)
    histogram[step] = (histogram[step] as number) + 1
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) {
        await visit(node.link(i))
        continue
      }
      const value = node.value(i)
      if (!isValueRef(value)) continue
      values++
      valueBytes += value.size
    }
  }
  await visit(tree.ref.root)
  return { levels, histogram, values, valueBytes }
}
