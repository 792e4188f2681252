/** docs/spec/tree.ipldsch against real blocks, read by tools that are not ours: it fits all of them, both ways, and nothing else that a schema can tell. */
import { readFileSync } from 'node:fs'
import * as dagCbor from '@ipld/dag-cbor'
import { fromDSL } from '@ipld/schema/from-dsl.js'
import { create } from '@ipld/schema/typed.js'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import { CODEC_DAG_CBOR, CODEC_DAG_PB, CODEC_RAW, linkCodec, linkTo } from '../../src/link.ts'
import { decodeSignedRoot, headBlock } from '../../src/pointer/index.ts'
import { buildTree, type Put, type Value } from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { hex } from '../support/hex.ts'
import { RECORD_VECTORS } from '../support/record-vectors.ts'
import { ownVectors } from '../support/tree-vectors.ts'
import { utf8 } from '../support/tree-sets.ts'
import { vectorSet } from '../support/vector-sets.ts'

const test = suite('prolly/ipld-schema')

const schema = fromDSL(readFileSync(new URL('../../docs/spec/tree.ipldsch', import.meta.url), 'utf8'))

interface Shape {
  /** Undefined where the data does not fit. */
  toTyped(data: unknown): unknown
  toRepresentation(typed: unknown): unknown
}

const shapes = new Map<string, Shape>()

function shape(type: string): Shape {
  const known = shapes.get(type)
  if (known !== undefined) return known
  const made: Shape = create(schema, type)
  shapes.set(type, made)
  return made
}

function fits(type: string, data: unknown): boolean {
  return shape(type).toTyped(data) !== undefined
}

/** Decoded, typed, and back again: the same bytes. Gives what it decoded to. */
function assertFits(type: string, bytes: Uint8Array, what: string): unknown {
  const data = dagCbor.decode<unknown>(bytes)
  const typed = shape(type).toTyped(data)
  assert.ok(typed !== undefined, `${what} is no ${type}`)
  assert.ok(equalBytes(dagCbor.encode(shape(type).toRepresentation(typed)), bytes), `${what}: a field is lost`)
  return data
}

function assertNode(bytes: Uint8Array, what: string): 'Leaf' | 'Internal' {
  const parts = dagCbor.decode<unknown[]>(bytes).length
  const [type, other] = parts === 3 ? (['Leaf', 'Internal'] as const) : (['Internal', 'Leaf'] as const)
  const data = assertFits(type, bytes, what)
  assert.not(fits(other, data), `${what} is no ${other}`)
  return type
}

async function nodesOf(name: string): Promise<Uint8Array[]> {
  const { rows, format } = vectorSet(name)
  const blocks = new BlockMap()
  await buildTree(rows, blocks, { format })
  return [...blocks.map].filter(([id]) => id.charCodeAt(1) === CODEC_DAG_CBOR).map(([, bytes]) => bytes)
}

test('every node of built trees is what its number of elements says, and nothing is lost on the way back', async () => {
  const seen = { Leaf: 0, Internal: 0 }
  for (const name of [
    'empty',
    'one',
    'empty-key-and-value',
    'head-widths',
    'inline-edge',
    'large-values-200',
    'times-5000',
    'deep-300',
  ]) {
    // prettier-ignore
    for (const [i, bytes] of (await nodesOf(name)).entries()) seen[assertNode(bytes, `${name}, node ${i}`)]++
  }
  assert.ok(seen.Leaf > 100 && seen.Internal > 50, JSON.stringify(seen))
})

test('a row whose value is a UnixFS file', async () => {
  const link = linkTo(CODEC_DAG_PB, utf8('the root of a file'))
  const rows: Put<Value>[] = [{ key: utf8('film'), value: { link, size: 5_000_000_000 } }]
  const blocks = new BlockMap()
  await buildTree(rows, blocks)
  const [leaf] = [...blocks.map.values()]
  const [, , values] = assertFits('Leaf', leaf as Uint8Array, 'the leaf') as [0, Uint8Array[], [CID, number][]]
  assert.is(values[0]?.[0].code, CODEC_DAG_PB)
})

/** An honest leaf and an honest internal node, to be spoilt. */
const key = utf8('k')
const cid = CID.decode(linkTo(CODEC_RAW, key))
const LEAF: readonly unknown[] = [0, [key, key], [utf8('v'), [cid, 2000]]]
const INTERNAL: readonly unknown[] = [1, [key, key], [cid, cid], [1, 2], [30, 40]]

const NOT_A_LEAF: readonly unknown[] = [
  [],
  LEAF.slice(0, 2),
  [...LEAF, []],
  LEAF.with(0, 1),
  LEAF.with(0, '0'),
  LEAF.with(1, key),
  LEAF.with(1, ['k', 'k']),
  LEAF.with(1, null),
  LEAF.with(2, [true, key]),
  LEAF.with(2, [3, key]),
  LEAF.with(2, [cid, key]),
  LEAF.with(2, [[cid], key]),
  LEAF.with(2, [[cid, 2000, 1], key]),
  LEAF.with(2, [[cid, '2000'], key]),
  LEAF.with(2, [[cid, 2000.5], key]),
  LEAF.with(2, [[key, 2000], key]),
  LEAF.with(2, [{ link: cid, size: 2000 }, key]),
  { level: 0, keys: [], values: [] },
  null,
  0,
]

const NOT_INTERNAL: readonly unknown[] = [
  INTERNAL.slice(0, 3),
  INTERNAL.slice(0, 4),
  [...INTERNAL, []],
  INTERNAL.with(0, null),
  INTERNAL.with(0, 1.5),
  INTERNAL.with(1, [key, 'k']),
  INTERNAL.with(2, [cid, key]),
  INTERNAL.with(2, [cid, [cid, 1]]),
  INTERNAL.with(3, [1, null]),
  INTERNAL.with(3, ['1', '2']),
  INTERNAL.with(4, 70),
  INTERNAL.with(4, [30, 40.5]),
]

test('other types, numbers of elements and nesting do not fit', () => {
  assert.ok(fits('Leaf', LEAF) && fits('Internal', INTERNAL))
  for (const [type, list] of [
    ['Leaf', NOT_A_LEAF],
    ['Internal', NOT_INTERNAL],
  ] as const) {
    assert.equal(
      list.flatMap((data, i) => (fits(type, data) ? [i] : [])),
      [],
      `these of the list are taken for ${type}`,
    )
  }
})

/** Of the vectors of rule 2, those that neither codec nor schema refuses: how many, how large, which link, a float that is integral. */
const TAKEN = [
  'level-33',
  'leaf-of-5-elements',
  'level-as-float',
  'key-of-1025-bytes',
  'fewer-values-than-keys',
  'more-values-than-keys',
  'fewer-counts-than-children',
  'value-link-to-a-node',
  'value-size-negative',
  'child-link-to-a-value',
  'child-link-to-unixfs',
  'link-of-sha1',
  'link-of-identity',
  'link-of-version-0',
  'sum-of-counts-beyond-2^53',
  'sum-of-bytes-beyond-2^53',
]

test('the malformed blocks of the vectors: codec and schema refuse what they can tell, the rest is for a verifier', () => {
  const taken: string[] = []
  for (const { name, rule, blocks, root } of ownVectors().negatives) {
    if (rule !== 2) continue
    try {
      const data = dagCbor.decode<unknown>(hex(blocks[root] ?? ''))
      if (fits('Leaf', data) || fits('Internal', data)) taken.push(name)
    } catch {
      // The codec refuses it.
    }
  }
  assert.equal(taken.toSorted(), TAKEN.toSorted())
})

test('signed roots, their payloads and grants, rotations and head blocks', () => {
  const { records, fork, states, rotation, largest } = RECORD_VECTORS
  let grants = 0
  for (const { label, signedRoot, payload, headCid } of [...records, fork]) {
    assertFits('SignedRoot', hex(signedRoot), label)
    const fields = assertFits('RootPayload', hex(payload), label) as unknown[]
    const grant = fields[15]
    if (grant instanceof Uint8Array) {
      const [granted] = assertFits('Grant', grant, label) as [Uint8Array]
      assertFits('GrantPayload', granted, label)
      grants++
    }
    const signed = decodeSignedRoot(hex(signedRoot))
    if (signed.state === 'newer-format') return assert.unreachable(label)
    const head = headBlock(signed)
    assert.is(CID.decode(head.link).toString(), headCid)
    assert.is(linkCodec(head.link), CODEC_DAG_CBOR)
    assertFits('Head', head.bytes, label)
  }
  assert.ok(grants > 0)
  assertFits('RootPayload', hex(largest.payload), 'the largest')
  const [rotated] = assertFits('Rotation', hex(rotation), 'rotation') as [Uint8Array]
  assertFits('RotationPayload', rotated, 'rotation')
  for (const { label, signedRoot } of states) assert.ok(fits('SignedRoot', dagCbor.decode(hex(signedRoot))), label)
})

test('a payload of another domain or shape does not fit', () => {
  const [record] = RECORD_VECTORS.records
  const payload = dagCbor.decode<unknown[]>(hex(record?.payload ?? ''))
  assert.ok(fits('RootPayload', payload))
  const spoilt = [payload.with(0, 'coppice/root/2'), payload.slice(1), [...payload, 1], payload.with(2, 'me'), payload.with(6, key), payload.with(7, null)] // prettier-ignore
  for (const [i, data] of spoilt.entries()) assert.not(fits('RootPayload', data), `case ${i}`)
  assert.not(fits('Head', [cid]))
  assert.not(fits('Head', [key, key]))
})

test.run()
