/**
 * The next IPNS record of a key (record.md, 7). A key has one record for all its databases, so publishing one of them keeps what the
 * record said of the others; and where two machines did so at once, the next one joins them.
 */
import { EMPTY_BYTES, equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import { type Block, CODEC_DAG_CBOR, formatLink, type Link, linkTo } from '../../link.ts'
import { cborLink, cborMap } from '../../pointer/cbor.ts'
import { comparePositions, decodeSignedRoot, formatAuthor, headBlock, type Signer } from '../../pointer/index.ts'
import { ifValid, readLead } from '../hops.ts'
import { IPNS_RECORD_BYTES_MAX, type IpnsRecord, openIpnsRecord, signIpnsRecord } from './record.ts'

const DAY_MS: number = 24 * 60 * 60 * 1000
/** Where the roots have no expiry: so long helpers can keep the record alive while its author is away. */
const LIFETIME_MS: number = 30 * DAY_MS
const LIFETIME_MS_MIN: number = 2 * DAY_MS
const LIFETIME_MS_MAX: number = 366 * DAY_MS
/** Resolvers of IPFS may show an old state for so long. */
const TTL_MS = 60_000

/**
 * All entries of the records of one key. Of two roots of a name the higher one stays, of two statements, or a root and a statement, the
 * one in the later record.
 */
export function joinEntries(records: readonly IpnsRecord[]): Map<string, Uint8Array> {
  const joined = new Map<string, Uint8Array>()
  for (const { entries } of records.toSorted((a, b) => a.sequence - b.sequence || a.validUntil - b.validUntil)) {
    for (const [name, entry] of entries) {
      const before = joined.get(name)
      if (before === undefined || !isHigher(before, entry)) joined.set(name, entry)
    }
  }
  return joined
}

/** Whether both are roots, and the first is the higher one. */
function isHigher(a: Uint8Array, b: Uint8Array): boolean {
  const [one, other] = [ifValid(() => decodeSignedRoot(a)), ifValid(() => decodeSignedRoot(b))]
  return one !== undefined && other !== undefined && comparePositions(one.payload, other.payload) > 0
}

/**
 * The record after those that are `known`, with one entry set.
 * @throws {CoppiceError} `USAGE` where it would be larger than IPNS records may be: an author has about ten databases in one; or where a
 *   record of the highest sequence is there, after which none comes.
 */
export async function signNextRecord(
  signer: Signer,
  known: readonly IpnsRecord[],
  { name, entry, now }: { readonly name: string; readonly entry: Uint8Array; readonly now: number },
): Promise<Uint8Array> {
  const sequence = Math.max(0, ...known.map((each) => each.sequence + 1))
  return await signEntries(signer, joinEntries(known).set(name, entry), sequence, now)
}

/**
 * The next record of a key whose machine asks nobody, after `last`, the one it remembers: that one again where it says all of this, for as
 * long. Its sequence is the time, which is above what counting from 0 gives and above what is forgotten.
 * @throws {CoppiceError} as {@link signNextRecord}.
 */
export async function signRecordOffline(
  signer: Signer,
  last: Uint8Array | undefined,
  changes: ReadonlyMap<string, Uint8Array>,
  now: number,
): Promise<Uint8Array> {
  const before = last && openIpnsRecord(signer.publicKey, last)
  const entries = new Map([...(before?.entries ?? []), ...changes])
  const isSaid = [...changes].every(([name, entry]) => equalBytes(before?.entries.get(name) ?? EMPTY_BYTES, entry))
  if (last !== undefined && before !== undefined && isSaid && before.validUntil > validUntil(entries, now) - DAY_MS) {
    return last
  }
  const sequence = Math.max(Math.floor(now / 1000), (before?.sequence ?? 0) + 1)
  return await signEntries(signer, entries, sequence, now)
}

async function signEntries(
  signer: Signer,
  entries: ReadonlyMap<string, Uint8Array>,
  sequence: number,
  now: number,
): Promise<Uint8Array> {
  if (sequence > Number.MAX_SAFE_INTEGER) throw atItsEnd(signer)
  try {
    return await signIpnsRecord(signer, {
      value: pathOf(entries),
      sequence,
      validUntil: validUntil(entries, now),
      ttlMs: TTL_MS,
      entries,
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const limit = `${IPNS_RECORD_BYTES_MAX} bytes for all databases of its key`
    throw new CoppiceError('USAGE', `ipns: expected a record of at most ${limit}, got more for ${entries.size}`)
  }
}

/** Nobody comes there by counting: whoever wrote that record has the key, and meant to end what is found under it. */
function atItsEnd({ publicKey }: Signer): CoppiceError {
  const key = formatAuthor(publicKey)
  return new CoppiceError(
    'USAGE',
    `ipns: expected records of ${key} that others can follow, got the highest sequence there is; ` +
      'whoever wrote it has this key: rotate it (coppice key rotate), or grant another signer',
    { details: { reason: 'ipns-ended', key } },
  )
}

/** Until the last of its roots and statements ends. */
function validUntil(entries: ReadonlyMap<string, Uint8Array>, now: number): number {
  const ends = [...entries.values()].map((entry) => endOf(entry, now))
  return Math.min(Math.max(now + LIFETIME_MS_MIN, ...ends), now + LIFETIME_MS_MAX)
}

/** A statement has no end of its own unless its grant has: whoever signed it is not asked again soon. */
function endOf(entry: Uint8Array, now: number): number {
  const lead = readLead(entry)
  if (lead !== undefined) return lead.expires === null ? now + LIFETIME_MS_MAX : lead.expires * 1000
  const root = ifValid(() => decodeSignedRoot(entry))
  const expires = root === undefined || root.state === 'newer-format' ? null : root.payload.expires
  return expires === null ? now + LIFETIME_MS : expires * 1000
}

/**
 * What stock software walks: the map of heads, or, where nothing is signed here and all leads to one key, that key's record.
 */
function pathOf(entries: ReadonlyMap<string, Uint8Array>): string {
  const [first, ...others] = [...entries.values()].map((entry) => readLead(entry)?.key)
  const isOneKey = first !== undefined && others.every((key) => key !== undefined && equalBytes(key, first))
  return isOneKey ? `/ipns/${formatAuthor(first)}` : `/ipfs/${formatLink(headsBlock(entries).block.link)}`
}

/** The map from database name to head block, and nothing of what is signed elsewhere. Anybody can make it from the record. */
export function headsBlock(entries: ReadonlyMap<string, Uint8Array>): {
  readonly block: Block
  readonly heads: ReadonlyMap<string, Link>
} {
  const heads = new Map<string, Link>()
  for (const [name, entry] of entries) {
    const root = ifValid(() => decodeSignedRoot(entry))
    if (root !== undefined && root.state !== 'newer-format') heads.set(name, headBlock(root).link)
  }
  const bytes = cborMap(new Map([...heads].map(([name, link]) => [name, cborLink(link)])))
  return { block: { link: linkTo(CODEC_DAG_CBOR, bytes), bytes }, heads }
}
