/** Evidence of a fork in words and as JSON, the same for `status`, `evidence`, `verify` and `key show`. */
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { formatLink } from '../link.ts'
import {
  type ConflictReason,
  type Evidence,
  formatAuthor,
  type ProvenEvidence,
  type RootEvidence,
  type Rotation,
  type SignedRoot,
} from '../pointer/index.ts'
import { renderTime } from './render.ts'

/** Keys are API. */
export type EvidenceJson = { readonly [field: string]: FieldValue }

/** `author` is whose databases it is about; of a fork of rotations all of them. */
export function evidenceJson({ evidence, authority }: ProvenEvidence): EvidenceJson {
  const { kind, epoch } = evidence
  const author = formatAuthor(authority.author)
  if (evidence.kind === 'rotations') {
    const rotations = [evidence.one, evidence.other].map(({ newKey }) => ({ epoch, key: formatAuthor(newKey) }))
    return { kind, author, name: null, epoch, reason: 'rotations', roots: [], rotations }
  }
  const { reason, lower, upper } = evidence
  const roots = [lower, upper].map(({ payload, key, link }) => ({
    sequence: payload.sequence,
    epoch: payload.epoch,
    root: formatLink(payload.root),
    payload: formatLink(link),
    issued: payload.issued,
    signer: formatAuthor(key),
  }))
  return { kind, author, name: lower.payload.name, epoch, reason, roots, rotations: [] }
}

/** What it is about, on one line. */
export function describeFork(evidence: Evidence): string {
  if (evidence.kind === 'rotations') return `two new keys for epoch ${evidence.epoch}`
  const { lower, upper } = evidence
  const [a, b] = [lower.payload.sequence, upper.payload.sequence]
  return `${a === b ? `two different @${a}` : `@${a} and @${b}`} in epoch ${evidence.epoch}`
}

/** What was signed, and how it contradicts itself; for people, escaped. */
export function describeEvidence(evidence: Evidence): string[] {
  if (evidence.kind === 'rotations') {
    return [...[evidence.one, evidence.other].map(describeRotation), 'one epoch has one authority']
  }
  return [describeRoot(evidence.lower), describeRoot(evidence.upper), describeReason(evidence)]
}

function describeRoot({ payload, key, link }: SignedRoot): string {
  const { sequence, epoch, root, issued } = payload
  const place = `@${sequence} of epoch ${epoch}, issued ${renderTime(issued)}, signed by ${formatAuthor(key)}`
  return `${place}: root ${formatLink(root)}, payload ${formatLink(link)}`
}

function describeRotation({ epoch, newKey }: Rotation): string {
  return `from epoch ${epoch} on the authority is ${formatAuthor(newKey)}`
}

const REASONS: Readonly<Record<ConflictReason, string>> = {
  sequence: 'one chain has one root of a sequence',
  previous: 'the second names another root as the one before it',
  recent: 'the second names another root at the place of the first',
  history: 'the history of the second has another root at the place of the first, which the proof in it shows',
  signer: 'one epoch has one key',
}

function describeReason({ reason }: RootEvidence): string {
  return REASONS[reason]
}

/** The first line; `what` has it. */
export function describeProven(what: string, { evidence, authority }: ProvenEvidence): string {
  const author = formatAuthor(authority.author)
  if (evidence.kind === 'rotations') {
    return escapeText(`${what}: proven: ${author} named two new keys for epoch ${evidence.epoch}`)
  }
  const { name } = evidence.lower.payload
  return escapeText(`${what}: proven: the author of ${name}, ${author}, signed ${describeFork(evidence)}`)
}
