/**
 * IPNS records (specs.ipfs.tech/ipns/ipns-record): what stock IPFS software resolves `/ipns/<key>` by. Ours have version 2's
 * signature alone; the value is the path of a map from database names to head blocks, and the signed roots themselves travel in
 * a signed field of the record, so that a reader needs nothing else.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { compareBytes, concatBytes, equalBytes } from '../../bytes.ts'
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type Signer, verifySignature } from '../../pointer/index.ts'
import { decodeProtobuf, encodeProtobuf } from './protobuf.ts'

/** As the specification says; larger ones are not looked into. */
export const IPNS_RECORD_BYTES_MAX: number = 10 * 1024
/** Of the fields of the protobuf. */
const PUBLIC_KEY = 7
const SIGNATURE_V2 = 8
const DATA = 9
/** libp2p's protobuf of an ed25519 key: type 1, 32 bytes. */
const PUBLIC_KEY_HEAD: Uint8Array = Uint8Array.of(0x08, 0x01, 0x12, 0x20)
const SIGNED_DOMAIN: Uint8Array = new TextEncoder().encode('ipns-signature:')
/** Field names that begin so are for whoever makes the record. */
const ROOTS_FIELD = '_coppice'
const VALIDITY_EOL = 0
const VALUE_BYTES_MAX = 1024
const VALIDITY_CHARS_MAX = 40
/** RFC 3339 with nanoseconds. */
const VALIDITY = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z$/
const NAMES_MAX = 64

export interface IpnsRecord {
  /** The key that signed it, 32 bytes: what it is found by. */
  readonly key: Uint8Array
  /** A path: `/ipfs/<cid>` or `/ipns/<key>`. */
  readonly value: string
  readonly sequence: bigint
  /** Milliseconds since 1970: not valid after. */
  readonly validUntil: number
  /** Milliseconds that resolvers may keep it. */
  readonly ttlMs: number
  /** The signed roots that it carries, by database name. */
  readonly roots: ReadonlyMap<string, Uint8Array>
}

/** The bytes of a record, signed. @throws {RangeError} where they would be more than IPNS_RECORD_BYTES_MAX. */
export async function signIpnsRecord(signer: Signer, record: Omit<IpnsRecord, 'key'>): Promise<Uint8Array> {
  const data = dagCbor.encode({
    TTL: record.ttlMs * 1_000_000,
    Value: new TextEncoder().encode(record.value),
    Sequence: Number(record.sequence),
    Validity: new TextEncoder().encode(new Date(record.validUntil).toISOString().replace('Z', '000000Z')),
    ValidityType: VALIDITY_EOL,
    ...(record.roots.size === 0 ? {} : { [ROOTS_FIELD]: Object.fromEntries(record.roots) }),
  })
  const signature = await signer.sign(concatBytes(SIGNED_DOMAIN, data))
  const bytes = encodeProtobuf(
    new Map([
      [SIGNATURE_V2, signature],
      [DATA, data],
    ]),
  )
  if (bytes.length > IPNS_RECORD_BYTES_MAX) {
    throw new RangeError(`IPNS record: expected at most ${IPNS_RECORD_BYTES_MAX} bytes, got ${bytes.length}`)
  }
  return bytes
}

/**
 * What `bytes` say, where `key` signed them; undefined for anything else. Total. That it is past its validity is for the caller to
 * see: an old record is no forgery.
 */
export function openIpnsRecord(key: Uint8Array, bytes: Uint8Array): IpnsRecord | undefined {
  if (bytes.length > IPNS_RECORD_BYTES_MAX) return undefined
  const fields = decodeProtobuf(bytes)
  const data = fields?.get(DATA)
  const signature = fields?.get(SIGNATURE_V2)
  if (!(data instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined
  if (signature.length !== SIGNATURE_BYTES || !isKeyField(fields?.get(PUBLIC_KEY), key)) return undefined
  if (!verifySignature(key, concatBytes(SIGNED_DOMAIN, data), signature)) return undefined
  return recordOf(key, data)
}

/** It may stand there too, and must be the same then. */
function isKeyField(field: bigint | Uint8Array | undefined, key: Uint8Array): boolean {
  if (field === undefined) return true
  return (
    field instanceof Uint8Array &&
    field.length === PUBLIC_KEY_HEAD.length + PUBLIC_KEY_BYTES &&
    equalBytes(field, concatBytes(PUBLIC_KEY_HEAD, key))
  )
}

function recordOf(key: Uint8Array, data: Uint8Array): IpnsRecord | undefined {
  const fields = decodeMap(data)
  if (fields === undefined) return undefined
  const { Value, Validity, ValidityType, Sequence, TTL } = fields
  const value = textOf(Value, VALUE_BYTES_MAX)
  const validUntil = timeOf(textOf(Validity, VALIDITY_CHARS_MAX))
  const sequence = numberOf(Sequence)
  const ttl = numberOf(TTL)
  if (value === undefined || validUntil === undefined || sequence === undefined || ttl === undefined) return undefined
  if (ValidityType !== VALIDITY_EOL) return undefined
  const roots = rootsOf(fields[ROOTS_FIELD])
  if (roots === undefined) return undefined
  return { key, value, sequence, validUntil, ttlMs: Number(ttl / 1_000_000n), roots }
}

/** A DAG-CBOR map in its one form. */
function decodeMap(data: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = dagCbor.decode(data)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return compareBytes(dagCbor.encode(value), data) === 0 ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function rootsOf(field: unknown): ReadonlyMap<string, Uint8Array> | undefined {
  if (field === undefined) return new Map()
  if (typeof field !== 'object' || field === null) return undefined
  const entries = Object.entries(field)
  if (entries.length > NAMES_MAX) return undefined
  const roots = new Map<string, Uint8Array>()
  for (const [name, bytes] of entries) {
    if (!(bytes instanceof Uint8Array)) return undefined
    roots.set(name, bytes)
  }
  return roots
}

function textOf(bytes: unknown, max: number): string | undefined {
  if (!(bytes instanceof Uint8Array) || bytes.length > max) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function timeOf(text: string | undefined): number | undefined {
  const seconds = text === undefined ? undefined : VALIDITY.exec(text)?.[1]
  const time = seconds === undefined ? NaN : Date.parse(`${seconds}Z`)
  return Number.isNaN(time) ? undefined : time
}

function numberOf(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value >= 0n ? value : undefined
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined
}
