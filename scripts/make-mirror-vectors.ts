/**
 * Writes test/vectors/mirror.json: node scripts/make-mirror-vectors.ts
 *
 * A small mirror, made by docs/spec/mirror.md with libraries only: nothing of src/ takes part. One pack has stored zstd frames
 * and one has deflate, since compressed bytes are not the same with every version of a library: readers must take them.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import { referenceTree } from '../test/support/tree-reference.ts'
import { author, hexOf, ISSUED, NAME, seal, treeHash, utf8 } from './record-vectors/sealed.ts'

const ROWS = 300

function u32(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [i, n] of numbers.entries()) bytes.writeUInt32BE(n, 4 * i)
  return bytes
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** RFC 8878, 3.1.1: a frame of one segment, its size in four bytes, and one block of stored bytes. */
function storedZstd(plain: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(plain.length)
  const header = Buffer.alloc(4)
  header.writeUInt32LE((plain.length << 3) | 1)
  return Buffer.concat([Buffer.from('28b52ffda0', 'hex'), size, header.subarray(0, 3), plain])
}

function leb128(...numbers: readonly number[]): Buffer {
  const bytes: number[] = []
  for (let n of numbers) {
    for (; n >= 0x80; n = Math.floor(n / 0x80)) bytes.push((n % 0x80) | 0x80)
    bytes.push(n)
  }
  return Buffer.from(bytes)
}

/** A folded range whose items are blocks as they are (protocol.md, Packing). */
function folded(blocks: readonly Uint8Array[]): Buffer {
  const numbers = leb128(9, 0, blocks.length, ...blocks.flatMap((block) => [1, block.length]))
  return Buffer.concat([leb128(numbers.length), numbers, ...blocks])
}

interface Pack {
  readonly entry: unknown[]
  readonly name: string
  readonly file: Buffer
}

/** `batches`: blocks, batch by batch. */
function pack(coding: 0 | 1, sequence: number, batches: readonly (readonly Uint8Array[])[]): Pack {
  const plain = batches.map(folded)
  const files = plain.map((bytes) => (coding === 0 ? storedZstd(bytes) : deflateRawSync(bytes)))
  const entries = batches.flatMap((blocks, batch) =>
    blocks.map((block, place) => Buffer.concat([sha256(block).subarray(0, 16), u32((batch << 12) | place)])),
  )
  entries.sort((a, b) => Buffer.compare(a, b))
  const table = files.map((bytes, i) => u32(bytes.length, plain[i]?.length ?? 0))
  // At most 256 blocks: one bucket.
  const tail = [...entries, u32(entries.length), ...table]
  const file = Buffer.concat([Buffer.from(coding === 0 ? 'coppiceZ' : 'coppiceD'), ...files, ...tail])
  const id = sha256(file)
  return {
    entry: [new Uint8Array(id), file.length, coding, entries.length, batches.length, sequence],
    name: `packs/${id.toString('hex')}.pack`,
    file,
  }
}

const rows = Array.from({ length: ROWS }, (_, i) => ({
  key: utf8(`key-${String(i).padStart(4, '0')}`),
  value: new Uint8Array(sha256(utf8(`value ${i}`))),
}))
const tree = referenceTree(rows)
const fields = ['coppice/root/1', 1, author.publicKey, NAME, 0, 1, tree.root, tree.entries, tree.bytes, ISSUED, null]
const { signedRoot } = seal([...fields, null, treeHash([]), [], [], null, []], author)
const [inner, ...leaves] = [...tree.nodes.values()].toReversed()
if (inner === undefined || leaves.length < 3) throw new Error('expected a root and some leaves')
const packs = [pack(0, 1, [[inner], leaves.slice(0, 2)]), pack(1, 1, [leaves.slice(2)])]
const root = dagCbor.encode([
  'coppice mirror',
  1,
  [[signedRoot, [0, 1]]],
  packs.map(({ entry }) => entry),
  [[7, utf8('of a kind that nobody knows')]],
])
const files = { root: hexOf(root), ...Object.fromEntries(packs.map(({ name, file }) => [name, hexOf(file)])) }
const vector = { author: hexOf(author.publicKey), name: NAME, root: tree.root.toString(), rows: ROWS, files }
writeFileSync(new URL('../test/vectors/mirror.json', import.meta.url), `${JSON.stringify(vector, null, 1)}\n`)
