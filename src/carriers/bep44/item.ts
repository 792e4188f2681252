/**
 * A mutable item of BitTorrent's DHT (bep_0044): up to 1000 bencoded bytes under a key and a salt, with a sequence number and a
 * signature. Here its value is a signed root as it is, or one of the statements that lead to it (record.md, 7).
 */
import { sha1 } from '@noble/hashes/legacy.js'
import { concatBytes } from '../../bytes.ts'
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type Signer, verifySignature } from '../../pointer/index.ts'
import { ascii, decodeBencode, encodeBencode } from './bencode.ts'

/** Of the bencoded value. */
export const ITEM_VALUE_BYTES_MAX = 1000
export const SALT_BYTES_MAX = 64
export const TARGET_BYTES = 20
/** The largest sequence: a 64-bit integer, signed. */
const SEQUENCE_MAX: bigint = 2n ** 63n - 1n

export interface MutableItem {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** At most 64 bytes; empty for none. */
  readonly salt: Uint8Array
  readonly sequence: bigint
  /** The bencoded value, 1..1000 bytes. */
  readonly encodedValue: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** Where the DHT keeps the item: 20 bytes. */
export function itemTarget(key: Uint8Array, salt: Uint8Array): Uint8Array {
  return sha1(concatBytes(key, salt))
}

/** What the signature is over. */
export function itemSignedBytes({ salt, sequence, encodedValue }: Omit<MutableItem, 'key' | 'signature'>): Uint8Array {
  const head = salt.length === 0 ? [] : [ascii(`4:salt${salt.length}:`), salt]
  return concatBytes(...head, ascii(`3:seqi${sequence}e1:v`), encodedValue)
}

/** @throws {RangeError} where a part is out of its bounds. */
export async function signItem(
  signer: Signer,
  salt: Uint8Array,
  sequence: bigint,
  value: Uint8Array,
): Promise<MutableItem> {
  const encodedValue = encodeBencode(value)
  const unsigned = { salt, sequence, encodedValue }
  assertBounds(unsigned)
  return { ...unsigned, key: signer.publicKey, signature: await signer.sign(itemSignedBytes(unsigned)) }
}

/** Whether the key signed the item, by the strict rule of signatures. Bounds are checked first. */
export function verifyItem(item: MutableItem): boolean {
  return (
    item.key.length === PUBLIC_KEY_BYTES &&
    item.signature.length === SIGNATURE_BYTES &&
    hasBounds(item) &&
    verifySignature(item.key, itemSignedBytes(item), item.signature)
  )
}

/** The item's value where it is a byte string, as all of ours are. A view. */
export function itemValue({ encodedValue }: MutableItem): Uint8Array | undefined {
  const value = decodeBencode(encodedValue)
  return value instanceof Uint8Array ? value : undefined
}

function hasBounds({ salt, sequence, encodedValue }: Omit<MutableItem, 'key' | 'signature'>): boolean {
  return (
    salt.length <= SALT_BYTES_MAX &&
    sequence >= 0n &&
    sequence <= SEQUENCE_MAX &&
    encodedValue.length >= 1 &&
    encodedValue.length <= ITEM_VALUE_BYTES_MAX
  )
}

function assertBounds(item: Omit<MutableItem, 'key' | 'signature'>): void {
  if (hasBounds(item)) return
  const { salt, sequence, encodedValue } = item
  throw new RangeError(
    `item: expected a salt of at most ${SALT_BYTES_MAX} bytes, a sequence of 0..2^63-1 and a value of at most ` +
      `${ITEM_VALUE_BYTES_MAX}, got ${salt.length}, ${sequence}, ${encodedValue.length}`,
  )
}
