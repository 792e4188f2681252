/** The layout of files is that of the IPFS project's importer, byte for byte, and a node is accepted in its one place only. */
import { readFileSync } from 'node:fs'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, hexToBytes } from '../../src/bytes.ts'
import { CODEC_DAG_PB, CODEC_RAW, formatLink, linkTo } from '../../src/link.ts'
import { FORMAT_1, NODE_BYTES_MAX } from '../../src/prolly/index.ts'
import {
  blockLength,
  childCount,
  childPlace,
  codecAt,
  decodeFileNode,
  encodeFileNode,
  FILE_FORMAT_1,
  FILE_NODE_BYTES_MAX,
  type FileFormat,
  type FilePlace,
  LayoutFailure,
  rootPlace,
} from '../../src/unixfs/layout.ts'
import { type FileRef, writeFile } from '../../src/unixfs/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { damaged } from '../support/damage.ts'
import { MIB, putZeros } from '../support/file-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { fileBytes, referenceFile } from '../support/unixfs-reference.ts'

interface Vectors {
  readonly files: readonly {
    readonly content: 'zeros' | 'counting'
    readonly size: number
    readonly format?: FileFormat
    readonly cid: string
    readonly blocks: number
    readonly bytes: number
    readonly root?: string
  }[]
  readonly sound: { readonly size: number; readonly hex: string }
  readonly negatives: readonly { readonly name: string; readonly hex: string }[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/unixfs.json', import.meta.url), 'utf8'),
) as unknown as Vectors

const test = suite('unixfs/layout')

async function property(runs: number, hold: (random: Random) => void | Promise<void>): Promise<void> {
  for (const seed of seeds(runs)) await hold(new Random(seed))
}

async function written(chunks: Iterable<Uint8Array>, format: FileFormat): Promise<{ ref: FileRef; blocks: BlockMap }> {
  const blocks = new BlockMap()
  const ref = await writeFile(chunks, blocks, { format })
  if (ref instanceof Uint8Array) throw new Error('expected a file')
  return { ref, blocks }
}

/** Long files of zeros are put together, but for one: hashing a GiB takes a second. */
async function writtenQuickly(
  content: 'zeros' | 'counting',
  size: number,
  format: FileFormat,
): Promise<{ ref: FileRef; blocks: BlockMap }> {
  if (content === 'counting' || size <= 8 * MIB || size === 1024 * MIB + 1)
    return await written(fileBytes(content, size), format)
  const blocks = new BlockMap()
  return { ref: putZeros(blocks, size), blocks }
}

/** An honest node for a place, its children being whatever. */
function nodeAt(place: FilePlace, format: FileFormat): Uint8Array {
  const children = Array.from({ length: childCount(place, format) }, (_, i) =>
    linkTo(codecAt(place.height - 1), Uint8Array.of(i)),
  )
  return encodeFileNode(place, children, format)
}

function isRefused(bytes: Uint8Array, place: FilePlace, format: FileFormat = FILE_FORMAT_1): boolean {
  try {
    decodeFileNode(bytes, place, format)
    return false
  } catch (error) {
    assert.instance(error, LayoutFailure)
    return true
  }
}

for (const { content, size, format = FILE_FORMAT_1, cid, blocks: count, bytes, root } of vectors.files) {
  test(`vector: ${size} bytes, leaves of ${format.leafBytes}, ${format.linksMax} links`, async () => {
    const { ref, blocks } = await writtenQuickly(content, size, format)
    assert.is(formatLink(ref.link), cid)
    assert.is(ref.size, size)
    assert.is(blocks.map.size, count)
    assert.is(
      [...blocks.map.values()].reduce((sum, block) => sum + block.length, 0),
      bytes,
    )
    if (root !== undefined) assert.is(bytesToHex(blocks.get(ref.link) as Uint8Array), root)
  })
}

test('property: any bytes, cut anywhere, any numbers: the blocks of the importer', async () => {
  await property(40, async (random) => {
    const format = { leafBytes: random.between(1, 9), linksMax: random.between(2, 6) }
    const bytes = random.bytes(random.between(format.leafBytes + 1, 400))
    const chunks: Uint8Array[] = []
    for (let at = 0; at < bytes.length;) {
      const end = at + random.between(0, 30)
      chunks.push(bytes.subarray(at, end))
      at = end
    }
    const { ref, blocks } = await written(chunks, format)
    const reference = await referenceFile([bytes], format)
    assert.is(formatLink(ref.link), reference.root.toString())
    const ours = new Map(
      [...blocks.map].map(([key, block]) => [CID.decode(Buffer.from(key, 'latin1')).toString(), block]),
    )
    assert.equal(new Set(ours.keys()), new Set(reference.blocks.keys()))
    for (const [cid, block] of reference.blocks) assert.equal(ours.get(cid), Uint8Array.from(block))
  })
})

test('places: children tile their parent, the lengths told are those of the blocks', async () => {
  await property(60, (random) => {
    const format = { leafBytes: random.between(1, 9), linksMax: random.between(2, 6) }
    const walk = (place: FilePlace): void => {
      if (place.height === 0) return assert.ok(place.size >= 1 && place.size <= format.leafBytes)
      const node = nodeAt(place, format)
      assert.is(node.length, blockLength(place, format))
      assert.is(decodeFileNode(node, place, format).length, childCount(place, format))
      let at = place.offset
      for (let i = 0; i < childCount(place, format); i++) {
        const child = childPlace(place, i, format)
        assert.is(child.offset, at)
        at += child.size
        walk(child)
      }
      assert.is(at, place.offset + place.size)
    }
    walk(rootPlace(random.between(1, 500), format))
  })
})

test('negative vectors: what a lenient reader would take for a file of 2.5 MiB', () => {
  const place = rootPlace(vectors.sound.size)
  assert.not(isRefused(hexToBytes(vectors.sound.hex) as Uint8Array, place))
  for (const { name, hex } of vectors.negatives) {
    assert.ok(isRefused(hexToBytes(hex) as Uint8Array, place), name)
  }
})

test('property: a changed byte is refused, unless it is one of a digest', async () => {
  await property(20, (random) => {
    const format = { leafBytes: random.between(1, 300), linksMax: random.between(2, 200) }
    const place = rootPlace(random.between(format.leafBytes + 1, format.leafBytes * format.linksMax * 3), format)
    const node = nodeAt(place, format)
    const links = decodeFileNode(node, place, format)
    const digests = new Set(links.flatMap((link) => Array.from({ length: 32 }, (_, i) => link.byteOffset + 4 + i)))
    for (let at = 0; at < node.length; at++) {
      const other = node.with(at, (node[at] as number) ^ (1 << random.below(8)))
      assert.is(isRefused(other, place, format), !digests.has(node.byteOffset + at), `byte ${at}`)
    }
    for (let i = 0; i < 20; i++) {
      const other = damaged(random, node)
      if (!isRefused(other, place, format)) assert.is(other.length, node.length)
    }
  })
})

test('a node is refused in every other place', async () => {
  await property(40, (random) => {
    const format = { leafBytes: random.between(1, 300), linksMax: random.between(2, 9) }
    const [a, b] = [1, 2].map(() => rootPlace(random.between(format.leafBytes + 1, 30_000), format)) as [
      FilePlace,
      FilePlace,
    ]
    if (a.size !== b.size) assert.ok(isRefused(nodeAt(a, format), b, format))
    assert.ok(isRefused(nodeAt(a, format), { ...a, height: a.height + 1 }, format), 'one level too low')
  })
})

test('a size is only a claim: no work or memory in proportion to it', () => {
  const place = rootPlace(Number.MAX_SAFE_INTEGER)
  assert.is(place.height, 4)
  assert.is(childCount(place), 8)
  const node = nodeAt(place, FILE_FORMAT_1)
  assert.is(decodeFileNode(node, place).length, 8)
  assert.ok(node.length < 600)
  const { size, height } = childPlace(place, 0)
  assert.is(size, 2 ** 50)
  const full = nodeAt({ offset: 0, size, height }, FILE_FORMAT_1)
  assert.ok(
    full.length > 50 * 1024 && full.length < FILE_NODE_BYTES_MAX,
    'the longest node, which one answer has room for',
  )
  assert.throws(() => rootPlace(2 ** 53), /size/)
  assert.throws(() => rootPlace(0), /size/)
})

test('a value up to 1 MiB has the place of one raw block', () => {
  for (const size of [FORMAT_1.inlineBytesMax + 1, NODE_BYTES_MAX, FILE_FORMAT_1.leafBytes]) {
    assert.equal(rootPlace(size), { offset: 0, size, height: 0 })
    assert.is(blockLength(rootPlace(size)), size)
  }
  assert.is(codecAt(0), CODEC_RAW)
  assert.is(codecAt(1), CODEC_DAG_PB)
  assert.is(rootPlace(FILE_FORMAT_1.leafBytes + 1).height, 1)
  assert.is(rootPlace(FILE_FORMAT_1.leafBytes * 1024 + 1).height, 2)
})

test.run()
