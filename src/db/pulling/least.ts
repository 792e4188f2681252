/** The least that had to be sent for a pull, by what differs between its two states: what a report is compared with. */
import { diffTrees, isValueRef, SeenValues, type Tree, walkTree } from '../../prolly/index.ts'
import { LINK_BYTES } from '../../link.ts'

export interface Least {
  /** Rows that differ, and their bytes: keys, inline values, links of others. */
  readonly rows: number
  readonly rowBytes: number
  /** Blocks that only the newer state has, values out of line among them. */
  readonly blocks: number
  readonly blockBytes: number
}

/** Equal values under several keys that are counted once, as they are sent once. */
const SEEN_VALUES_MAX = 16 * 1024

/** Reads what differs, twice. @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`; the signal's reason. */
export async function leastBetween(from: Tree, to: Tree, signal: AbortSignal | undefined): Promise<Least> {
  const least = { rows: 0, rowBytes: 0, blocks: 0, blockBytes: 0 }
  for await (const change of diffTrees(from, to, { signal })) {
    least.rows++
    least.rowBytes += change.key.length
    if (change.type !== 'remove') least.rowBytes += isValueRef(change.to) ? LINK_BYTES : change.to.length
  }
  const seen = new SeenValues(SEEN_VALUES_MAX)
  for await (const { bytes } of walkTree(to.nodes.blocks, to.ref.root, { base: from, seen, signal })) {
    least.blocks++
    least.blockBytes += bytes.length
  }
  return least
}
