/** Files beyond one block: layout against the importer of the IPFS project, decoding against damage, ranges against a slice. */
import * as assert from 'uvu/assert'
import { CID } from 'multiformats/cid'
import { CODEC_DAG_PB, formatLink, linkCodec, linkMapKey } from '../src/link.ts'
import { writeFile } from '../src/unixfs/index.ts'
import {
  childCount,
  childPlace,
  decodeFileNode,
  encodeFileNode,
  type FileFormat,
  type FilePlace,
  LayoutFailure,
  rootPlace,
} from '../src/unixfs/layout.ts'
import { readFile } from '../src/unixfs/read-file.ts'
import { BlockMap } from '../test/support/blocks.ts'
import { damaged } from '../test/support/damage.ts'
import { Random } from '../test/support/random.ts'
import { referenceFile } from '../test/support/unixfs-reference.ts'

export const summary =
  'files are those of the IPFS importer, cut anywhere; a node decodes in its one place; ranges are slices'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const format = { leafBytes: random.between(1, 40), linksMax: random.between(2, random.chance(0.5) ? 4 : 200) }
  const bytes = random.bytes(random.between(format.leafBytes + 1, 3000))
  const blocks = new BlockMap(random.chance(0.3))
  const ref = await writeFile(cut(random, bytes), blocks, { format })
  if (ref instanceof Uint8Array) throw new Error('a file was expected')
  const reference = await referenceFile(cut(random, bytes), format)
  assert.is(formatLink(ref.link), reference.root.toString())
  assert.is(blocks.map.size, reference.blocks.size)
  for (const [cid, block] of reference.blocks) {
    assert.equal(blocks.map.get(linkMapKey(CID.parse(cid).bytes)), Uint8Array.from(block))
  }
  await tryRanges(random, bytes, (start, end) => readFile(ref, blocks, { format, start, end }))
  tryNodes(random, blocks, ref.link, rootPlace(bytes.length, format), format)
}

function* cut(random: Random, bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const end = at + random.below(random.chance(0.1) ? 1000 : 50)
    yield bytes.subarray(at, end)
    at = end
  }
}

async function tryRanges(
  random: Random,
  bytes: Uint8Array,
  read: (start: number, end: number) => AsyncIterable<Uint8Array>,
): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const [start, end] = [random.below(bytes.length + 9), random.below(bytes.length + 9)]
    const pieces: Uint8Array[] = []
    for await (const piece of read(start, end)) pieces.push(piece)
    assert.equal(Buffer.concat(pieces), Buffer.from(bytes.slice(start, end)))
  }
}

/** Every node decodes where it stands and nowhere else; damaged, it is refused, or is the one node of other links. */
function tryNodes(random: Random, blocks: BlockMap, link: Uint8Array, place: FilePlace, format: FileFormat): void {
  if (linkCodec(link) !== CODEC_DAG_PB) return
  const node = blocks.map.get(linkMapKey(link)) as Uint8Array
  const links = decodeFileNode(node, place, format)
  assert.is(links.length, childCount(place, format))
  for (let i = 0; i < 3; i++) tryDamaged(damaged(random, node), place, format)
  tryDamaged(random.bytes(node.length), place, format)
  const elsewhere = { ...place, size: Math.max(1, place.size + random.between(-2, 2)) }
  if (elsewhere.size !== place.size) assert.throws(() => decodeFileNode(node, elsewhere, format), isFailure)
  for (const [i, child] of links.entries()) tryNodes(random, blocks, child, childPlace(place, i, format), format)
}

function tryDamaged(bytes: Uint8Array, place: FilePlace, format: FileFormat): void {
  try {
    assert.equal(encodeFileNode(place, decodeFileNode(bytes, place, format), format), bytes)
  } catch (error) {
    assert.instance(error, LayoutFailure)
  }
}

const isFailure = (error: unknown): boolean => error instanceof LayoutFailure
