/** What `coppice inspect` says of a block: read and hashed, then as lines or as JSON. */
import { renderTreeKey } from '../db/index.ts'
import type { FieldValue } from '../document-model.ts'
import { requireHeld } from '../held-block.ts'
import { type Block, CODEC_DAG_CBOR, CODEC_RAW, formatLink, type Link, linkCodec } from '../link.ts'
import { isValueRef, type Node, NodeReader } from '../prolly/index.ts'
import type { BlockReader } from '../store/interface.ts'
import { renderCount, renderCounted } from './render.ts'

/** `node` where the codec says that it is one. */
export interface InspectedBlock extends Block {
  readonly node: Node | undefined
}

/** @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT` for other bytes than the CID's and for a node that is none. */
export async function readBlock(store: BlockReader, link: Link): Promise<InspectedBlock> {
  if (linkCodec(link) !== CODEC_DAG_CBOR)
    return { link, bytes: requireHeld(link, await store.get(link)), node: undefined }
  const node = await new NodeReader(store).get(link)
  return { link, bytes: node.bytes, node }
}

function kindOf(link: Link): string {
  return linkCodec(link) === CODEC_RAW ? 'raw' : 'unixfs'
}

/** One line for the block, one for each of a node's entries; escaped. */
export function blockLines({ link, bytes, node }: InspectedBlock): string[] {
  const cid = formatLink(link)
  const size = renderCounted(bytes.length, 'byte')
  if (node === undefined) {
    const what =
      kindOf(link) === 'raw'
        ? `raw block ${cid}: a value, or a part of one`
        : `unixfs node ${cid}: links of a long value`
    return [`${what}, ${size}`]
  }
  const what = node.level === 0 ? 'leaf' : 'internal node'
  const has = node.level === 0 ? '' : `${renderCounted(node.length, 'child', 'children')}, `
  const rows = renderCounted(node.entries, 'entry', 'entries')
  const head = `${what} ${cid}: level ${node.level}, ${has}${rows}, ${size} (${renderCount(node.totalBytes)} with all below)`
  return [head, ...entriesOf(node, node.level === 0 ? rowLine : childLine)]
}

function rowLine(node: Node, i: number): string {
  const value = node.value(i)
  const key = renderTreeKey(node.key(i))
  if (!isValueRef(value)) return `  ${key} -> inline, ${renderCounted(value.length, 'byte')}`
  return `  ${key} -> ${kindOf(value.link)} ${formatLink(value.link)}, ${renderCounted(value.size, 'byte')}`
}

function childLine(node: Node, i: number): string {
  const below = `${renderCounted(node.childEntries(i), 'entry', 'entries')}, ${renderCounted(node.childBytes(i), 'byte')}`
  return `  up to ${renderTreeKey(node.key(i))} -> ${formatLink(node.link(i))}, ${below}`
}

/** As DAG-JSON writes links and bytes: `{"/":"bafy..."}`, `{"/":{"bytes":"..."}}`; `text` is the key for the eye. */
export function blockJson({ link, bytes, node }: InspectedBlock): FieldValue {
  const cid = formatLink(link)
  if (node === undefined) return { cid, kind: kindOf(link), size: bytes.length }
  const { level, entries, totalBytes } = node
  const columns = level === 0 ? { rows: entriesOf(node, rowJson) } : { children: entriesOf(node, childJson) }
  return {
    cid,
    kind: level === 0 ? 'leaf' : 'internal',
    size: bytes.length,
    level,
    entries,
    bytes: totalBytes,
    ...columns,
  }
}

function rowJson(node: Node, i: number): FieldValue {
  const value = node.value(i)
  const key = node.key(i)
  const text = renderTreeKey(key)
  return isValueRef(value)
    ? { key, text, link: { '/': formatLink(value.link) }, size: value.size }
    : { key, text, value }
}

function childJson(node: Node, i: number): FieldValue {
  const key = node.key(i)
  const link = { '/': formatLink(node.link(i)) }
  return { key, text: renderTreeKey(key), link, entries: node.childEntries(i), bytes: node.childBytes(i) }
}

function entriesOf<T>(node: Node, describe: (node: Node, i: number) => T): T[] {
  return Array.from({ length: node.length }, (_, i) => describe(node, i))
}
