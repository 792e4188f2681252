/** Proofs byte for byte: the committed vectors, and random questions against the reference that made them. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as dagCbor from '@ipld/dag-cbor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, compareBytes } from '../../src/bytes.ts'
import { formatLink } from '../../src/link.ts'
import { CborReader } from '../../src/pointer/cbor.ts'
import { type Format, FORMAT_1 } from '../../src/prolly/index.ts'
import { checkProof, decodeProof, prove, type Question } from '../../src/proof/index.ts'
import { encodeQuestion, readQuestion } from '../../src/proof/question.ts'
import { BlockMap } from '../support/blocks.ts'
import { hex } from '../support/hex.ts'
import { someQuestion } from '../support/proof-cases.ts'
import { referenceBlocks, type ReferenceQuestion } from '../support/proof-reference.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { referenceTree } from '../support/tree-reference.ts'
import { applyEdits, FORMATS, randomEdits, randomRows, treeOf } from '../support/tree-sets.ts'
import { type VECTOR_SETS, vectorSet } from '../support/vector-sets.ts'

interface ProofVector {
  readonly set: (typeof VECTOR_SETS)[number]
  readonly format?: Format
  readonly fromWithoutEvery?: number
  readonly root: string
  readonly question: string
  readonly blocks: number
  readonly length: number
  readonly sha256: string
  readonly hex?: string
}

interface ProofVectors {
  readonly proofs: readonly ProofVector[]
  readonly signed: { readonly author: string; readonly name: string; readonly question: string; readonly hex: string }
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/proof.json', import.meta.url), 'utf8')) as ProofVectors

const test = suite('proof/vectors')

function decodeQuestion(text: string): Question {
  return readQuestion(new CborReader(hex(text), (message) => new Error(message)))
}

test('every proof of the vectors, byte for byte', async () => {
  for (const vector of vectors.proofs) {
    const { rows, format } = vectorSet(vector.set)
    assert.equal(vector.format ?? FORMAT_1, format)
    const sorted = rows.toSorted((a, b) => compareBytes(a.key, b.key))
    const blocks = new BlockMap()
    const { fromWithoutEvery } = vector
    if (fromWithoutEvery !== undefined)
      await treeOf(
        sorted.filter((_, i) => i % fromWithoutEvery !== 0),
        format,
        blocks,
      )
    const tree = await treeOf(sorted, format, blocks)
    assert.is(formatLink(tree.ref.root), vector.root)
    const question = decodeQuestion(vector.question)
    const proof = await prove(tree, question, { format })
    const what = `${vector.set} ${question.type} ${vector.question}`
    assert.is(decodeProof(proof).blocks.length, vector.blocks, what)
    assert.is(proof.length, vector.length, what)
    assert.is(createHash('sha256').update(proof).digest('hex'), vector.sha256, what)
    assert.is(vector.hex ?? bytesToHex(proof), bytesToHex(proof), what)
    checkProof(proof, question, tree.ref.root, { format })
  }
})

test('a signed proof, whole', () => {
  const { author, name, question, hex: text } = vectors.signed
  const { answer, signed } = checkProof(hex(text), decodeQuestion(question), { author: hex(author), name })
  assert.equal(answer, { rows: [{ key: hex('61'), value: hex('31') }] })
  assert.is(signed?.payload.sequence, 1)
})

test('random questions take the blocks that the reference says, in its order', async () => {
  for (const seed of seeds(60)) {
    const random = new Random(seed)
    const [name, format] = random.pick(FORMATS)
    const blocks = new BlockMap()
    const old = randomRows(random, random.below(120), format)
    const rows = applyEdits(old, randomEdits(random, old, random.below(30), format))
    const [from, tree] = [await treeOf(old, format, blocks), await treeOf(rows, format, blocks)]
    const [referenceFrom, reference] = [referenceTree(old, format), referenceTree(rows, format)]
    for (let i = 0; i < 8; i++) {
      const question = someQuestion(random, rows, from)
      const decoded = dagCbor.decode<ReferenceQuestion>(encodeQuestion(question))
      const expected = referenceBlocks(decoded, reference, question.type === 'diff' ? referenceFrom : undefined)
      const proof = dagCbor.decode<[string, unknown[], unknown, Uint8Array[]]>(await prove(tree, question, { format }))
      assert.equal(proof[3].map(bytesToHex), expected.map(bytesToHex), `seed ${seed}: ${name}, ${question.type}`)
      assert.equal(proof[2], decoded)
    }
  }
})

test.run()
