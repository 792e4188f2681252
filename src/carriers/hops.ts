/**
 * The way from an author to whoever signs now (record.md, 7): where a key has the authority, and does not sign, a grant or a rotation
 * stands in place of a root and names the next key. So a key that is offline signs once, and anybody puts it again. What a statement
 * stands in, and so what a hop is, is each carrier's own.
 */
import { bytesToMapKey, equalBytes } from '../bytes.ts'
import { isCoppiceError } from '../errors.ts'
import {
  addRotation,
  type Authority,
  authorityKeyAt,
  createAuthority,
  decodeGrant,
  decodeRotation,
  type Position,
  verifyGrant,
} from '../pointer/index.ts'

/** More than an author that rotates once in a while ever has, and few enough to look up one after the other. */
export const HOPS_MAX = 8

/**
 * What old statements lead to is looked at for so long once something was shown: whoever shows them again must not hold up what the newest
 * led to. With two lookups of 4 s it is below what an author waits before it signs.
 */
export const WALK_MS = 5_000

/** A key that something of the database may stand under, and what led to it. */
export interface Place<Hop> {
  readonly key: Uint8Array
  /** Whether the key is the authority's, and may lead further; false for one that was granted an epoch. */
  readonly isAuthority: boolean
  readonly authority: Authority
  readonly hops: readonly Hop[]
}

/** Where the ways of all carriers begin. */
export function placeOfAuthor(author: Uint8Array): Place<never> {
  return { key: author, isAuthority: true, authority: createAuthority(author), hops: [] }
}

/** Of `places`, in their order, those that are still to be looked at: each key once, and as many as a way may have. */
export function nextPlaces<Hop>(places: readonly Place<Hop>[], visited: ReadonlySet<string>): Place<Hop>[] {
  const seen = new Set(visited)
  const open = places.filter(({ key }) => seen.size < seen.add(bytesToMapKey(key)).size)
  return open.slice(0, Math.max(0, HOPS_MAX + 1 - visited.size))
}

/** What a statement says of the next key, whoever signed it. */
export interface Lead {
  readonly author: Uint8Array
  readonly key: Uint8Array
  /** Where it stands among the roots: a grant at its first sequence, a rotation before all of its epoch. */
  readonly at: Position
  /** Seconds; null where it has no end. */
  readonly expires: number | null
}

/** Undefined for what is neither grant nor rotation. */
export function readLead(statement: Uint8Array): Lead | undefined {
  const rotation = ifValid(() => decodeRotation(statement))
  if (rotation !== undefined) {
    const { author, newKey, epoch } = rotation
    return { author, key: newKey, at: { epoch, sequence: 0 }, expires: null }
  }
  const grant = ifValid(() => decodeGrant(statement))
  if (grant === undefined) return undefined
  const { author, signer, epoch, firstSequence, expires } = grant
  return { author, key: signer, at: { epoch, sequence: firstSequence }, expires }
}

/** Where `statement` at `place` leads, in `hop`; undefined where it is none, of another database, or not by the authority. */
export function followStatement<Hop>(
  place: Place<Hop>,
  name: string,
  statement: Uint8Array,
  hop: Hop,
): Place<Hop> | undefined {
  if (!place.isAuthority || place.hops.length >= HOPS_MAX) return undefined
  const hops = [...place.hops, hop]
  const rotation = ifValid(() => decodeRotation(statement))
  if (rotation !== undefined) {
    const added = addRotation(place.authority, rotation)
    if (added.outcome !== 'added') return undefined
    return { key: rotation.newKey, isAuthority: true, authority: added.authority, hops }
  }
  const grant = ifValid(() => decodeGrant(statement))
  const { authority } = place
  if (grant === undefined || grant.name !== name || !equalBytes(grant.author, authority.author)) return undefined
  if (!verifyGrant(authorityKeyAt(authority, grant.epoch), grant)) return undefined
  return { key: grant.signer, isAuthority: false, authority, hops }
}

/** Undefined for bytes that are something else. */
export function ifValid<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
