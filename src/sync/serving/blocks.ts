/** Answers to `get blocks`: the longest prefix that fits, of what is complete here (protocol.md, 8 and 9). */
import { type Link, matchesLink } from '../../link.ts'
import { NODE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from '../../prolly/index.ts'
import type { CompleteRecord } from '../../store/interface.ts'
import { FILE_NODE_BYTES_MAX } from '../../unixfs/index.ts'
import type { BlocksAnswer, GetBlocks } from '../wire/index.ts'
import type { ServedTrees } from './served-trees.ts'

/** Links looked up together. */
const LOOKUP_LINKS = 32

/** Memory is the budget and at most one batch of lookups of the same size. */
export async function answerBlocks({ id, links, bytesMax }: GetBlocks, trees: ServedTrees): Promise<BlocksAnswer> {
  const blocks: (Uint8Array | null)[] = []
  let room = bytesMax
  while (blocks.length < links.length) {
    const batch = await lookUp(links.slice(blocks.length, blocks.length + LOOKUP_LINKS), room, trees)
    const known = batch.filter((link) => link !== undefined)
    let found = known.length === 0 ? [] : trees.store.getMany(known)
    if (found instanceof Promise) found = await found
    let next = 0
    for (const link of batch) {
      const bytes = link === undefined ? null : intact(link, found[next++], trees)
      const length = bytes?.length ?? 0
      if (length > room && blocks.length > 0) return { type: 'blocks', id, blocks }
      blocks.push(bytes)
      room -= length
    }
    if (room < 0) break
  }
  return { type: 'blocks', id, blocks }
}

/** The served ones among `links`, undefined for the others; ends where what is known to fit may be more than `room`. */
async function lookUp(links: readonly Link[], room: number, { store }: ServedTrees): Promise<(Link | undefined)[]> {
  const batch: (Link | undefined)[] = []
  let left = room
  for (const link of links) {
    let record = store.getComplete(link)
    if (record instanceof Promise) record = await record
    if (record !== undefined) left -= lengthOf(record)
    if (left < 0 && batch.length > 0) return batch
    batch.push(record === undefined ? undefined : link)
  }
  return batch
}

/** Hashed before they leave, so that a bad disk makes this peer incomplete and never a liar. */
export function intact(link: Link, bytes: Uint8Array | undefined, { onDamage }: ServedTrees): Uint8Array | null {
  if (bytes === undefined) return null
  if (bytes.length <= RAW_VALUE_BYTES_MAX && matchesLink(link, bytes)) return bytes
  onDamage?.(link)
  return null
}

/** At most so many bytes has the block. A record of a value's block says its height where nodes say their entries. */
function lengthOf({ level, entries, bytes }: CompleteRecord): number {
  if (level >= 0) return Math.min(bytes, NODE_BYTES_MAX)
  return entries > 0 ? FILE_NODE_BYTES_MAX : bytes
}
