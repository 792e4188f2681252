/**
 * The way from an author to whoever signs now, over items of BEP44 (record.md, 7): the item of a key has a signed root by that key,
 * or, where the key is the authority's, a grant or a rotation, which names the next key.
 *
 *     hops = [[statement, signature of its item], ...]     from the author on
 */
import { cborArray, cborBytes, CborReader } from '../../pointer/cbor.ts'
import { carrierSequence, SIGNATURE_BYTES, type Signer } from '../../pointer/index.ts'
import { signedRootFailure, STATEMENT_BYTES_MAX } from '../../pointer/statement.ts'
import type { PointerName } from '../carrier.ts'
import { followStatement, HOPS_MAX, type Place, placeOfAuthor, readLead } from '../hops.ts'
import { ascii, encodeBencode } from './bencode.ts'
import { type MutableItem, signItem } from './item.ts'

export interface Hop {
  /** A grant or a rotation. */
  readonly statement: Uint8Array
  /** Of the item that carries it, by the key before. */
  readonly signature: Uint8Array
}

/** The names of databases are ASCII, and at most 48 characters. */
export function saltOf(name: string): Uint8Array {
  return ascii(`coppice/1/${name}`)
}

/** The number of the item that carries a statement; undefined for what is none. */
export function sequenceOfHop(statement: Uint8Array): bigint | undefined {
  const lead = readLead(statement)
  return lead && carrierSequence(lead.at)
}

/**
 * The items of the way, from the author on, and where it ends; whether their signatures count is not looked at. Undefined where a
 * statement does not lead on.
 */
export function itemsOfHops(
  { author, name }: PointerName,
  hops: readonly Hop[],
): { readonly items: readonly MutableItem[]; readonly end: Place<Hop> } | undefined {
  const items: MutableItem[] = []
  let end: Place<Hop> = placeOfAuthor(author)
  for (const hop of hops) {
    const { statement, signature } = hop
    const next = followStatement(end, name, statement, hop)
    const sequence = sequenceOfHop(statement)
    if (next === undefined || sequence === undefined) return undefined
    items.push({ key: end.key, salt: saltOf(name), sequence, encodedValue: encodeBencode(statement), signature })
    end = next
  }
  return { items, end }
}

/**
 * Signs the item of a grant or rotation, with the key of whoever signed the statement.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` where it is neither.
 */
export async function signHop(signer: Signer, name: string, statement: Uint8Array): Promise<Hop> {
  const sequence = sequenceOfHop(statement)
  if (sequence === undefined) throw signedRootFailure('hop')('expected a grant or a rotation', 0)
  const { signature } = await signItem(signer, saltOf(name), sequence, statement)
  return { statement, signature }
}

/** The bytes of the attachment. */
export function encodeHops(hops: readonly Hop[]): Uint8Array {
  return cborArray(hops.map(({ statement, signature }) => cborArray([cborBytes(statement), cborBytes(signature)])))
}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID`. What the statements say is not looked at. */
export function decodeHops(bytes: Uint8Array): readonly Hop[] {
  const reader = new CborReader(new Uint8Array(bytes), signedRootFailure('hops'))
  const count = reader.array('hops', 1, HOPS_MAX)
  const hops = Array.from({ length: count }, () => {
    reader.array('hop', 2, 2)
    const statement = reader.bytes('statement', 1, STATEMENT_BYTES_MAX)
    return { statement, signature: reader.bytes('signature', SIGNATURE_BYTES, SIGNATURE_BYTES) }
  })
  reader.end('hops')
  return hops
}
