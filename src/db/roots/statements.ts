/**
 * What is said to peers, and heard from them, beside signed roots (record.md, 5; protocol.md, 8): the rotations by which they know
 * who may sign, and evidence of a fork. Whatever is heard is verified here before it counts; what is not new costs no signature.
 */
import { ATTACHMENT_IDS, type Attachments, decodeAttachments, encodeAttachments } from '../../carriers/attachments.ts'
import { isCoppiceError } from '../../errors.ts'
import {
  acceptEvidence,
  type Authority,
  compareRotations,
  decodeEvidence,
  encodeEvidence,
  encodeFloor,
  encodeRotations,
  type Evidence,
  findRotationConflict,
  type Floor,
  isNewEvidence,
  joinRotations,
  withEvidence,
  withoutRevoked,
} from '../../pointer/index.ts'
import { FLOOR, ROTATIONS } from '../meta.ts'
import type { DatabaseState } from '../state.ts'
import { readAuthority, readFloor } from './standing.ts'

/** What a database goes by when it judges signed roots. */
export interface Known {
  readonly floor: Floor
  readonly authority: Authority
}

/**
 * `malformed`: no honest peer says that. `unsigned`: evidence of another database, or signed by nobody who may. `unconnected`: rotations that
 * do not continue those known here; either they are the end of a longer chain, or their author has signed two.
 */
export type StatementProblem = 'malformed' | 'unsigned' | 'unconnected'

export interface Heard extends Known {
  /** What was new of it. */
  readonly evidence: readonly Evidence[]
  readonly problem: StatementProblem | undefined
}

/** So many of the last rotations are said; who lacks earlier ones asks for all. */
const ROTATIONS_SAID_MAX = 32

/** As they stand in messages: the evidence is that of the highest epoch. Undefined where there is nothing to say. */
export function encodeStatements({ floor, authority }: Known): Uint8Array | undefined {
  const said = new Map<number, Uint8Array>()
  if (authority.rotations.length > 0) said.set(ATTACHMENT_IDS.rotations, encodeRotations(authority, ROTATIONS_SAID_MAX))
  const [evidence] = floor.evidence
  if (evidence !== undefined) said.set(ATTACHMENT_IDS.evidence, encodeEvidence(evidence))
  return said.size === 0 ? undefined : encodeAttachments(said)
}

interface Hearing {
  /** Attachments, which have all rotations, and not only the last. */
  readonly isWhole: boolean
  /** Asked before anything that costs signatures; what it forbids is passed over. */
  readonly mayVerify: () => boolean
}

/** What somebody's statements, or attachments, add to what is known. Total: they may be any bytes. */
export function hearStatements(known: Known, bytes: Uint8Array, options: Partial<Hearing> = {}): Heard {
  const hearing = { isWhole: false, mayVerify: () => true, ...options }
  const attachments = ifValid(() => decodeAttachments(bytes))
  if (attachments === undefined) return { ...known, evidence: [], problem: 'malformed' }
  const before = hearRotations(known, attachments.get(ATTACHMENT_IDS.rotations), hearing)
  return hearEvidence(before, attachments, hearing)
}

function hearRotations(known: Known, bytes: Uint8Array | undefined, { isWhole, mayVerify }: Hearing): Heard {
  const unchanged: Heard = { ...known, evidence: [], problem: undefined }
  if (bytes === undefined) return unchanged
  const compared = ifValid(() => compareRotations(known.authority, bytes))
  if (compared === undefined) return { ...unchanged, problem: 'malformed' }
  if (compared.added === 0) return unchanged
  // By chance it might fit: an authority may come back to a key that it had.
  const isEnd = !isWhole && compared.count >= ROTATIONS_SAID_MAX && !compared.isFirstKnown
  if (isEnd) return { ...unchanged, problem: 'unconnected' }
  if (!mayVerify()) return unchanged
  const { authority, conflict, failure } = joinRotations(known.authority, bytes)
  const floor = authority === known.authority ? known.floor : withoutRevoked(known.floor, authority)
  const evidence = conflict === undefined ? undefined : findRotationConflict(conflict.held, conflict.other)
  const problem = failure === undefined ? undefined : 'unconnected'
  if (evidence === undefined || !isNewEvidence(floor, evidence)) return { floor, authority, evidence: [], problem }
  // Both of its signatures were looked at.
  return { floor: withEvidence(floor, evidence), authority, evidence: [evidence], problem: undefined }
}

function hearEvidence(heard: Heard, attachments: Attachments, { mayVerify }: Hearing): Heard {
  const bytes = attachments.get(ATTACHMENT_IDS.evidence)
  if (bytes === undefined) return heard
  const evidence = ifValid(() => decodeEvidence(bytes))
  if (evidence === undefined) return { ...heard, problem: 'malformed' }
  if (isNewEvidence(heard.floor, evidence) && !mayVerify()) return heard
  const { outcome, floor } = acceptEvidence(heard.floor, evidence, heard.authority)
  if (outcome === 'same') return heard
  // Whoever knows other rotations may know others who may sign.
  if (outcome === 'invalid') return { ...heard, problem: heard.problem ?? 'unsigned' }
  return { ...heard, floor, evidence: [...heard.evidence, evidence] }
}

function ifValid<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}

/** `known` with the statements of `other`. Of two chains of rotations the one that was first stands. */
export function joinKnown(known: Known, other: Known): Known {
  const joined = ifValid(() => joinRotations(known.authority, encodeRotations(other.authority)))
  const authority = joined?.authority ?? known.authority
  // Where nobody learns of a rotation nothing is verified again.
  const under = (each: Known): Floor =>
    each.authority.rotations.length === authority.rotations.length ? each.floor : withoutRevoked(each.floor, authority)
  return { floor: under(other).evidence.reduce(withEvidence, under(known)), authority }
}

export async function readKnown(state: DatabaseState): Promise<Known> {
  return { floor: await readFloor(state), authority: await readAuthority(state) }
}

/**
 * Makes what was learned durable, with other values that belong to it. Statements that came meanwhile, from those who ask this
 * process, stay: only the caller moves the floor.
 */
export async function keepKnown(
  state: DatabaseState,
  learned: Known,
  others: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<Known> {
  return await state.keeping.run(async () => {
    const kept = await readKnown(state)
    const known = joinKnown({ ...kept, floor: { ...learned.floor, evidence: kept.floor.evidence } }, learned)
    const meta = new Map([[FLOOR, encodeFloor(known.floor)], ...others])
    if (known.authority !== kept.authority) meta.set(ROTATIONS, encodeRotations(known.authority))
    await state.store.write({ meta }, { durable: true })
    state.notify()
    return known
  })
}
