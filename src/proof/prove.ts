/** Making proofs: the query runs on a store, and the blocks it reads are the proof. */
import { equalBytes } from '../bytes.ts'
import { requireHeld } from '../held-block.ts'
import { type Link, linkMapKey } from '../link.ts'
import { type Authority, createAuthority, encodeRotations } from '../pointer/authority.ts'
import { CborReader } from '../pointer/cbor.ts'
import type { SignedRoot } from '../pointer/signed-root.ts'
import { type Format, FORMAT_1 } from '../prolly/format.ts'
import type { Tree } from '../prolly/tree.ts'
import type { BlockReader } from '../store/interface.ts'
import { answerOf } from './answer.ts'
import { encodeProof, PROOF_BLOCKS_MAX, PROOF_BYTES_MAX, proofTooLarge, type ProofRoot } from './proof-bytes.ts'
import { type DiffQuestion, encodeQuestion, type Question, readQuestion } from './question.ts'
import type { Reading } from './replay.ts'

export interface ProveOptions {
  /** The signed root of the tree: the proof is then checked against its author. Without, against the root's CID. */
  readonly signed?: SignedRoot | undefined
  /** Of a diff whose `signed` is given: the signed root of `question.from`. */
  readonly signedFrom?: SignedRoot | undefined
  /** With the rotations that the signed roots need; the author alone by default. */
  readonly authority?: Authority | undefined
  readonly format?: Format | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * A proof of what `tree` answers to `question`: its own bytes, at most {@link PROOF_BYTES_MAX}. Reads the blocks it consists of;
 * those of a diff's other tree come from the same store.
 * @throws {RangeError} for a question that cannot be asked, or a signed root of another tree.
 * @throws {CoppiceError} `PROOF_TOO_LARGE`; `BLOCK_MISSING`, `STORE_CORRUPT`, `TREE_MALFORMED` (no proof can be made of it).
 */
export async function prove(tree: Tree, question: Question, options: ProveOptions = {}): Promise<Uint8Array> {
  const asked = normalize(question)
  const root = proofRoot(tree.ref.root, options.signed, options.authority)
  const from = asked.type === 'diff' ? fromRoot(asked, options) : undefined
  const recorder = new Recorder(tree.nodes.blocks, options.signal)
  await recorder.run(answerOf(asked, root, from, options.format ?? FORMAT_1))
  const proof = encodeProof({ root, from, question: asked, blocks: recorder.blocks })
  if (proof.length > PROOF_BYTES_MAX) throw proofTooLarge()
  return proof
}

/** The question as a checker will read it: keys in order and each once, nothing left open. */
function normalize(question: Question): Question {
  const failure = (message: string): Error => new RangeError(message)
  return readQuestion(new CborReader(encodeQuestion(question), failure))
}

function fromRoot(question: DiffQuestion, { signed, signedFrom, authority }: ProveOptions): ProofRoot {
  if (signed === undefined && signedFrom !== undefined) throw new RangeError('signedFrom: expected it with signed only')
  return proofRoot(question.from, signedFrom, authority)
}

function proofRoot(link: Link, signed: SignedRoot | undefined, authority: Authority | undefined): ProofRoot {
  if (signed === undefined) return { link, signed, rotations: new Uint8Array(0) }
  if (!equalBytes(link, signed.payload.root)) throw new RangeError('signed: expected the signed root of the tree')
  const { author, epoch } = signed.payload
  const { rotations } = authority ?? createAuthority(author)
  const needed = rotations.filter((rotation) => rotation.epoch <= epoch)
  return { link, signed, rotations: encodeRotations({ author, rotations: needed }) }
}

class Recorder {
  readonly blocks: Uint8Array[] = []
  readonly #source: BlockReader
  readonly #signal: AbortSignal | undefined
  readonly #held = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(source: BlockReader, signal: AbortSignal | undefined) {
    this.#source = source
    this.#signal = signal
  }

  async run<R>(reading: Reading<R>): Promise<R> {
    for (let step = reading.next(); ;) {
      if (step.done === true) return step.value
      this.#signal?.throwIfAborted()
      const link = step.value
      const held = this.#held.get(linkMapKey(link))
      step = reading.next(held ?? this.#record(link, await this.#source.get(link)))
    }
  }

  #record(link: Link, held: Uint8Array | undefined): Uint8Array {
    const bytes = requireHeld(link, held)
    this.#bytes += bytes.length
    if (this.#bytes > PROOF_BYTES_MAX || this.blocks.length === PROOF_BLOCKS_MAX) throw proofTooLarge()
    this.#held.set(linkMapKey(link), bytes)
    this.blocks.push(bytes)
    return bytes
  }
}
