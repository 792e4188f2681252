/** Proofs of random questions about random trees: right against sorted rows, the only ones, and worth nothing once changed. */
import * as assert from 'uvu/assert'
import { equalBytes } from '../src/bytes.ts'
import { isCoppiceError } from '../src/errors.ts'
import type { Format } from '../src/prolly/index.ts'
import { checkProof, decodeProof, prove, type Question } from '../src/proof/index.ts'
import { encodeProof, type ProofContent } from '../src/proof/proof-bytes.ts'
import { BlockMap } from '../test/support/blocks.ts'
import { answerText, modelAnswer, someQuestion } from '../test/support/proof-cases.ts'
import { Random } from '../test/support/random.ts'
import { applyEdits, FORMATS, randomEdits, randomRows, treeOf } from '../test/support/tree-sets.ts'

export const summary =
  'a proof shows what the rows say, is the only one of its question, and any other bytes are refused'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const [name, format] = random.pick(FORMATS)
  const blocks = new BlockMap(random.chance(0.3))
  const old = randomRows(random, random.below(random.pick([4, 60, 250])), format)
  const rows = random.chance(0.2)
    ? randomRows(random, random.below(250), format)
    : applyEdits(old, randomEdits(random, old, random.below(30), format))
  const [from, tree] = [await treeOf(old, format, blocks), await treeOf(rows, format, blocks)]
  for (let i = 0; i < 6; i++) {
    const question = someQuestion(random, rows, from)
    const proof = await prove(tree, question, { format })
    const { answer, root } = checkProof(proof, question, tree.ref.root, { format })
    assert.is(answerText(question, answer), modelAnswer(question, rows, old, format), `${name}, ${question.type}`)
    assert.equal(root, tree.ref)
    const content = decodeProof(proof)
    assert.ok(equalBytes(encodeProof(content), proof), 'decoding and encoding give the same bytes')
    const refuse = (bytes: Uint8Array): void => assertRefused(bytes, question, tree.ref.root, format)
    for (let j = 0; j < 8; j++) refuse(mutated(random, proof))
    for (const others of otherBlocks(random, content)) refuse(encodeProof({ ...content, blocks: others }))
    const other = someQuestion(random, rows, from)
    if (other.type !== question.type) assertRefused(proof, other, tree.ref.root, format)
    if (!equalBytes(from.ref.root, tree.ref.root)) assertRefused(proof, question, from.ref.root, format)
  }
}

/** Fails in one of the ways a proof may; anything else comes through. */
export function assertRefused(bytes: Uint8Array, question: Question, root: Uint8Array, format: Format): void {
  try {
    checkProof(bytes, question, root, { format })
  } catch (error) {
    if (isCoppiceError(error, 'PROOF_INVALID') || isCoppiceError(error, 'FORMAT_NEWER')) return
    throw error
  }
  assert.unreachable(`${question.type}: expected it refused, was proven`)
}

/** Other bytes: a few changed, some cut out, some put in. */
function mutated(random: Random, proof: Uint8Array): Uint8Array {
  const at = random.below(proof.length)
  const length = random.between(1, 8)
  const out = Array.from(proof)
  const kind = random.below(3)
  if (kind === 0) out.splice(at, length)
  else if (kind === 1) out.splice(at, 0, ...random.bytes(length))
  else out[at] = (proof[at] as number) ^ random.between(1, 255)
  const bytes = Uint8Array.from(out)
  return equalBytes(bytes, proof) ? bytes.subarray(1) : bytes
}

/** The blocks without one, with one twice, with a strange one, in another order. */
function otherBlocks(random: Random, { blocks }: ProofContent): Uint8Array[][] {
  const at = random.below(blocks.length)
  const block = blocks[at] as Uint8Array
  const swapped = [...blocks]
  swapped[at] = blocks.at(-1) as Uint8Array
  swapped[blocks.length - 1] = block
  return [
    blocks.toSpliced(at, 1),
    blocks.toSpliced(random.below(blocks.length + 1), 0, block),
    blocks.toSpliced(random.below(blocks.length + 1), 0, random.bytes(random.between(1, 60))),
    ...(at === blocks.length - 1 ? [] : [swapped]),
  ]
}
