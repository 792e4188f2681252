/**
 * The way from an author to whoever signs now, over IPNS records (record.md, 7): under the name of a database a record has a signed
 * root by its own key, or, where its key is the authority's, a grant or a rotation, which names the next key.
 *
 *     hops = [record bytes, ...]     from the author on
 */
import { equalBytes } from '../../bytes.ts'
import { cborArray, cborBytes, CborReader } from '../../pointer/cbor.ts'
import { type AnySignedRoot, decodeSignedRoot } from '../../pointer/index.ts'
import { signedRootFailure } from '../../pointer/statement.ts'
import type { PointerName } from '../carrier.ts'
import { followStatement, HOPS_MAX, ifValid, type Place, placeOfAuthor } from '../hops.ts'
import { IPNS_RECORD_BYTES_MAX, openIpnsRecord } from './record.ts'

/** Of the attachment: beside it others have to fit. Records that lead on have half a kilobyte. */
export const HOPS_BYTES_MAX: number = 24 * 1024

/** The signed root that an entry is; undefined for another database's or key's, or for something else. */
export function rootOfEntry(
  { author, name }: PointerName,
  key: Uint8Array,
  entry: Uint8Array,
): AnySignedRoot | undefined {
  const root = ifValid(() => decodeSignedRoot(entry))
  if (root === undefined || !equalBytes(keyOf(root), key)) return undefined
  return equalBytes(root.payload.author, author) && root.payload.name === name ? root : undefined
}

/** The key that a root stands under; a root of a later format may have more. */
export function keyOf({ signatures: [first], payload }: AnySignedRoot): Uint8Array {
  return first?.key ?? payload.author
}

/** All places of a way, the author's first; undefined where a record does not count or does not lead on. */
export function walkHops(
  { author, name }: PointerName,
  hops: readonly Uint8Array[],
): readonly Place<Uint8Array>[] | undefined {
  const places: Place<Uint8Array>[] = [placeOfAuthor(author)]
  for (const bytes of hops) {
    const place = places.at(-1) as Place<Uint8Array>
    const entry = openIpnsRecord(place.key, bytes)?.entries.get(name)
    const next = entry && followStatement(place, name, entry, bytes)
    if (next === undefined) return undefined
    places.push(next)
  }
  return places
}

/** The bytes of the attachment; undefined where they would be too many. */
export function encodeIpnsHops(hops: readonly Uint8Array[]): Uint8Array | undefined {
  const bytes = cborArray(hops.map(cborBytes))
  return bytes.length <= HOPS_BYTES_MAX ? bytes : undefined
}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID`. What the records say is not looked at. */
export function decodeIpnsHops(bytes: Uint8Array): readonly Uint8Array[] {
  const reader = new CborReader(new Uint8Array(bytes), signedRootFailure('hops'))
  const count = reader.array('hops', 1, HOPS_MAX)
  const hops = Array.from({ length: count }, () => reader.bytes('hop', 1, IPNS_RECORD_BYTES_MAX))
  reader.end('hops')
  return hops
}
