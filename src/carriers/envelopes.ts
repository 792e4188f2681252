/**
 * Envelopes that a key makes where it is, for machines that put a root without it (record.md, 6 and 7): of a root that it signed, and of
 * a grant or rotation, which leads readers from it to the next key. Nobody is asked for it, so a machine without a network makes them.
 *
 *     envelopes = [name, attachments bytes]     attachments of the ids 3 to 6; one for each database
 */
import { EMPTY_BYTES, equalBytes } from '../bytes.ts'
import { isCoppiceError } from '../errors.ts'
import { cborArray, cborBytes, CborReader, cborText } from '../pointer/cbor.ts'
import {
  carrierSequence,
  decodeSignedRoot,
  isDatabaseName,
  NAME_BYTES_MAX,
  type SignedRoot,
  type Signer,
} from '../pointer/index.ts'
import { signedRootFailure } from '../pointer/statement.ts'
import { ATTACHMENT_IDS, type Attachments, decodeAttachments, encodeAttachments } from './attachments.ts'
import { encodeBencode } from './bep44/bencode.ts'
import { decodeHops, encodeHops, itemsOfHops, saltOf, signHop } from './bep44/hops.ts'
import { signItem, verifyItem } from './bep44/item.ts'
import type { PointerName } from './carrier.ts'
import { ifValid, readLead } from './hops.ts'
import { decodeIpnsHops, encodeIpnsHops, walkHops } from './ipns/hops.ts'
import { signRecordOffline } from './ipns/next-record.ts'
import { openIpnsRecord } from './ipns/record.ts'

/** Of the database with that name. */
export interface Envelopes {
  readonly name: string
  readonly attachments: Attachments
}

export const ENVELOPE_IDS: readonly number[] = [
  ATTACHMENT_IDS.bep44,
  ATTACHMENT_IDS.ipns,
  ATTACHMENT_IDS.bep44Hops,
  ATTACHMENT_IDS.ipnsHops,
]
/** A record and eight hops of each kind. */
const ENVELOPES_BYTES_MAX: number = 40 * 1024

export function encodeEnvelopes({ name, attachments }: Envelopes): Uint8Array {
  return cborArray([cborText(name), cborBytes(encodeAttachments(attachments))])
}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID`. What they say is not looked at. */
export function decodeEnvelopes(bytes: Uint8Array): Envelopes {
  const reader = new CborReader(new Uint8Array(bytes), signedRootFailure('envelopes'))
  reader.array('envelopes', 2, 2)
  const name = reader.text('name', NAME_BYTES_MAX)
  if (!isDatabaseName(name)) reader.fail('name: expected that of a database')
  const attachments = decodeAttachments(reader.bytes('attachments', 1, ENVELOPES_BYTES_MAX))
  reader.end('envelopes')
  if (![...attachments.keys()].every((id) => ENVELOPE_IDS.includes(id))) reader.fail('attachments: expected envelopes')
  return { name, attachments }
}

/** A key where it is. */
export interface EnvelopeKey {
  readonly signer: Signer
  /** The last IPNS record that it made here: one for all its databases. */
  readonly lastRecord: Uint8Array | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface MadeEnvelopes {
  readonly envelopes: readonly Envelopes[]
  /** The IPNS record among them, to be remembered; undefined where there is none. */
  readonly record: Uint8Array | undefined
  /** Why some could not be made, for people. */
  readonly problems: readonly string[]
}

/** Of a root that the key signed. */
export async function envelopeRoot(key: EnvelopeKey, root: SignedRoot): Promise<MadeEnvelopes> {
  const { name } = root.payload
  const item = await signItem(key.signer, saltOf(name), carrierSequence(root.payload), root.bytes)
  const attachments = new Map<number, Uint8Array>([[ATTACHMENT_IDS.bep44, item.signature]])
  const { record, problems } = await makeRecord(key, new Map([[name, root.bytes]]))
  if (record !== undefined) attachments.set(ATTACHMENT_IDS.ipns, record)
  return { envelopes: [{ name, attachments }], record, problems }
}

/**
 * Of a grant or rotation that the key signed: the way on to the key it names, in each of the databases `names`. `before` is the way from
 * the author to this key, where it is another's.
 */
export async function envelopeLead(
  key: EnvelopeKey,
  statement: Uint8Array,
  author: Uint8Array,
  names: readonly string[],
  before: readonly Envelopes[] = [],
): Promise<MadeEnvelopes> {
  const isAuthor = equalBytes(key.signer.publicKey, author)
  const ways = new Map(before.map(({ name, attachments }) => [name, attachments]))
  const led = names.filter((name) => isAuthor || ways.has(name))
  const lost = names.filter((name) => !led.includes(name))
  const problems = lost.map(
    (name) => `${name}: nothing leads to this key from the author's; the rotations do not name it`,
  )
  const made = await makeRecord(key, new Map(led.map((name) => [name, statement])))
  const next = readLead(statement)?.key ?? EMPTY_BYTES
  const envelopes: Envelopes[] = []
  for (const name of led) {
    const way = isAuthor ? undefined : ways.get(name)
    const attachments = await goOn(key.signer, name, statement, way, made.record)
    const end = attachments.size === 0 ? undefined : endOfWay({ author, name }, attachments)
    if (end !== undefined && equalBytes(end, next)) envelopes.push({ name, attachments })
    else problems.push(`${name}: the way from the author's key is too long, or is another's`)
  }
  return { envelopes, record: made.record, problems: [...problems, ...made.problems] }
}

/** The names of the author's databases in a record: those that its key has signed for. */
export function namesInRecord(key: Uint8Array, record: Uint8Array, author: Uint8Array): string[] {
  const entries = openIpnsRecord(key, record)?.entries ?? new Map<string, Uint8Array>()
  return [...entries].flatMap(([name, entry]) => {
    const of = readLead(entry)?.author ?? ifValid(() => decodeSignedRoot(entry))?.payload.author
    return of !== undefined && equalBytes(of, author) ? [name] : []
  })
}

/** The key that the hops among `attachments` lead to; undefined where there are none, or they do not count. */
export function endOfWay(pointer: PointerName, attachments: Attachments): Uint8Array | undefined {
  const ends: (Uint8Array | undefined)[] = []
  const items = attachments.get(ATTACHMENT_IDS.bep44Hops)
  if (items !== undefined) {
    const way = ifValid(() => itemsOfHops(pointer, decodeHops(items)))
    ends.push(way?.items.every(verifyItem) === true ? way.end.key : undefined)
  }
  const records = attachments.get(ATTACHMENT_IDS.ipnsHops)
  if (records !== undefined) ends.push(ifValid(() => walkHops(pointer, decodeIpnsHops(records)))?.at(-1)?.key)
  const [end] = ends
  return end !== undefined && ends.every((each) => each !== undefined && equalBytes(each, end)) ? end : undefined
}

/** When the first of the IPNS records among `attachments` is over, in milliseconds; undefined without any. `key` signed the root. */
export function ipnsEnd(pointer: PointerName, attachments: Attachments, key?: Uint8Array): number | undefined {
  const ends: number[] = []
  const hops = attachments.get(ATTACHMENT_IDS.ipnsHops)
  const records = hops === undefined ? [] : decodeIpnsHops(hops)
  const places = walkHops(pointer, records) ?? []
  for (const [i, record] of records.entries()) {
    const { key: of } = places[i] ?? { key: EMPTY_BYTES }
    ends.push(openIpnsRecord(of, record)?.validUntil ?? 0)
  }
  const own = attachments.get(ATTACHMENT_IDS.ipns)
  if (own !== undefined && key !== undefined) ends.push(openIpnsRecord(key, own)?.validUntil ?? 0)
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/** Whether `attachments` are the envelopes of this very root, by its key, and nothing else. */
export function areOfRoot(root: SignedRoot, attachments: Attachments): boolean {
  if (attachments.has(ATTACHMENT_IDS.bep44Hops) || attachments.has(ATTACHMENT_IDS.ipnsHops)) return false
  const { key, bytes, payload } = root
  const signature = attachments.get(ATTACHMENT_IDS.bep44)
  const item = {
    key,
    salt: saltOf(payload.name),
    sequence: carrierSequence(payload),
    encodedValue: encodeBencode(bytes),
  }
  if (signature !== undefined && !verifyItem({ ...item, signature })) return false
  const record = attachments.get(ATTACHMENT_IDS.ipns)
  if (record === undefined) return true
  return equalBytes(openIpnsRecord(key, record)?.entries.get(payload.name) ?? EMPTY_BYTES, bytes)
}

async function goOn(
  signer: Signer,
  name: string,
  statement: Uint8Array,
  way: Attachments | undefined,
  record: Uint8Array | undefined,
): Promise<Attachments> {
  const attachments = new Map<number, Uint8Array>()
  const items = way?.get(ATTACHMENT_IDS.bep44Hops)
  if (way === undefined || items !== undefined) {
    const hops = items === undefined ? [] : decodeHops(items)
    attachments.set(ATTACHMENT_IDS.bep44Hops, encodeHops([...hops, await signHop(signer, name, statement)]))
  }
  const records = way?.get(ATTACHMENT_IDS.ipnsHops)
  if (record === undefined || (way !== undefined && records === undefined)) return attachments
  const bytes = encodeIpnsHops([...(records === undefined ? [] : decodeIpnsHops(records)), record])
  if (bytes !== undefined) attachments.set(ATTACHMENT_IDS.ipnsHops, bytes)
  return attachments
}

/** A key has one IPNS record: where it has no room for all of its databases there is none of this one. */
async function makeRecord(
  { signer, lastRecord, now }: EnvelopeKey,
  changes: ReadonlyMap<string, Uint8Array>,
): Promise<Pick<MadeEnvelopes, 'record' | 'problems'>> {
  if (changes.size === 0) return { record: undefined, problems: [] }
  try {
    return { record: await signRecordOffline(signer, lastRecord, changes, now), problems: [] }
  } catch (error) {
    if (!isCoppiceError(error, 'USAGE')) throw error
    return { record: undefined, problems: [error.message] }
  }
}
