/** What the answer to a range has to be, by the shortest walk that could be right. */
import { type Link, linkMapKey } from '../../src/link.ts'
import { isValueRef, Node, RAW_VALUE_BYTES_MAX } from '../../src/prolly/index.ts'

export interface BlockSource {
  get(link: Link): Uint8Array | undefined
}

/** Keys of all nodes of a tree, and per row key the link of its out-of-line value. */
interface Contents {
  readonly nodes: Set<string>
  readonly values: Map<string, string>
}

function contentsOf(source: BlockSource, root: Link): Contents | undefined {
  const contents: Contents = { nodes: new Set(), values: new Map() }
  const walk = (link: Link): boolean => {
    const bytes = source.get(link)
    if (bytes === undefined) return false
    contents.nodes.add(linkMapKey(link))
    const node = Node.decode(bytes)
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) {
        if (!walk(node.link(i))) return false
        continue
      }
      const value = node.value(i)
      if (isValueRef(value)) contents.values.set(linkMapKey(node.key(i)), linkMapKey(value.link))
    }
    return true
  }
  return walk(root) ? contents : undefined
}

/** All blocks of a range, whatever the budget. Values that come again are left out, as are files. */
export function* rangeBlocks(
  source: BlockSource,
  links: readonly Link[],
  base: Link | null,
): Generator<Uint8Array, void, undefined> {
  const known = base === null ? undefined : contentsOf(source, base)
  const sent = new Set<string>()
  const walk = function* (link: Link): Generator<Uint8Array, void, undefined> {
    const bytes = source.get(link)
    if (bytes === undefined || known?.nodes.has(linkMapKey(link)) === true) return
    yield bytes
    const node = decodeOrEnd(bytes)
    for (let i = 0; node !== undefined && i < node.length; i++) {
      if (node.level > 0) {
        yield* walk(node.link(i))
        continue
      }
      const value = node.value(i)
      if (!isValueRef(value) || value.size > RAW_VALUE_BYTES_MAX) continue
      const key = linkMapKey(value.link)
      if (sent.has(key) || known?.values.get(linkMapKey(node.key(i))) === key) continue
      sent.add(key)
      const found = source.get(value.link)
      if (found !== undefined) yield found
    }
  }
  for (const link of links) yield* walk(link)
}

/** Undefined where an author's node is malformed: whoever passes it on knows nothing below. */
function decodeOrEnd(bytes: Uint8Array): Node | undefined {
  try {
    return Node.decode(bytes)
  } catch {
    return undefined
  }
}

/** The longest prefix of at most so many bytes and blocks; the first block whatever its length. */
export function prefixOf(blocks: Iterable<Uint8Array>, bytesMax: number, blocksMax: number): Uint8Array[] {
  const prefix: Uint8Array[] = []
  let room = bytesMax
  for (const block of blocks) {
    room -= block.length
    if (prefix.length > 0 && (room < 0 || prefix.length >= blocksMax)) break
    prefix.push(block)
  }
  return prefix
}
