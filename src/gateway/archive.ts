/**
 * The blocks of a CAR answer, in depth-first order: those on the way along the path, then what the scope asks for below its end
 * (trustless gateway specification, "CAR Responses").
 */
import { requireHeld } from '../held-block.ts'
import { type Block, CODEC_DAG_CBOR, type Link, linkCodec } from '../link.ts'
import { FORMAT_1, isValueRef, Node, SeenValues, walkTree, walkValue } from '../prolly/index.ts'
import type { BlockReader, CompleteRecord } from '../store/interface.ts'
import type { FilePlace } from '../unixfs/index.ts'
import { REPEATING_BYTES_MAX, SEEN_VALUES_MAX } from './limits.ts'
import type { CarRequest } from './request.ts'
import type { Found, Served } from './served.ts'

/** Where a path leads, and the blocks before its end. */
export interface Resolved {
  readonly before: readonly Block[]
  readonly end: Found
  readonly link: Link
}

/**
 * Follows a path through the arrays of DAG-CBOR from link to link, as `/2/17` to the 18th child of a node. Undefined where it
 * leads nowhere, or ends within a block.
 */
export async function resolvePath(served: Served, start: Link, request: CarRequest): Promise<Resolved | undefined> {
  const before: Block[] = []
  let link = start
  let found = await served.find(link, request.database)
  let rest = [...request.path]
  while (found !== undefined && rest.length > 0) {
    const block = await topBlock(link, found)
    const step = stepFrom(block, found, rest)
    if (step === undefined) return undefined
    before.push(block)
    link = step.link
    rest = step.rest
    found = await served.find(link, request.database)
  }
  return found === undefined ? undefined : { before, end: found, link }
}

export async function topBlock(link: Link, found: Found): Promise<Block> {
  if (found.kind !== 'subtree') return found.block
  return { link, bytes: requireHeld(link, await found.blocks.get(link)) }
}

function stepFrom(
  { link, bytes }: Block,
  found: Found,
  path: readonly string[],
): { readonly link: Link; readonly rest: string[] } | undefined {
  const [field, index, part] = path
  if (found.kind === 'heads') {
    const head = found.heads.get(field ?? '')
    return head && { link: head, rest: path.slice(1) }
  }
  if (found.kind === 'head') return field === '0' ? { link: found.record.link, rest: path.slice(1) } : undefined
  if (linkCodec(link) !== CODEC_DAG_CBOR || field !== '2' || !/^(0|[1-9]\d{0,5})$/.test(index ?? '')) return undefined
  const node = Node.decode(bytes)
  const i = Number(index)
  if (i >= node.length) return undefined
  if (node.level > 0) return { link: node.link(i), rest: path.slice(2) }
  const value = node.value(i)
  return isValueRef(value) && part === '0' ? { link: value.link, rest: path.slice(3) } : undefined
}

/** The blocks of an answer. @throws as a walk does; the answer is cut off then. */
export async function* archiveBlocks(
  { before, end, link }: Resolved,
  request: CarRequest,
  signal: AbortSignal,
): AsyncGenerator<Block, void> {
  yield* before
  const seen = request.dups === 'y' ? undefined : new SeenValues(SEEN_VALUES_MAX)
  if (
    end.kind === 'heads' ||
    request.scope === 'block' ||
    (request.scope === 'entity' && !(end.kind === 'subtree' && isFile(end.record)))
  ) {
    yield await topBlock(link, end)
  } else if (end.kind === 'head') {
    yield end.block
    yield* walkTree(end.blocks, end.record.link, { seen, signal })
  } else {
    yield* walkBelow(link, end.record, end.blocks, rangeOf(end.record.bytes, request), seen, signal)
  }
}

function walkBelow(
  link: Link,
  record: CompleteRecord,
  blocks: BlockReader,
  range: { readonly start: number; readonly end: number } | undefined,
  seen: SeenValues | undefined,
  signal: AbortSignal,
): AsyncGenerator<Block, void> {
  if (linkCodec(link) === CODEC_DAG_CBOR) return walkTree(blocks, link, { seen, signal })
  const place: FilePlace = { offset: 0, size: record.bytes, height: record.entries }
  return walkValue(blocks, { link, place }, { seen, range, signal })
}

/** Half-open. */
function rangeOf(size: number, { entityBytes }: CarRequest): { start: number; end: number } | undefined {
  if (entityBytes === undefined) return undefined
  const { from, to } = entityBytes
  const start = from < 0 ? size + from : from
  const end = to === null ? size : Math.min(size, (to < 0 ? size + to : to) + 1)
  // Nothing is meant: the top block comes alone.
  return start < end ? { start, end } : { start: size, end: size }
}

/** Whether the bytes that are asked for lie wholly outside of the file. */
export function isOutside({ end }: Resolved, { entityBytes }: CarRequest): boolean {
  return (
    end.kind === 'subtree' && isFile(end.record) && entityBytes !== undefined && entityBytes.from >= end.record.bytes
  )
}

/**
 * Whether values that repeat come once or each time, as it is said in the answer's type; undefined where what has to be
 * remembered for the one is not known to fit, and `refused` where that, or endless repetition, was asked for.
 */
export function dupsOf({ end }: Resolved, { dups, scope }: CarRequest): 'y' | 'n' | undefined | 'refused' {
  const bytes = end.kind === 'heads' ? 0 : end.record.bytes
  // Each value out of line has more than 1 KiB.
  const isFew = scope === 'block' || bytes <= SEEN_VALUES_MAX * FORMAT_1.inlineBytesMax
  if (dups === 'y') return bytes <= REPEATING_BYTES_MAX ? 'y' : 'refused'
  if (dups === 'n') return isFew ? 'n' : 'refused'
  return isFew ? 'n' : undefined
}

function isFile({ level, entries }: CompleteRecord): boolean {
  return level < 0 && entries > 0
}
