/**
 * One way to keep blocks in LMDB, in a process of its own: writes a tree's blocks in batches as a build does, flushed at
 * the end, and reads them back in random order. Prints a line of JSON.
 *
 *     node --expose-gc bench/rounds/compression.ts '{"shape":"compat","size":100000,"pageSize":4096,"compression":true,"directory":"..."}'
 */
import { open } from 'lmdb'
import { equalBytes } from '../../src/bytes.ts'
import type { Block } from '../../src/link.ts'
import { buildTree } from '../../src/prolly/index.ts'
import { STAGING_BYTES_MAX } from '../../src/store/index.ts'
import { Entries } from '../data/entries.ts'
import { makeWorkload, type Shape } from '../data/shapes.ts'
import { directoryBytes } from '../process/disk.ts'
import { seconds } from '../report/figure.ts'

export interface CompressionOptions {
  readonly shape: Shape
  readonly size: number
  readonly pageSize: number
  readonly compression: boolean
  /** An empty one. */
  readonly directory: string
}

export interface CompressionResult {
  readonly blocks: number
  readonly blockBytes: number
  readonly writeSeconds: number
  readonly readSeconds: number
  readonly diskBytes: number
}

const { shape, size, pageSize, compression, directory } = JSON.parse(process.argv[2] ?? '{}') as CompressionOptions
const { rows } = await makeWorkload(shape, size, 1)
const blocks: Block[] = []
await buildTree(rows, { put: (block) => void blocks.push(block) })
const order = new Entries(blocks.length).positions(blocks.length, 1)
const root = open<Uint8Array, Uint8Array>({
  path: directory,
  noSubdir: false,
  encoding: 'binary',
  keyEncoding: 'binary',
  pageSize,
  noMemInit: false,
})
const db = root.openDB<Uint8Array, Uint8Array>({
  name: 'blocks',
  encoding: 'binary',
  keyEncoding: 'binary',
  compression,
})
globalThis.gc?.()

async function write(): Promise<void> {
  for (let from = 0; from < blocks.length;) {
    let bytes = 0
    let to = from
    while (to < blocks.length && bytes < STAGING_BYTES_MAX) bytes += blocks[to++]?.bytes.length ?? 0
    const batch = blocks.slice(from, to)
    await root.batch(() => batch.forEach((block) => void db.put(block.link, block.bytes)))
    from = to
  }
  await root.flushed
}

function read(): void {
  for (const i of order) {
    const { link, bytes } = blocks[i] as Block
    const found = db.getBinary(link)
    if (found === undefined || !equalBytes(found, bytes)) throw new Error('wrong result: a block is absent or another')
  }
}

const result: CompressionResult = {
  blocks: blocks.length,
  blockBytes: blocks.reduce((sum, { bytes }) => sum + bytes.length, 0),
  writeSeconds: await seconds(write),
  readSeconds: await seconds(read),
  diskBytes: directoryBytes(directory),
}
console.log(JSON.stringify(result))
await root.close()
