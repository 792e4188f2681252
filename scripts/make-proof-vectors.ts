/**
 * Writes test/vectors/proof.json: node scripts/make-proof-vectors.ts
 * With --check writes nothing, and exits 1 where the file holds something else.
 *
 * Nothing of src/ takes part: blocks are chosen by test/support/proof-reference.ts, signed roots are made as those of
 * record.json. What the file holds is told in docs/spec/proof.md.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { referenceBlocks, referenceProof, type ReferenceQuestion } from '../test/support/proof-reference.ts'
import {
  REFERENCE_FORMAT_1,
  type ReferenceFormat,
  type ReferenceTree,
  referenceTree,
} from '../test/support/tree-reference.ts'
import { u32be, vectorSet } from '../test/support/vector-sets.ts'
import { author, hexOf, ISSUED, NAME, seal, treeHash, utf8 } from './record-vectors/sealed.ts'

/** Proofs up to this length are in the file as a whole. */
const WHOLE_BYTES_MAX = 3000
/** Of the rows, so many to each that the tree that a diff starts from lacks. */
const DIFF_STEP = 97

const key = (i: number): Uint8Array => utf8(`key-${String(i).padStart(8, '0')}`)
const after = (bytes: Uint8Array): Uint8Array => Uint8Array.of(...bytes, 0)
const time = (i: number): Uint8Array => u32be(1_700_000_000 + i)

/** The last key of the root's first child, which a parent names. */
function named(tree: ReferenceTree): Uint8Array {
  const root = dagCbor.decode<[number, Uint8Array[]]>(tree.nodes.get(tree.root.toString()) as Uint8Array)
  return root[1][0] as Uint8Array
}

function questionsOf(set: string, tree: ReferenceTree, from: ReferenceTree): ReferenceQuestion[] {
  const diff = (start: Uint8Array | null, end: Uint8Array | null, limit: number): ReferenceQuestion => [
    'diff',
    0,
    from.root,
    start,
    end,
    limit,
  ]
  if (set === 'empty')
    return [
      ['get', 0, [utf8('a')]],
      ['scan', 0, null, null, null, 0],
      ['count', null, null],
      ['at', 0, 0],
    ]
  if (set === 'inline-edge') {
    return [
      ['get', 0, [utf8('c')]],
      ['get', 1, [utf8('c')]],
      ['scan', 1, null, utf8('d'), null, 0],
    ]
  }
  const edge = named(tree)
  const keyed = set === 'numbers-12345' ? [key(77), key(500), key(5000)] : [time(600), time(60_000), time(200_000)]
  const [a, b, c] = keyed as [Uint8Array, Uint8Array, Uint8Array]
  return [
    ['get', 0, [a]],
    ['get', 0, [after(a)]],
    ['get', 0, [a, after(a), b, c, utf8('~')]],
    ['scan', 0, a, b, null, 0],
    ['scan', 0, after(a), after(after(a)), null, 0],
    ['scan', 0, a, null, 20, 0],
    ['scan', 0, null, b, 20, 1],
    ['scan', 0, null, after(edge), null, 1],
    ['scan', 0, edge, after(edge), null, 0],
    ['count', a, c],
    ['count', edge, after(edge)],
    ['count', null, null],
    ['rank', b],
    ['rank', edge],
    ['rank', after(edge)],
    ['at', 0, 1234],
    ['at', 0, 99_999_999],
    diff(null, null, 1),
    diff(a, b, 1000),
    diff(b, null, 7),
    ['diff', 0, tree.root, null, null, 1],
  ]
}

function describe(
  set: string,
  question: ReferenceQuestion,
  tree: ReferenceTree,
  from: ReferenceTree,
  format: ReferenceFormat,
): object {
  const other = question[0] !== 'diff' ? undefined : question[2].equals(tree.root) ? tree : from
  const blocks = referenceBlocks(question, tree, other)
  const proof = referenceProof([[tree.root], ...(other === undefined ? [] : [[other.root]])], question, blocks)
  return {
    set,
    ...(format === REFERENCE_FORMAT_1 ? {} : { format }),
    ...(other === from ? { fromWithoutEvery: DIFF_STEP } : {}),
    root: tree.root.toString(),
    question: hexOf(dagCbor.encode(question)),
    blocks: blocks.length,
    length: proof.length,
    sha256: createHash('sha256').update(proof).digest('hex'),
    ...(proof.length > WHOLE_BYTES_MAX ? {} : { hex: hexOf(proof) }),
  }
}

function makeProofs(): object[] {
  return ['empty', 'inline-edge', 'times-5000', 'numbers-12345', 'deep-300'].flatMap((set) => {
    const { format, rows } = vectorSet(set)
    const tree = referenceTree(rows, format)
    const sorted = [...rows].sort((a, b) => Buffer.compare(a.key, b.key))
    const from = referenceTree(
      sorted.filter((_, i) => i % DIFF_STEP !== 0),
      format,
    )
    return questionsOf(set, tree, from).map((question) => describe(set, question, tree, from, format))
  })
}

function makeSigned(): object {
  const { rows } = vectorSet('one')
  const { root, entries, bytes, ...tree } = referenceTree(rows)
  const fields = ['coppice/root/1', 1, author.publicKey, NAME, 0, 1, root, entries, bytes, ISSUED, null, null]
  const { signedRoot } = seal([...fields, treeHash([]), [], [], null, []], author)
  const question: ReferenceQuestion = ['get', 0, [utf8('a')]]
  const blocks = referenceBlocks(question, { root, entries, bytes, ...tree })
  const proof = referenceProof([[signedRoot, dagCbor.encode([])]], question, blocks)
  return { author: hexOf(author.publicKey), name: NAME, question: hexOf(dagCbor.encode(question)), hex: hexOf(proof) }
}

/** One line per vector: short diffs. */
function toText(proofs: readonly object[], signed: object): string {
  const lines = proofs.map((each) => JSON.stringify(each)).join(',\n')
  return `{\n"proofs": [\n${lines}\n],\n"signed": ${JSON.stringify(signed)}\n}\n`
}

const url = new URL('../test/vectors/proof.json', import.meta.url)
const text = toText(makeProofs(), makeSigned())
if (!process.argv.includes('--check')) writeFileSync(url, text)
else if (readFileSync(url, 'utf8') !== text) {
  console.error('proof.json: expected what this script makes, got something else')
  process.exitCode = 1
}
