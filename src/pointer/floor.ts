/**
 * The floor: what a replica remembers of one author and name so that it never goes back (record.md, 5). It holds the
 * highest accepted signed root, how that one was connected to the floor before it, the newest authenticated time, and evidence. Whoever
 * keeps it flushes it to the disk before anything is done with what it admits.
 */
import { copyBytes, equalBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { cborArray, cborBytes, cborNullable, CborReader, cborText, cborUint } from './cbor.ts'
import { PUBLIC_KEY_BYTES } from './ed25519.ts'
import { decodeEvidence, encodeEvidence, EVIDENCE_BYTES_MAX, verifyEvidence, type Evidence } from './evidence.ts'
import type { Authority } from './authority.ts'
import { NAME_BYTES_MAX } from './name.ts'
import { SECONDS_MAX } from './order.ts'
import { decodeSignedRoot, SIGNED_ROOT_BYTES_MAX, type SignedRoot } from './signed-root.ts'

/**
 * How an accepted root is connected to the one before it. `first`: there was none. `linked`: by `previous`, or by a proof.
 * `unlinked`: a skip without a proof. `resolved`: a new epoch that names the floor's root as a tip of the fork it ends.
 * `superseded`: a new epoch, or the key of a rotation, that leaves the floor's root out of its chain.
 */
export type LinkState = 'first' | 'linked' | 'unlinked' | 'resolved' | 'superseded'

const LINK_STATES: readonly LinkState[] = ['first', 'linked', 'unlinked', 'resolved', 'superseded']
const VERSION = 1
/** Elements of version 1. */
const PARTS = 6
/** Epochs whose evidence is kept, the highest ones. One piece each is enough to halt it. */
export const EVIDENCE_EPOCHS_MAX = 8

export interface AcceptedRoot {
  readonly root: SignedRoot
  readonly link: LinkState
}

export interface Floor {
  readonly author: Uint8Array
  readonly name: string
  /** null until a first signed root is accepted. */
  readonly accepted: AcceptedRoot | null
  /** Seconds: the latest `issued` accepted, 0 before any. Corrects a clock behind it, for expiry only. */
  readonly newestTime: number
  /** One per epoch at most, highest epoch first. */
  readonly evidence: readonly Evidence[]
}

export function createFloor(author: Uint8Array, name: string): Floor {
  return { author, name, accepted: null, newestTime: 0, evidence: [] }
}

/** The evidence that halts `epoch`, if any. */
export function haltingEvidence(floor: Floor, epoch: number): Evidence | undefined {
  return floor.evidence.find((evidence) => evidence.epoch === epoch)
}

/** `floor` with one more piece of verified evidence; `floor` itself where its epoch has one or is below those kept. */
export function withEvidence(floor: Floor, evidence: Evidence): Floor {
  if (haltingEvidence(floor, evidence.epoch) !== undefined) return floor
  const kept = [...floor.evidence, evidence].toSorted((a, b) => b.epoch - a.epoch).slice(0, EVIDENCE_EPOCHS_MAX)
  return kept.includes(evidence) ? { ...floor, evidence: kept } : floor
}

/**
 * `floor` without evidence that is not signed by those who may sign under `authority`, as after a rotation that was learnt late: whoever
 * stole the key before it would halt epochs that are not his any more. `floor` itself where all of it is.
 */
export function withoutRevoked(floor: Floor, authority: Authority): Floor {
  const evidence = floor.evidence.filter((each) => verifyEvidence(each, authority))
  return evidence.length === floor.evidence.length ? floor : { ...floor, evidence }
}

/** Whether evidence, if it is signed, is of this database and would be kept. Looks at no signature: what is not new costs none. */
export function isNewEvidence(floor: Floor, evidence: Evidence): boolean {
  return isOfDatabase(floor, evidence) && withEvidence(floor, evidence) !== floor
}

function isOfDatabase({ author, name }: Floor, evidence: Evidence): boolean {
  if (evidence.kind === 'rotations') return equalBytes(evidence.one.author, author)
  const { payload } = evidence.lower
  return equalBytes(payload.author, author) && payload.name === name
}

/**
 * Takes evidence that a peer hands over. `invalid`: of another database, or not signed by those who may; the peer's fault.
 * Where `floor` in the answer is the same object, there is nothing to keep.
 */
export function acceptEvidence(
  floor: Floor,
  evidence: Evidence,
  authority: Authority,
): { readonly outcome: 'accepted' | 'same' | 'invalid'; readonly floor: Floor } {
  if (!isOfDatabase(floor, evidence)) return { outcome: 'invalid', floor }
  const next = withEvidence(floor, evidence)
  if (next === floor) return { outcome: 'same', floor }
  if (!equalBytes(authority.author, floor.author) || !verifyEvidence(evidence, authority))
    return { outcome: 'invalid', floor }
  return { outcome: 'accepted', floor: next }
}

export function encodeFloor(floor: Floor): Uint8Array {
  return cborArray([
    cborUint(VERSION),
    cborBytes(floor.author),
    cborText(floor.name),
    cborNullable(floor.accepted, ({ root, link }) =>
      cborArray([cborBytes(root.bytes), cborUint(LINK_STATES.indexOf(link))]),
    ),
    cborUint(floor.newestTime),
    cborArray(floor.evidence.map((evidence) => cborBytes(encodeEvidence(evidence)))),
  ])
}

/**
 * The floor as it was kept. What it holds was verified before it was written and is not verified again.
 * @throws {CoppiceError} `FORMAT_NEWER` when a newer version wrote it, `STORE_CORRUPT` for anything else.
 */
export function decodeFloor(bytes: Uint8Array): Floor {
  const reader = new CborReader(copyBytes(bytes), corrupt)
  const parts = reader.array('floor', 1, 64)
  const version = reader.uint('version', 1, Number.MAX_SAFE_INTEGER)
  if (version !== VERSION) throw new CoppiceError('FORMAT_NEWER', `floor: expected version ${VERSION}, got ${version}`)
  if (parts !== PARTS) throw corrupt(`expected ${PARTS} elements, got ${parts}`, 0)
  try {
    return readFloor(reader)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) {
      throw new CoppiceError('STORE_CORRUPT', `floor: ${error.message}`, { cause: error })
    }
    throw error
  }
}

function readFloor(reader: CborReader): Floor {
  const author = reader.bytes('author', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
  const name = reader.text('name', NAME_BYTES_MAX)
  const accepted = reader.nullable(() => readAccepted(reader))
  const newestTime = reader.uint('newest time', 0, SECONDS_MAX)
  const count = reader.array('evidence', 0, EVIDENCE_EPOCHS_MAX)
  const evidence = Array.from({ length: count }, () => decodeEvidence(reader.bytes('evidence', 1, EVIDENCE_BYTES_MAX)))
  reader.end('floor')
  return { author, name, accepted, newestTime, evidence }
}

function readAccepted(reader: CborReader): AcceptedRoot {
  reader.array('accepted', 2, 2)
  const root = decodeSignedRoot(reader.bytes('signed root', 1, SIGNED_ROOT_BYTES_MAX))
  const link = LINK_STATES[reader.uint('link', 0, LINK_STATES.length - 1)]
  if (root.state !== 'known' || link === undefined) throw corrupt('expected a root of a known format', reader.offset)
  return { root, link }
}

function corrupt(message: string, offset: number): CoppiceError {
  return new CoppiceError('STORE_CORRUPT', `floor: ${message} (byte ${offset})`, { details: { offset } })
}
