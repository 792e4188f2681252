/** Trees whose values are files, as an author publishes them, and files that no honest author makes. */
import { type Block, CODEC_DAG_PB, CODEC_RAW, type Link, linkMapKey, linkTo } from '../../src/link.ts'
import { buildTree, FORMAT_1, missingRecords, type Put, type TreeRef, type Value } from '../../src/prolly/index.ts'
import { type FileRef, writeFile } from '../../src/unixfs/index.ts'
import { childCount, childPlace, encodeFileNode, type FilePlace, rootPlace } from '../../src/unixfs/layout.ts'
import { BlockMap } from './blocks.ts'
import { CountingStore, type Published, rootId, signedRootOf } from './sync-lab.ts'
import { utf8 } from './tree-sets.ts'
import { fileBytes } from './unixfs-reference.ts'

export const MIB: number = 1024 * 1024

/** Builds the tree of `rows` into `blocks`, which has the blocks of its files already, and publishes it. */
export async function publishFiles(
  rows: readonly Put<Value>[],
  blocks: BlockMap = new BlockMap(),
  sequence = 1,
): Promise<Published> {
  const { root, entries, bytes } = await buildTree(rows, blocks)
  const store = new CountingStore()
  const all = [...blocks.map].map(([id, bytes]): Block => ({ link: linkOfId(id), bytes }))
  await store.write({ blocks: all })
  const complete = []
  for await (const record of missingRecords(store, { root, entries, bytes })) complete.push(record)
  await store.write({ complete })
  const signedRoot = signedRootOf({ root }, sequence)
  return {
    store,
    format: FORMAT_1,
    target: { root, entries, bytes, signedRoot },
    newest: { signedRoot, id: rootId(sequence, signedRoot) },
    blocks: new Set(store.records.keys()),
  }
}

export function linkOfId(id: string): Link {
  return Uint8Array.from(id, (unit) => unit.charCodeAt(0))
}

/** A file of so many bytes, no two leaves of which are equal. */
export async function putFile(blocks: BlockMap, size: number): Promise<FileRef> {
  const ref = await writeFile(fileBytes('counting', size), blocks)
  if (ref instanceof Uint8Array) throw new Error(`${size} bytes are no file`)
  return ref
}

/** The tree of one row, whose value is said to be `ref`. */
export async function treeOfFile(blocks: BlockMap, ref: FileRef): Promise<TreeRef> {
  return await buildTree([{ key: utf8('file'), value: ref }], blocks)
}

/** A file of zeros of any length, at the cost of its distinct blocks: of {@link ENDLESS} there are 5, one for each height. */
export function putZeros(blocks: BlockMap, size: number): FileRef {
  const known = new Map<string, Link>()
  const put = (place: FilePlace): Link => {
    const id = `${place.height}/${place.size}`
    const before = known.get(id)
    if (before !== undefined) return before
    const link =
      place.height === 0
        ? putBlock(blocks, CODEC_RAW, new Uint8Array(place.size))
        : putNode(blocks, place, (i) => put(childPlace(place, i)))
    known.set(id, link)
    return link
  }
  return { link: put(rootPlace(size)), size }
}

/** 4 PiB. */
export const ENDLESS: number = 2 ** 52

export function putNode(blocks: BlockMap, place: FilePlace, child: (i: number) => Link): Link {
  const links = Array.from({ length: childCount(place) }, (_, i) => child(i))
  return putBlock(blocks, CODEC_DAG_PB, encodeFileNode(place, links))
}

export function putBlock(blocks: BlockMap, codec: number, bytes: Uint8Array): Link {
  const link = linkTo(codec, bytes)
  blocks.map.set(linkMapKey(link), bytes)
  return link
}
