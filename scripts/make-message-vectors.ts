/**
 * Writes test/vectors/messages.json: node scripts/make-message-vectors.ts
 *
 * Messages of the sync protocol, folded and packed answers among them, made by docs/spec/protocol.md, 8 and 15, with libraries only: nothing
 * of src/ takes part. Packed bytes are not the same with every version of a library: receivers must take them.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { deflateRawSync, zstdCompressSync } from 'node:zlib'
import type { CID } from 'multiformats/cid'
import { cidOf, decodeReference, referenceTree } from '../test/support/tree-reference.ts'
import { hexOf, utf8 } from './record-vectors/sealed.ts'

const RAW = 0x55
const DAG_PB = 0x70

type PatchValue = Uint8Array | [CID, number] | null
type Block = Uint8Array | null
type DataAnswer =
  | { readonly number: 5 | 9; readonly id: number; readonly blocks: readonly Block[] }
  | { readonly number: 11; readonly id: number; readonly rows: readonly (readonly [Uint8Array, PatchValue])[] }

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
/** In messages links stand as byte strings. */
const linkBytes = (cid: CID): Uint8Array => Uint8Array.from(cid.bytes)

/** A tree of three levels, with some values out of line. */
const value = (i: number): Uint8Array => utf8(`value ${i} `.repeat(i % 13 === 5 ? 120 : 2))
const rows = Array.from({ length: 40 }, (_, i) => ({ key: utf8(`key-${String(i).padStart(4, '0')}`), value: value(i) }))
const tree = referenceTree(rows, { targetBits: 8, chunkBytesMin: 64, chunkBytesMax: 1024, inlineBytesMax: 1024 })
const nodes = [...tree.nodes.values()]
const blockOf = (cid: CID): Uint8Array =>
  (tree.nodes.get(cid.toString()) ?? tree.values.get(cid.toString())) as Uint8Array

/** A node, then what is below it; the values of a leaf right behind it. */
function preOrder(cid: CID): Uint8Array[] {
  const node = decodeReference(blockOf(cid))
  const below = node[0] === 0 ? [] : (node[2] as CID[]).flatMap(preOrder)
  const values =
    node[0] === 0 ? (node[2] as PatchValue[]).flatMap((each) => (Array.isArray(each) ? [each[0]] : [])) : []
  return [blockOf(cid), ...below, ...values.map(blockOf)]
}

/** As a message: the array of section 8. */
function plain(answer: DataAnswer): Uint8Array {
  if (answer.number !== 11) return dagCbor.encode([answer.number, answer.id, answer.blocks])
  const keys = answer.rows.map(([key]) => key)
  const values = answer.rows.map(([, each]) => (Array.isArray(each) ? [linkBytes(each[0]), each[1]] : each))
  return dagCbor.encode([answer.number, answer.id, keys, values, 1])
}

function leb128(numbers: readonly number[]): Buffer {
  const bytes: number[] = []
  for (let n of numbers) {
    for (; n >= 0x80; n = Math.floor(n / 0x80)) bytes.push((n % 0x80) | 0x80)
    bytes.push(n)
  }
  return Buffer.from(bytes)
}

/** The folded answer of section 15. */
function folded(answer: DataAnswer): Buffer {
  const numbers: number[] = []
  const bytes: Uint8Array[] = []
  let before: Uint8Array = new Uint8Array(0)
  const putKey = (key: Uint8Array): void => {
    let shared = 0
    while (shared < Math.min(key.length, before.length) && key[shared] === before[shared]) shared++
    numbers.push(shared, key.length - shared)
    bytes.push(key.subarray(shared))
    before = key
  }
  const putInline = (inline: Uint8Array): void => {
    numbers.push(2 + inline.length)
    bytes.push(inline)
  }
  if (answer.number === 11) {
    numbers.push(11, answer.id, 1, answer.rows.length)
    for (const [key, each] of answer.rows) {
      putKey(key)
      if (each === null) numbers.push(0)
      else if (each instanceof Uint8Array) putInline(each)
      else {
        numbers.push(1, each[1])
        bytes.push(linkBytes(each[0]))
      }
    }
  } else {
    const places = answer.blocks.map((block) => (block === null ? '' : sha256(block)))
    numbers.push(answer.number, answer.id, answer.blocks.length)
    for (const [at, block] of answer.blocks.entries()) {
      if (block === null) {
        numbers.push(0)
        continue
      }
      if (!nodes.includes(block)) {
        numbers.push(1, block.length)
        bytes.push(block)
        continue
      }
      let reached = at
      const putLink = (cid: CID): void => {
        const place = places.indexOf(Buffer.from(cid.multihash.digest).toString('hex'))
        numbers.push(place > reached ? place - reached : 0)
        if (place > reached) reached = place
        else bytes.push(linkBytes(cid))
      }
      const node = decodeReference(block)
      const [level, keys] = node
      numbers.push(...(level === 0 ? [2] : [3, level]), keys.length)
      for (const [i, key] of keys.entries()) {
        putKey(key)
        const second = node[2][i] as PatchValue | CID
        if (second instanceof Uint8Array) putInline(second)
        else if (Array.isArray(second)) {
          numbers.push(1)
          putLink(second[0])
          numbers.push(second[1])
        } else {
          putLink(second as CID)
          numbers.push(node[3]?.[i] as number, node[4]?.[i] as number)
        }
      }
    }
  }
  const written = leb128(numbers)
  return Buffer.concat([leb128([written.length]), written, ...bytes])
}

function packed(packing: 1 | 2, plainBytes: Buffer): Uint8Array {
  const bytes = packing === 1 ? zstdCompressSync(plainBytes) : deflateRawSync(plainBytes)
  if (bytes.length >= plainBytes.length) throw new Error('expected packing to make it shorter')
  return dagCbor.encode([17, packing, plainBytes.length, new Uint8Array(bytes)])
}

const [leaf, rightLeaf] = nodes as [Uint8Array, Uint8Array]
const large = cidOf(RAW, utf8('large'))
const patchRows: [Uint8Array, PatchValue][] = rows.map(({ key, value: inline }, i) => [
  key,
  i % 5 === 1
    ? null
    : i % 7 === 3
      ? [large, 1025 + i]
      : i % 7 === 5
        ? [cidOf(DAG_PB, key), 2 ** 33]
        : inline.subarray(0, 24),
])
const answers: Readonly<Record<string, DataAnswer>> = {
  'a whole tree, in pre-order': { number: 9, id: 7, blocks: preOrder(tree.root) },
  'an empty range': { number: 9, id: 2 ** 32 - 1, blocks: [] },
  'blocks, some not here, links to earlier ones and to others': {
    number: 5,
    id: 300,
    blocks: [rightLeaf, null, blockOf(tree.root), ...nodes.slice(-4, -1).toReversed(), null, leaf, utf8('a value')],
  },
  'a page of a patch': { number: 11, id: 0, rows: patchRows },
}

const root = linkBytes(tree.root)
const rootId = [linkBytes(cidOf(dagCbor.code, utf8('payload'))), 1, 2 ** 40]
const author = new Uint8Array(32).fill(0xa1)
const links = [root, linkBytes(large)]
const messages: Readonly<Record<string, readonly unknown[]>> = {
  hello: [0, 1, author, 'cities', rootId, [1, 2], null],
  'hello of a new replica': [0, 1, author, 'cities', null, [], null],
  'hello with statements': [0, 1, author, 'cities', rootId, [], utf8('statements')],
  welcome: [1, 1, 1, utf8('signed root'), null],
  'welcome, the same': [1, 1, 0, null, null],
  'welcome, in part': [1, 1, 6, utf8('signed root'), null],
  'welcome, the same, with statements': [1, 1, 0, null, utf8('statements')],
  'get root': [2, 1, rootId, 30_000],
  root: [3, 1, null, null],
  'root, statements only': [3, 1, null, utf8('statements')],
  'get blocks': [4, 2 ** 32 - 1, root, links, 1_048_576],
  tell: [6, utf8('signed root'), null],
  'tell, statements only': [6, null, utf8('statements')],
  refusal: [7, 24, 2],
  'get range': [8, 23, root, null, [root], 65_536],
  'get range with a base': [8, 255, root, root, [root], 1],
  'get patch': [10, 256, root, root, utf8('key-0003'), null, 65_535],
  'get have': [12, 65_536, root, links],
  have: [13, 65_536, [1, 0]],
  'get peers': [14, 3, ['/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWPeer']],
  peers: [15, 3, []],
  'get attachments': [20, 4],
  attachments: [23, 4, utf8('attachments')],
  'attachments, none': [23, 4, null],
}

const vectors = {
  messages: Object.entries(messages).map(([name, items]) => ({ name, hex: hexOf(dagCbor.encode(items)) })),
  answers: Object.entries(answers).map(([name, answer]) => {
    const fold = folded(answer)
    const isLong = fold.length > 100
    return {
      name,
      plain: hexOf(plain(answer)),
      folded: hexOf(fold),
      ...(isLong ? { zstd: hexOf(packed(1, fold)), deflate: hexOf(packed(2, fold)) } : {}),
    }
  }),
}
writeFileSync(new URL('../test/vectors/messages.json', import.meta.url), `${JSON.stringify(vectors, null, 1)}\n`)
