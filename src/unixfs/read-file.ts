/**
 * Reading files of our own store, whole or a range, and finding their blocks. Every block is hashed as it is read, every
 * node checked against its place, as nodes of trees are.
 */
import { BYTES_PER_TURN, eventLoopTurn } from '../event-loop.ts'
import { damagedBlock, requireHeld } from '../held-block.ts'
import { type Link, linkMapKey } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader } from '../store/interface.ts'
import {
  childPlace,
  decodeFileNode,
  FILE_FORMAT_1,
  type FileFormat,
  type FilePlace,
  LayoutFailure,
  rootPlace,
} from './layout.ts'
import type { FileRef } from './write-file.ts'

/** Bytes from `start` up to `end`, which does not belong to it; by default all. */
export interface ByteRange {
  readonly start?: number | undefined
  /** Beyond the last byte it means the end. */
  readonly end?: number | undefined
}

export interface ReadFileOptions extends ByteRange {
  /** Tests only. */
  readonly format?: FileFormat
  readonly signal?: AbortSignal | undefined
}

/**
 * The bytes of a range in pieces of at most 1 MiB, views of blocks. Reads the nodes and leaves that hold the range, one at a time.
 * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`.
 * @throws {RangeError} where a bound is no integer of 0 or more.
 */
export async function* readFile(
  ref: FileRef,
  reader: Pick<BlockReader, 'get'>,
  options: ReadFileOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { format = FILE_FORMAT_1, signal } = options
  const { start, end } = resolveRange(ref.size, options)
  if (start >= end) return
  let sinceTurn = 0
  const stack: FileBlock[] = [{ link: ref.link, place: rootPlace(ref.size, format) }]
  for (let block = stack.pop(); block !== undefined; block = stack.pop()) {
    signal?.throwIfAborted()
    const { link, place } = block
    if (place.height === 0) {
      const leaf = requireLeaf(block, await reader.get(link))
      sinceTurn += leaf.length
      if (sinceTurn >= BYTES_PER_TURN) {
        sinceTurn = 0
        await eventLoopTurn()
        signal?.throwIfAborted()
      }
      yield leaf.subarray(Math.max(0, start - place.offset), end - place.offset)
      continue
    }
    const links = requireFileNode(block, await reader.get(link), format)
    for (let i = links.length - 1; i >= 0; i--) {
      const child = childPlace(place, i, format)
      if (child.offset < end && child.offset + child.size > start) stack.push({ link: links[i] as Link, place: child })
    }
  }
}

/** A range within `size` bytes. @throws {RangeError} where a bound is no integer of 0 or more. */
export function resolveRange(size: number, { start = 0, end = size }: ByteRange): { start: number; end: number } {
  for (const bound of [start, end]) {
    if (!Number.isSafeInteger(bound) || bound < 0) {
      throw new RangeError(`range of bytes: expected integers of 0 or more, got ${bound}`)
    }
  }
  return { start, end: Math.min(end, size) }
}

/** A block of a file and where it stands. */
export interface FileBlock {
  readonly link: Link
  readonly place: FilePlace
}

export interface WalkFileOptions {
  /** Whether the block, and with it all below, is known already: it is left out. */
  readonly isKnown?: (block: FileBlock) => MaybePromise<boolean>
  readonly signal?: AbortSignal | undefined
}

/**
 * The blocks of a value, each after those below it, the root's last; of a value up to 1 MiB, its one block. A block that
 * stands at several places of equal size and height comes once: a file of a few blocks can have 2^33 places. `linksOf` is
 * asked for the children of nodes; leaves are not read. Memory is a few bytes for each link.
 * @throws what `linksOf` and `isKnown` throw.
 */
export async function* walkFile(
  ref: FileRef,
  linksOf: (node: FileBlock) => MaybePromise<readonly Link[]>,
  options: WalkFileOptions = {},
): AsyncGenerator<FileBlock, void, undefined> {
  yield* walkBlock({ link: ref.link, place: rootPlace(ref.size) }, linksOf, options, new Set())
}

async function* walkBlock(
  block: FileBlock,
  linksOf: (node: FileBlock) => MaybePromise<readonly Link[]>,
  options: WalkFileOptions,
  seen: Set<string>,
): AsyncGenerator<FileBlock, void, undefined> {
  const { place } = block
  options.signal?.throwIfAborted()
  const id = placeId(block)
  if (seen.has(id)) return
  seen.add(id)
  if ((await options.isKnown?.(block)) === true) return
  if (place.height > 0) {
    // Leaves are remembered while their node is walked only.
    const seenBelow = place.height === 1 ? new Set<string>() : seen
    for (const [i, link] of (await linksOf(block)).entries()) {
      yield* walkBlock({ link, place: childPlace(place, i) }, linksOf, options, seenBelow)
    }
  }
  yield block
}

/** For {@link walkFile}: the links of nodes in our own store. @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`. */
export function heldLinks(reader: Pick<BlockReader, 'get'>): (node: FileBlock) => Promise<readonly Link[]> {
  return async (node) => requireFileNode(node, await reader.get(node.link))
}

/** Equal where the same block has to stand for the same part of a value, whatever the offset. */
export function placeId({ link, place: { size, height } }: FileBlock): string {
  return `${linkMapKey(link)}${height}/${size}`
}

function requireLeaf({ link, place }: FileBlock, held: Uint8Array | undefined): Uint8Array {
  const bytes = requireHeld(link, held)
  if (bytes.length === place.size) return bytes
  throw damagedBlock(link, `expected ${place.size} bytes, got ${bytes.length}`)
}

function requireFileNode(block: FileBlock, held: Uint8Array | undefined, format?: FileFormat): Link[] {
  const bytes = requireHeld(block.link, held)
  try {
    return decodeFileNode(bytes, block.place, format)
  } catch (error) {
    if (error instanceof LayoutFailure) throw damagedBlock(block.link, error.message, error)
    throw error
  }
}
