/** Answers with data, made from a seed: of trees in any order, with what is no node among them, and of patches. Shared by tests and fuzz targets. */
import { bytesToHex, compareBytes } from '../../src/bytes.ts'
import { CODEC_DAG_PB, CODEC_RAW, linkMapKey, linkTo } from '../../src/link.ts'
import { type Format, isValueRef, Node, type Put } from '../../src/prolly/index.ts'
import type { DataAnswer, PatchAnswer, PatchValue } from '../../src/sync/wire/index.ts'
import { BlockMap } from './blocks.ts'
import { damaged } from './damage.ts'
import type { Random } from './random.ts'
import { FORMATS, randomRows, treeOf, utf8 } from './tree-sets.ts'

const BLOCKS_MAX = 256

/** Blocks of a tree, each node before what is below it. */
export async function blocksInPreOrder(rows: readonly Put[], format: Format): Promise<Uint8Array[]> {
  const blocks = new BlockMap()
  const tree = await treeOf(rows, format, blocks)
  const out: Uint8Array[] = []
  const walk = (link: Uint8Array): void => {
    const bytes = blocks.map.get(linkMapKey(link))
    if (bytes === undefined) throw new Error('a block of the tree is missing')
    out.push(bytes)
    if (link[1] === CODEC_RAW || link[1] === CODEC_DAG_PB) return
    const node = Node.decode(bytes)
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) {
        walk(node.link(i))
        continue
      }
      const value = node.value(i)
      if (isValueRef(value)) walk(value.link)
    }
  }
  walk(tree.ref.root)
  return out
}

/** Rows of JSON whose keys and values have much in common, as real ones do. */
export function documentRows(count: number): Put[] {
  return Array.from({ length: count }, (_, i) => ({
    key: utf8(`feature/api.Interface${String(i >> 3).padStart(6, '0')}.method/browser${i & 7}`),
    value: utf8(JSON.stringify({ browser: `browser${i & 7}`, support: { added: `${i % 97}`, flags: i % 5 === 0 } })),
  }))
}

export async function randomDataAnswer(random: Random): Promise<DataAnswer> {
  const id = random.below(0x100000000)
  if (random.chance(0.3)) return randomPatch(random, id)
  const [, format] = random.pick(FORMATS)
  const rows = random.chance(0.3) ? documentRows(random.between(1, 300)) : randomRows(random, random.below(200), format)
  const shared = random.bytes(format.inlineBytesMax + random.between(1, 2000))
  const sharing = random.chance(0.3) ? rows.map((row) => (random.chance(0.2) ? { ...row, value: shared } : row)) : rows
  let blocks: Uint8Array[] = await blocksInPreOrder(sharing, format)
  if (random.chance(0.3)) blocks = random.shuffled(blocks)
  if (random.chance(0.3)) blocks = blocks.filter(() => random.chance(0.7))
  if (random.chance(0.3)) blocks = blocks.map((block) => (random.chance(0.1) ? damaged(random, block) : block))
  if (random.chance(0.3)) blocks.splice(random.below(blocks.length + 1), 0, random.bytes(random.below(2000)))
  if (random.chance(0.2)) blocks = blocks.flatMap((block) => (random.chance(0.1) ? [block, block] : [block]))
  blocks = blocks.slice(0, BLOCKS_MAX)
  if (random.chance(0.5)) return { type: 'range', id, blocks }
  const withAbsent = blocks.map((block) => (random.chance(0.1) ? null : block))
  return { type: 'blocks', id, blocks: withAbsent.length === 0 ? [null] : withAbsent }
}

function randomPatch(random: Random, id: number): PatchAnswer {
  const rows = new Map<string, [Uint8Array, PatchValue]>()
  for (let i = random.below(60); i > 0; i--) {
    const key = random.bytes(random.chance(0.1) ? random.below(1025) : random.below(4))
    rows.set(bytesToHex(key), [key, randomPatchValue(random)])
  }
  const sorted = [...rows.values()].sort(([a], [b]) => compareBytes(a, b))
  const [keys, values] = [sorted.map(([key]) => key), sorted.map(([, value]) => value)]
  return { type: 'patch', id, keys, values, isLast: random.chance(0.5) }
}

function randomPatchValue(random: Random): PatchValue {
  if (random.chance(0.2)) return null
  if (random.chance(0.7)) return random.bytes(random.below(80))
  const isFile = random.chance(0.3)
  const link = linkTo(isFile ? CODEC_DAG_PB : CODEC_RAW, random.bytes(8))
  return { link, size: isFile ? random.between(1_048_577, 2 ** 40) : random.between(1025, 1_048_576) }
}
