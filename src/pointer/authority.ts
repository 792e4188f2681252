/**
 * Which key decides about an epoch: the author key, or the new key of the last rotation at or below that epoch
 * (record.md, 3). An Authority holds only rotations whose signatures were verified, in ascending epochs; it is extended at
 * its end, never rewritten: two rotations for one epoch are equivocation, and the first one seen stands.
 */
import { equalBytes } from '../bytes.ts'
import { cborArray, cborBytes, CborReader, type FailureFactory } from './cbor.ts'
import { decodeRotation, verifyRotation, type Rotation } from './rotation.ts'
import { signedRootFailure, STATEMENT_BYTES_MAX } from './statement.ts'

/** A chain that long is refused: it bounds what replicas keep (about 240 KiB). */
export const ROTATIONS_MAX = 1024

/** Each rotation with the head of its byte string, and the head of the array. */
export const ROTATIONS_BYTES_MAX: number = ROTATIONS_MAX * (STATEMENT_BYTES_MAX + 3) + 3

const chainFailure: FailureFactory = signedRootFailure('rotations')

export interface Authority {
  /** The first authority, whose key names the database. */
  readonly author: Uint8Array
  /** Verified, epochs ascending. */
  readonly rotations: readonly Rotation[]
}

export type RotationOutcome =
  | { readonly outcome: 'added'; readonly authority: Authority }
  /** Held already. */
  | { readonly outcome: 'same' }
  /** Both by the authority before that epoch, for one epoch: evidence (evidence.ts) that halts it. */
  | { readonly outcome: 'equivocation'; readonly held: Rotation; readonly other: Rotation }
  /** Of another author, below the end of the chain, too many, or not by the authority before it. */
  | { readonly outcome: 'invalid'; readonly reason: 'author' | 'order' | 'limit' | 'signature' }

export function createAuthority(author: Uint8Array): Authority {
  return { author, rotations: [] }
}

/** The key of the authority of `epoch`. */
export function authorityKeyAt(authority: Authority, epoch: number): Uint8Array {
  return authority.rotations.findLast((rotation) => rotation.epoch <= epoch)?.newKey ?? authority.author
}

/** The first epoch of the authority of `epoch`: that of its rotation, 0 for the author key. */
export function authorityEpochAt(authority: Authority, epoch: number): number {
  return authority.rotations.findLast((rotation) => rotation.epoch <= epoch)?.epoch ?? 0
}

/** Judges one more rotation. A new value where it extends the chain; `authority` itself never changes. */
export function addRotation(authority: Authority, rotation: Rotation): RotationOutcome {
  const { author, rotations } = authority
  if (!equalBytes(rotation.author, author)) return { outcome: 'invalid', reason: 'author' }
  const held = rotations.find(({ epoch }) => epoch === rotation.epoch)
  if (held !== undefined && equalBytes(held.payloadBytes, rotation.payloadBytes)) return { outcome: 'same' }
  const last = rotations.at(-1)
  if (held === undefined && last !== undefined && rotation.epoch < last.epoch)
    return { outcome: 'invalid', reason: 'order' }
  if (held === undefined && rotations.length >= ROTATIONS_MAX) return { outcome: 'invalid', reason: 'limit' }
  if (!verifyRotation(authorityKeyAt(authority, rotation.epoch - 1), rotation))
    return { outcome: 'invalid', reason: 'signature' }
  if (held !== undefined) return { outcome: 'equivocation', held, other: rotation }
  return { outcome: 'added', authority: { author, rotations: [...rotations, rotation] } }
}

export interface JoinedRotations {
  readonly authority: Authority
  /** How many were new. */
  readonly added: number
  /** Two for one epoch, both validly signed: the held one stands. */
  readonly conflict: { readonly held: Rotation; readonly other: Rotation } | undefined
  /** Why the rest of the chain does not continue what was known and added; undefined where there is none. */
  readonly failure: Error | undefined
}

/**
 * `authority` with what another chain of the same author, from wherever, has beyond it; or the end of one, which is enough where it
 * begins within what is known. Only what is new costs a signature. What is valid counts whatever follows it: whoever keeps it does not
 * verify it again when it comes with another false end.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` where `bytes` are no array of rotations.
 */
export function joinRotations(authority: Authority, bytes: Uint8Array): JoinedRotations {
  let joined = authority
  for (const rotation of readRotations(bytes)) {
    const result = addRotation(joined, rotation)
    if (result.outcome === 'added') joined = result.authority
    // What follows in the other chain grew out of what does not stand here.
    if (result.outcome === 'equivocation') {
      return { authority: joined, added: countAdded(joined, authority), conflict: result, failure: undefined }
    }
    if (result.outcome === 'invalid') {
      const failure = chainFailure(`expected one that continues the chain, got ${describe(result)}`, 0)
      return { authority: joined, added: countAdded(joined, authority), conflict: undefined, failure }
    }
  }
  return { authority: joined, added: countAdded(joined, authority), conflict: undefined, failure: undefined }
}

function countAdded(joined: Authority, before: Authority): number {
  return joined.rotations.length - before.rotations.length
}

/**
 * What of a chain is known: how many rotations it has, how many of them are new, and whether it begins with one that is known. Looks
 * at no signature.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` for what is no array of rotations.
 */
export function compareRotations(
  { rotations }: Authority,
  bytes: Uint8Array,
): { readonly count: number; readonly added: number; readonly isFirstKnown: boolean } {
  const isKnown = readRotations(bytes).map(({ epoch, payloadBytes }) =>
    rotations.some((held) => held.epoch === epoch && equalBytes(held.payloadBytes, payloadBytes)),
  )
  const added = isKnown.filter((known) => !known).length
  return { count: isKnown.length, added, isFirstKnown: isKnown[0] ?? false }
}

/** The chain as bytes: what replicas keep and what travels beside signed roots. With `last`, so many of its end. */
export function encodeRotations({ rotations }: Authority, last: number = ROTATIONS_MAX): Uint8Array {
  return cborArray(rotations.slice(-last).map(({ bytes }) => cborBytes(bytes)))
}

/** Not verified: see {@link addRotation}. */
function readRotations(bytes: Uint8Array): Rotation[] {
  const reader: CborReader = new CborReader(bytes, chainFailure)
  const count = reader.array('rotations', 0, ROTATIONS_MAX)
  const rotations = Array.from({ length: count }, (_, i) =>
    decodeRotation(reader.bytes(`rotations[${i}]`, 1, STATEMENT_BYTES_MAX)),
  )
  reader.end('rotations')
  return rotations
}

/**
 * A chain of at least one rotation, whoever's it is: its first rotation says so.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID`.
 */
export function decodeChain(bytes: Uint8Array): Authority {
  const reader: CborReader = new CborReader(bytes, chainFailure)
  reader.array('rotations', 1, ROTATIONS_MAX)
  return decodeRotations(decodeRotation(reader.bytes('rotations[0]', 1, STATEMENT_BYTES_MAX)).author, bytes)
}

/**
 * The authority after the chain in `bytes`, each rotation verified.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` for anything but a whole, valid chain of `author`.
 */
export function decodeRotations(author: Uint8Array, bytes: Uint8Array): Authority {
  let authority = createAuthority(author)
  for (const [i, rotation] of readRotations(bytes).entries()) {
    const result = addRotation(authority, rotation)
    if (result.outcome !== 'added')
      throw chainFailure(`rotations[${i}]: expected the next rotation, got ${describe(result)}`, 0)
    authority = result.authority
  }
  return authority
}

function describe(result: Exclude<RotationOutcome, { outcome: 'added' }>): string {
  return result.outcome === 'invalid' ? `an invalid one (${result.reason})` : `a second one for its epoch`
}
