/**
 * The bytes of a proof (proof.md, 1): one file that stands by itself, with one encoding. Decoding is a walk over this one
 * shape: the size is checked before anything else, every length against what is left, and nothing is allocated on a
 * sender's word.
 */
import { equalBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { CODEC_DAG_CBOR, type Link } from '../link.ts'
import { cborArray, cborBytes, cborLink, CborReader, cborText } from '../pointer/cbor.ts'
import { decodeSignedRoot, SIGNED_ROOT_BYTES_MAX, type SignedRoot } from '../pointer/signed-root.ts'
import { RAW_VALUE_BYTES_MAX } from '../prolly/format.ts'
import { encodeQuestion, type Question, readQuestion } from './question.ts'

const PROOF_DOMAIN = 'coppice/proof/1'
/** One answer that is held in memory as a whole; more rows are several pages. */
export const PROOF_BYTES_MAX: number = 16 * 1024 * 1024
/** A node has at least 1 KiB unless it is the last of its level, and a value out of line more. */
export const PROOF_BLOCKS_MAX: number = 16 * 1024
/** Values that an answer shows, two for an update: a row takes about 260 bytes of memory, a tiny one 5 of the proof. */
export const PROOF_VALUES_MAX: number = 256 * 1024
/** 1024 rotations of at most 256 bytes, and the heads around them. */
const ROTATIONS_BYTES_MAX: number = 272 * 1024

/** A root that a proof speaks of: by its CID, or as its author signed it. */
export interface ProofRoot {
  readonly link: Link
  readonly signed: SignedRoot | undefined
  /** The author's rotations up to the epoch of the root, as `encodeRotations` gives them; empty bytes where it is not signed. */
  readonly rotations: Uint8Array
}

/** What a proof says of itself; nothing of it is verified. */
export interface ProofContent {
  readonly root: ProofRoot
  /** Of a diff only. */
  readonly from: ProofRoot | undefined
  readonly question: Question
  /** In the order of first use. */
  readonly blocks: readonly Uint8Array[]
}

/** Why a proof is none. */
export type ProofReason = 'encoding' | 'question' | 'root' | 'signature' | 'block' | 'missing' | 'unused' | 'values'

export function proofInvalid(reason: ProofReason, message: string, cause?: unknown): CoppiceError {
  return new CoppiceError('PROOF_INVALID', `proof: ${message}`, { cause, details: { reason } })
}

export function proofTooLarge(): CoppiceError {
  return new CoppiceError(
    'PROOF_TOO_LARGE',
    `proof: expected at most ${PROOF_BYTES_MAX} bytes, ${PROOF_BLOCKS_MAX} blocks and ${PROOF_VALUES_MAX} values, got more; ask for less at once`,
  )
}

export function encodeProof({ root, from, question, blocks }: ProofContent): Uint8Array {
  const roots = from === undefined ? [root] : [root, from]
  return cborArray([
    cborText(PROOF_DOMAIN),
    cborArray(roots.map(encodeRoot)),
    encodeQuestion(question),
    cborArray(blocks.map(cborBytes)),
  ])
}

function encodeRoot({ link, signed, rotations }: ProofRoot): Uint8Array {
  return cborArray(signed === undefined ? [cborLink(link)] : [cborBytes(signed.bytes), cborBytes(rotations)])
}

/**
 * The blocks are views of `bytes`. Nothing is verified.
 * @throws {CoppiceError} `PROOF_INVALID` with `details.reason` 'encoding', and `FORMAT_NEWER`; nothing else, whatever the bytes.
 */
export function decodeProof(bytes: Uint8Array): ProofContent {
  if (bytes.length > PROOF_BYTES_MAX) {
    throw proofInvalid('encoding', `expected at most ${PROOF_BYTES_MAX} bytes, got ${bytes.length}`)
  }
  const reader = new CborReader(bytes, (message, offset) => proofInvalid('encoding', `${message} (byte ${offset})`))
  reader.array('content', 4, 4)
  readDomain(reader)
  const rootCount = reader.array('roots', 1, 2)
  const root = readRoot(reader)
  const from = rootCount === 1 ? undefined : readRoot(reader)
  const question = readQuestion(reader)
  validateFrom(reader, root, from, question)
  const count = reader.array('blocks', 1, PROOF_BLOCKS_MAX)
  const blocks: Uint8Array[] = []
  for (let i = 0; i < count; i++) blocks.push(reader.bytes(`blocks[${i}]`, 0, RAW_VALUE_BYTES_MAX))
  reader.end('content')
  return { root, from, question, blocks }
}

function readDomain(reader: CborReader): void {
  const domain = reader.text('domain', PROOF_DOMAIN.length + 4)
  if (domain === PROOF_DOMAIN) return
  if (/^coppice\/proof\/[1-9]\d*$/.test(domain)) {
    throw new CoppiceError('FORMAT_NEWER', `proof: expected ${PROOF_DOMAIN}, got ${domain}; a newer coppice checks it`)
  }
  reader.fail(`domain: expected ${PROOF_DOMAIN}`)
}

function readRoot(reader: CborReader): ProofRoot {
  if (reader.array('root', 1, 2) === 1) {
    return { link: reader.link('root', CODEC_DAG_CBOR), signed: undefined, rotations: new Uint8Array(0) }
  }
  const signed = requireSignedRoot(reader.bytes('signed root', 1, SIGNED_ROOT_BYTES_MAX))
  return { link: signed.payload.root, signed, rotations: reader.bytes('rotations', 1, ROTATIONS_BYTES_MAX) }
}

function requireSignedRoot(bytes: Uint8Array): SignedRoot {
  const signed = tryDecode(bytes)
  if (signed.state === 'known') return signed
  throw new CoppiceError('FORMAT_NEWER', 'proof: its signed root needs a newer version of coppice')
}

function tryDecode(bytes: Uint8Array): ReturnType<typeof decodeSignedRoot> {
  try {
    return decodeSignedRoot(bytes)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw proofInvalid('encoding', error.message, error)
    throw error
  }
}

/** A second root stands in a diff, is the one the question names, and is signed only beside one that is. */
function validateFrom(reader: CborReader, root: ProofRoot, from: ProofRoot | undefined, question: Question): void {
  if ((from !== undefined) !== (question.type === 'diff')) reader.fail('roots: expected two for a diff, else one')
  if (from === undefined || question.type !== 'diff') return
  if (!equalBytes(from.link, question.from)) reader.fail('roots: expected the one that the question names')
  if (from.signed !== undefined && root.signed === undefined) reader.fail('roots: expected the first signed, too')
}
