/** Taking single blocks from a frontier, as a fetch does. */
import type { Frontier } from '../../src/sync/fetching/frontier.ts'
import type { Want } from '../../src/sync/fetching/wants.ts'

export function takeBlocks(frontier: Frontier, max: number, bytesMax: number = Infinity): readonly Want[] {
  return frontier.take(max, bytesMax, (want) => ({ kind: 'blocks', bytes: want.bytesLikely }))?.wants ?? []
}
