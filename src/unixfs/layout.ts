/**
 * The layout of a value beyond 1 MiB: a file of the UnixFS profile `unixfs-v1-2025` (tree.md, 1, "Files"). Which blocks there
 * are, where each stands, how long each is and all that it says beside the CIDs of its children follows from the size of
 * the file alone. So a block is checked on arrival by encoding what has to stand there and comparing: there is no parser
 * of protobuf, and no second form to refuse.
 *
 *     node = { 0x12, length, 0x0a 0x24, CID (36 bytes), 0x12 0x00, 0x18, Tsize }...   one link for each child
 *            0x0a, length, 0x08 0x02, 0x18, size, { 0x20, size of child }...           UnixFS: a file, its sizes
 *
 * Nothing is allocated or looped over in proportion to a size: a size is a claim until the last byte has arrived.
 */
import { equalBytes } from '../bytes.ts'
import { assert } from '../errors.ts'
import { CODEC_DAG_PB, CODEC_RAW, isLink, LINK_BYTES, type Link, linkCodec } from '../link.ts'

/** The numbers that decide bytes. Version 1 of the tree fixes them; tests pass smaller ones to get high files of few bytes. */
export interface FileFormat {
  /** Bytes of every leaf but the last. */
  readonly leafBytes: number
  /** Links of every node of a level but the last. */
  readonly linksMax: number
}

export const FILE_FORMAT_1: FileFormat = { leafBytes: 1024 * 1024, linksMax: 1024 }

/** A bound on nodes: 1024 links of at most 53 bytes, as many sizes of at most 9, and their heads. */
export const FILE_NODE_BYTES_MAX: number = 64 * 1024

/** Where a block stands in its file. */
export interface FilePlace {
  /** The first byte of the file that stands below. */
  readonly offset: number
  /** Bytes of the file that stand below; the length of a leaf. */
  readonly size: number
  /** Distance from the leaves: a leaf, which is a raw block, has 0, a node (dag-pb) more. All leaves have the same depth. */
  readonly height: number
}

/** Bytes that are not the block of their place. The hash is right or not: that is for the caller to know. */
export class LayoutFailure extends Error {
  override readonly name = 'LayoutFailure'
}

/** The place of the topmost block of a file of `size` bytes, at least 1. */
export function rootPlace(size: number, format: FileFormat = FILE_FORMAT_1): FilePlace {
  assert(Number.isSafeInteger(size) && size > 0, `a file has bytes, got a size of ${size}`)
  let height = 0
  while (spanOf(height, format) < size) height++
  return { offset: 0, size, height }
}

/** Children of a node. */
export function childCount({ size, height }: FilePlace, format: FileFormat = FILE_FORMAT_1): number {
  return Math.ceil(size / spanOf(height - 1, format))
}

export function childPlace(place: FilePlace, i: number, format: FileFormat = FILE_FORMAT_1): FilePlace {
  const height = place.height - 1
  const span = spanOf(height, format)
  return { offset: place.offset + i * span, size: Math.min(span, place.size - i * span), height }
}

/** The codec of the block at a height. */
export function codecAt(height: number): number {
  return height === 0 ? CODEC_RAW : CODEC_DAG_PB
}

/** The length of the block. */
export function blockLength({ size, height }: FilePlace, format: FileFormat = FILE_FORMAT_1): number {
  return height === 0 ? size : shapeOf(size, height, format).length
}

/** The node at `place` with these children. */
export function encodeFileNode(
  place: FilePlace,
  links: readonly Link[],
  format: FileFormat = FILE_FORMAT_1,
): Uint8Array {
  const { size, height } = place
  const { length, data, full, last } = shapeOf(size, height, format)
  assert(links.length === childCount(place, format), 'a node has a link for each child')
  const out = new Uint8Array(length)
  let at = 0
  const put = (bytes: Uint8Array): void => {
    out.set(bytes, at)
    at += bytes.length
  }
  for (const [i, link] of links.entries()) {
    const { head, tail } = i === links.length - 1 ? last : full
    put(head)
    put(link)
    put(tail)
  }
  put(data.head)
  for (let i = 1; i < links.length; i++) put(data.full)
  put(data.last)
  assert(at === length, 'a node is as long as its parts')
  return out
}

/**
 * The links of the node at `place`, views of `bytes`, after checking every byte.
 * @throws {LayoutFailure} where `bytes` are anything but the one node for this place.
 */
export function decodeFileNode(bytes: Uint8Array, place: FilePlace, format: FileFormat = FILE_FORMAT_1): Link[] {
  const { length, full, last } = shapeOf(place.size, place.height, format)
  if (bytes.length !== length) throw new LayoutFailure(`expected a node of ${length} bytes, got ${bytes.length}`)
  const codec = codecAt(place.height - 1)
  const links: Link[] = []
  const count = childCount(place, format)
  for (let i = 0, at = 0; i < count; i++, at += full.length) {
    const start = at + (i === count - 1 ? last : full).head.length
    const link = bytes.subarray(start, start + LINK_BYTES)
    if (!isLink(link) || linkCodec(link) !== codec) {
      throw new LayoutFailure(`expected link ${i} to be the CID of a ${codec === CODEC_RAW ? 'raw' : 'dag-pb'} block`)
    }
    links.push(link)
  }
  const expected = encodeFileNode(place, links, format)
  if (!equalBytes(bytes, expected)) {
    const at = expected.findIndex((byte, i) => byte !== bytes[i])
    throw new LayoutFailure(`expected the links and sizes of a file of this size, got another byte at ${at}`)
  }
  return links
}

/** Bytes below a full node of a height. Beyond 2^53 it need not be exact: no file is as long. */
function spanOf(height: number, { leafBytes, linksMax }: FileFormat): number {
  return leafBytes * linksMax ** height
}

/** A link but for its CID: what stands before and after it. */
interface LinkFrame {
  readonly head: Uint8Array
  readonly tail: Uint8Array
  /** Of the whole link. */
  readonly length: number
}

interface Shape {
  /** Of the block. */
  readonly length: number
  /** The block's length and that of all blocks below; a file near 2^53 bytes has more than a double can tell apart. */
  readonly total: bigint
  /** Links of all children but the last, and of the last. */
  readonly full: LinkFrame
  readonly last: LinkFrame
  readonly data: { readonly head: Uint8Array; readonly full: Uint8Array; readonly last: Uint8Array }
}

/** O(height squared), whatever the size. */
function shapeOf(size: number, height: number, format: FileFormat): Shape {
  const span = spanOf(height - 1, format)
  const count = Math.ceil(size / span)
  const lastSize = size - (count - 1) * span
  const lastTotal = totalOf(lastSize, height - 1, format)
  const fullTotal = count === 1 || lastSize === span ? lastTotal : totalOf(span, height - 1, format)
  const full = linkFrame(fullTotal)
  const last = linkFrame(lastTotal)
  const fullData = field(0x20, BigInt(span))
  const lastData = field(0x20, BigInt(lastSize))
  const sizes = field(0x18, BigInt(size))
  const dataLength = 2 + sizes.length + (count - 1) * fullData.length + lastData.length
  const head = Uint8Array.from([...field(0x0a, BigInt(dataLength)), 0x08, 0x02, ...sizes])
  const length = (count - 1) * (full.length + fullData.length) + last.length + head.length + lastData.length
  const total = BigInt(length) + BigInt(count - 1) * fullTotal + lastTotal
  return { length, total, full, last, data: { head, full: fullData, last: lastData } }
}

function totalOf(size: number, height: number, format: FileFormat): bigint {
  return height === 0 ? BigInt(size) : shapeOf(size, height, format).total
}

function linkFrame(total: bigint): LinkFrame {
  const tail = Uint8Array.from([0x12, 0x00, ...field(0x18, total)])
  const inner = 2 + LINK_BYTES + tail.length
  const head = Uint8Array.from([...field(0x12, BigInt(inner)), 0x0a, LINK_BYTES])
  return { head, tail, length: head.length + LINK_BYTES + tail.length }
}

/** A protobuf tag and a varint. */
function field(tag: number, value: bigint): Uint8Array {
  const out = [tag]
  let rest = value
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  out.push(Number(rest))
  return Uint8Array.from(out)
}
