/**
 * Writes test/vectors/unixfs.json: node scripts/make-unixfs-vectors.ts
 * With --check writes nothing, and exits 1 where the file holds something else.
 *
 * Nothing of src/ takes part: files come from the importer of the IPFS project, the broken nodes from @ipld/dag-pb and
 * ipfs-unixfs. What the file holds is told in docs/spec/tree.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { fileBytes, referenceFile, type ReferenceFormat, REFERENCE_PROFILE } from '../test/support/unixfs-reference.ts'

const PATH = new URL('../test/vectors/unixfs.json', import.meta.url)
const MIB = 1024 * 1024
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const FILES: readonly (readonly [content: 'zeros' | 'counting', size: number, format: ReferenceFormat])[] = [
  ['counting', MIB + 1, REFERENCE_PROFILE],
  ['counting', 2 * MIB - 1, REFERENCE_PROFILE],
  ['counting', 2 * MIB, REFERENCE_PROFILE],
  ['counting', 5 * MIB + 7, REFERENCE_PROFILE],
  ['zeros', 5 * MIB, REFERENCE_PROFILE],
  ['zeros', 1023 * MIB + 1, REFERENCE_PROFILE],
  ['zeros', 1024 * MIB, REFERENCE_PROFILE],
  ['zeros', 1024 * MIB + 1, REFERENCE_PROFILE],
  ['zeros', 1025 * MIB + 9, REFERENCE_PROFILE],
  ...[2, 10, 27, 28, 81, 82, 83, 1000].map((size) => ['counting', size, { leafBytes: 1, linksMax: 3 }] as const),
  ...[101, 10_000, 10_001, 25_600, 25_601].map((size) => ['counting', size, { leafBytes: 100, linksMax: 16 }] as const),
  ['counting', 1025, { leafBytes: 1, linksMax: 1024 }],
]

async function describeFile(content: 'zeros' | 'counting', size: number, format: ReferenceFormat): Promise<object> {
  const { root, blocks } = await referenceFile(fileBytes(content, size), format)
  const bytes = blocks.get(root.toString()) ?? new Uint8Array(0)
  return {
    content,
    size,
    ...(format === REFERENCE_PROFILE ? {} : { format }),
    cid: root.toString(),
    blocks: blocks.size,
    bytes: [...blocks.values()].reduce((sum, block) => sum + block.length, 0),
    ...(bytes.length < 1000 ? { root: hex(bytes) } : {}),
  }
}

interface Link {
  Name?: string
  Tsize?: number
  Hash: CID
}

const leafCid = (code: number, fill: number): CID =>
  CID.createV1(code, Digest.create(0x12, new Uint8Array(32).fill(fill)))

/** A node of a file of 2.5 MiB, sound but for what `change` does. */
function brokenNode(change: (node: { links: Link[]; file: UnixFS }) => void): Uint8Array {
  const sizes = [MIB, MIB, MIB / 2]
  const links = sizes.map((size, i): Link => ({ Name: '', Tsize: size, Hash: leafCid(0x55, i) }))
  const file = new UnixFS({ type: 'file' })
  for (const size of sizes) file.addBlockSize(BigInt(size))
  change({ links, file })
  return dagPb.encode(dagPb.prepare({ Data: file.marshal(), Links: links }))
}

function resized(sizes: readonly number[]): UnixFS {
  const file = new UnixFS({ type: 'file' })
  for (const size of sizes) file.addBlockSize(BigInt(size))
  return file
}

function withFile(make: () => UnixFS): Uint8Array {
  const links = [MIB, MIB, MIB / 2].map((Tsize, i): Link => ({ Name: '', Tsize, Hash: leafCid(0x55, i) }))
  return dagPb.encode(dagPb.prepare({ Data: make().marshal(), Links: links }))
}

/** Each must be refused as the root of a file of 2.5 MiB, though a lenient reader could make sense of it. */
function negatives(): object[] {
  const sound = brokenNode(() => {})
  const at = (link: Link | undefined): Link => link ?? { Hash: leafCid(0x55, 0) }
  const cases: readonly (readonly [name: string, bytes: Uint8Array])[] = [
    ['a Tsize one too small', brokenNode(({ links }) => void (at(links[1]).Tsize = MIB - 1))],
    ['a Tsize that is absent', brokenNode(({ links }) => void delete at(links[1]).Tsize)],
    ['a name', brokenNode(({ links }) => void (at(links[0]).Name = '0'))],
    ['a link too many', brokenNode(({ links }) => void links.push({ Name: '', Tsize: 0, Hash: leafCid(0x55, 9) }))],
    ['a link too few', brokenNode(({ links }) => void links.pop())],
    ['a leaf that is dag-pb', brokenNode(({ links }) => void (at(links[2]).Hash = leafCid(0x70, 2)))],
    [
      'a CID of version 0',
      brokenNode(({ links }) => void (at(links[2]).Hash = CID.createV0(Digest.create(0x12, new Uint8Array(32))))),
    ],
    [
      'a CID of another hash',
      brokenNode(({ links }) => void (at(links[2]).Hash = CID.createV1(0x55, Digest.create(0x1e, new Uint8Array(32))))),
    ],
    ['sizes of another order', withFile(() => resized([MIB / 2, MIB, MIB]))],
    ['a size one too large', withFile(() => resized([MIB, MIB, MIB / 2 + 1]))],
    ['a size too few', withFile(() => resized([MIB, MIB]))],
    ['data inside', withFile(() => Object.assign(resized([MIB, MIB, MIB / 2]), { data: Uint8Array.of(1) }))],
    ['a mode', withFile(() => Object.assign(resized([MIB, MIB, MIB / 2]), { mode: 0o600 }))],
    ['a time', withFile(() => Object.assign(resized([MIB, MIB, MIB / 2]), { mtime: { secs: 1n } }))],
    ['another type', withFile(() => Object.assign(resized([MIB, MIB, MIB / 2]), { type: 'raw' }))],
    ['a byte more', Uint8Array.from([...sound, 0])],
    ['cut short', sound.slice(0, -1)],
    ['empty', new Uint8Array(0)],
  ]
  return cases.map(([name, bytes]) => ({ name, hex: hex(bytes) }))
}

async function render(): Promise<string> {
  const files: object[] = []
  for (const [content, size, format] of FILES) files.push(await describeFile(content, size, format))
  const sound = { size: 2.5 * MIB, hex: hex(brokenNode(() => {})) }
  return `${JSON.stringify({ files, sound, negatives: negatives() }, undefined, 2)}\n`
}

const text = await render()
if (process.argv.includes('--check')) {
  if (readFileSync(PATH, 'utf8') !== text) {
    process.stderr.write('test/vectors/unixfs.json differs from what the importer makes\n')
    process.exitCode = 1
  }
} else {
  writeFileSync(PATH, text)
}
