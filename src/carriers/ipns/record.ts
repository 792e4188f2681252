/**
 * IPNS records (specs.ipfs.tech/ipns/ipns-record): what stock IPFS software resolves `/ipns/<key>` by. Ours have version 2's
 * signature alone. The signed roots themselves, or the statements that lead to who signs them, travel in a signed field of the
 * record, so that a reader needs nothing else (record.md, 7).
 */
import { concatBytes, copyBytes, equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import { cborBytes, cborMap, CborReader, cborUint, decodeUtf8 } from '../../pointer/cbor.ts'
import {
  isDatabaseName,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  SIGNED_ROOT_BYTES_MAX,
  type Signer,
  verifySignature,
} from '../../pointer/index.ts'
import { signedRootFailure } from '../../pointer/statement.ts'
import { decodeProtobuf, encodeProtobuf } from './protobuf.ts'

/** As the specification says; larger ones are not looked into. */
export const IPNS_RECORD_BYTES_MAX: number = 10 * 1024
/** Of the fields of the protobuf. */
const PUBLIC_KEY = 7
const SIGNATURE_V2 = 8
const DATA = 9
/** libp2p's protobuf of an ed25519 key: type 1, 32 bytes. */
const PUBLIC_KEY_HEAD: Uint8Array = Uint8Array.of(0x08, 0x01, 0x12, 0x20)
/** The key itself as a multihash: the identity of 36 bytes. */
const IDENTITY_HEAD: Uint8Array = Uint8Array.of(0x00, 0x24)
const KEY_PREFIX: Uint8Array = new TextEncoder().encode('/ipns/')
const SIGNED_DOMAIN: Uint8Array = new TextEncoder().encode('ipns-signature:')
/** Field names that begin so are for whoever makes the record. */
const ENTRIES_FIELD = '_coppice'
const VALIDITY_EOL = 0
const VALUE_BYTES_MAX = 1024
const VALIDITY_BYTES_MAX = 40
/** RFC 3339 with nanoseconds. */
const VALIDITY = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z$/
const FIELDS_MAX = 32
const ENTRIES_MAX = 64

export interface IpnsRecord {
  /** The key that signed it, 32 bytes: what it is found by. */
  readonly key: Uint8Array
  /** A path: `/ipfs/<cid>` or `/ipns/<key>`. */
  readonly value: string
  /** Of one above 2^53-1, which others may write, 2^53-1: nothing of ours comes after either. */
  readonly sequence: number
  /** Milliseconds since 1970: not valid after. */
  readonly validUntil: number
  /** Milliseconds that resolvers may keep it. */
  readonly ttlMs: number
  /** By database name: a signed root, or a statement that leads to whoever signs it. */
  readonly entries: ReadonlyMap<string, Uint8Array>
}

/** What a DHT finds the record of a key by. */
export function ipnsKey(key: Uint8Array): Uint8Array {
  return concatBytes(KEY_PREFIX, IDENTITY_HEAD, PUBLIC_KEY_HEAD, key)
}

/** The ed25519 key; undefined for keys of other kinds. */
export function parseIpnsKey(dhtKey: Uint8Array): Uint8Array | undefined {
  const key = dhtKey.subarray(-PUBLIC_KEY_BYTES)
  return equalBytes(ipnsKey(key), dhtKey) ? key : undefined
}

/** The bytes of a record, signed. @throws {RangeError} where they would be more than IPNS_RECORD_BYTES_MAX. */
export async function signIpnsRecord(signer: Signer, record: Omit<IpnsRecord, 'key'>): Promise<Uint8Array> {
  const utf8 = (text: string): Uint8Array => cborBytes(new TextEncoder().encode(text))
  const fields = new Map([
    ['TTL', cborUint(record.ttlMs * 1_000_000)],
    ['Value', utf8(record.value)],
    ['Sequence', cborUint(record.sequence)],
    ['Validity', utf8(new Date(record.validUntil).toISOString().replace('Z', '000000Z'))],
    ['ValidityType', cborUint(VALIDITY_EOL)],
  ])
  if (record.entries.size > 0) {
    fields.set(ENTRIES_FIELD, cborMap(new Map([...record.entries].map(([name, bytes]) => [name, cborBytes(bytes)]))))
  }
  const data = cborMap(fields)
  const signature = await signer.sign(concatBytes(SIGNED_DOMAIN, data))
  const bytes = seal(signature, data)
  if (bytes.length > IPNS_RECORD_BYTES_MAX) {
    throw new RangeError(`IPNS record: expected at most ${IPNS_RECORD_BYTES_MAX} bytes, got ${bytes.length}`)
  }
  return bytes
}

/**
 * The one form of a record with entries. Fields that anybody could add would make others of it, which nodes do not take in its place, and
 * which nobody could put again.
 */
function seal(signature: Uint8Array, data: Uint8Array): Uint8Array {
  return encodeProtobuf(
    new Map([
      [SIGNATURE_V2, signature],
      [DATA, data],
    ]),
  )
}

/**
 * What `bytes` say, where `key` signed them; undefined for anything else. Total; copies. That it is past its validity is for the
 * caller to see: an old record is no forgery.
 */
export function openIpnsRecord(key: Uint8Array, bytes: Uint8Array): IpnsRecord | undefined {
  const claim = readIpnsRecord(key, bytes)
  return claim?.verify() === true ? claim.record : undefined
}

/** As {@link openIpnsRecord}, before the signature is looked at. */
export function readIpnsRecord(
  key: Uint8Array,
  bytes: Uint8Array,
): { readonly record: IpnsRecord; verify(): boolean } | undefined {
  if (bytes.length > IPNS_RECORD_BYTES_MAX) return undefined
  const fields = decodeProtobuf(copyBytes(bytes))
  const data = fields?.get(DATA)
  const signature = fields?.get(SIGNATURE_V2)
  if (!(data instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined
  if (signature.length !== SIGNATURE_BYTES || !isKeyField(fields?.get(PUBLIC_KEY), key)) return undefined
  const record = recordOf(key, data)
  if (record === undefined || (record.entries.size > 0 && !equalBytes(seal(signature, data), bytes))) return undefined
  return { record, verify: () => verifySignature(key, concatBytes(SIGNED_DOMAIN, data), signature) }
}

/** It may stand there too, and must be the same then. */
function isKeyField(field: bigint | Uint8Array | undefined, key: Uint8Array): boolean {
  if (field === undefined) return true
  return field instanceof Uint8Array && equalBytes(field, concatBytes(PUBLIC_KEY_HEAD, key))
}

/** A DAG-CBOR map in its one form. Fields of others are passed over. */
function recordOf(key: Uint8Array, data: Uint8Array): IpnsRecord | undefined {
  const reader = new CborReader(data, signedRootFailure('IPNS record'))
  const seen: {
    value?: string | undefined
    sequence?: number
    validUntil?: number | undefined
    validityType?: number
    ttlMs?: number
    entries?: ReadonlyMap<string, Uint8Array>
  } = {}
  try {
    reader.map('fields', FIELDS_MAX, (field) => {
      if (field === 'TTL') seen.ttlMs = Math.floor(reader.saturatedUint(field) / 1_000_000)
      else if (field === 'Value') seen.value = decodeUtf8(reader.bytes(field, 0, VALUE_BYTES_MAX))
      else if (field === 'Sequence') seen.sequence = reader.saturatedUint(field)
      else if (field === 'Validity') seen.validUntil = timeOf(decodeUtf8(reader.bytes(field, 0, VALIDITY_BYTES_MAX)))
      else if (field === 'ValidityType') seen.validityType = reader.uint(field, 0, Number.MAX_SAFE_INTEGER)
      else if (field === ENTRIES_FIELD) seen.entries = readEntries(reader)
      else reader.skip(field)
    })
    reader.end('fields')
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
  const { value, sequence, validUntil, validityType, ttlMs, entries = new Map() } = seen
  if (value === undefined || sequence === undefined || validUntil === undefined || ttlMs === undefined) return undefined
  if (validityType !== VALIDITY_EOL) return undefined
  return { key: copyBytes(key), value, sequence, validUntil, ttlMs, entries }
}

function readEntries(reader: CborReader): ReadonlyMap<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>()
  reader.map(ENTRIES_FIELD, ENTRIES_MAX, (name) => {
    if (!isDatabaseName(name)) reader.fail(`${ENTRIES_FIELD}: expected names of databases`)
    entries.set(name, reader.bytes(name, 1, SIGNED_ROOT_BYTES_MAX))
  })
  return entries
}

function timeOf(text: string | undefined): number | undefined {
  const seconds = text === undefined ? undefined : VALIDITY.exec(text)?.[1]
  const time = seconds === undefined ? NaN : Date.parse(`${seconds}Z`)
  return Number.isNaN(time) ? undefined : time
}
