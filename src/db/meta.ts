/** The small named values a database keeps beside its blocks: their names and encodings, in one place. */
import { CoppiceError } from '../errors.ts'
import { formatLink, isLink, type Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { Store } from '../store/interface.ts'

/** The author's public key, 32 bytes. With NAME it identifies the database. */
export const AUTHOR = 'author'
export const NAME = 'name'
/** Link of the state that is shown: an author's working state, a replica's last complete root. */
export const ROOT = 'root'
/** The signed root that is announced: an author's newest, a replica's that ROOT belongs to. */
export const PUBLISHED = 'published'
/** What an author needs to sign the next root. */
export const CHAIN = 'chain'
/** The root that waits for its signature, as it was handed out. */
export const PREPARED = 'prepared'
/** What acceptance knows (record.md, 5). */
export const FLOOR = 'floor'
/** `highest` where a replica goes on in spite of a fork (record.md, 5); absent: it stops. */
export const ON_FORK = 'on-fork'
/** Signed roots whose trees break a rule, and which. */
export const INVALID = 'invalid'
/** Rotations of the authority, oldest first. */
export const ROTATIONS = 'rotations'
/** Addresses of peers a replica asks, one a line. */
export const PEERS = 'peers'
/** Addresses of peers that were of use, with when and how often they failed since, one a line. */
export const KNOWN_PEERS = 'peers/known'
/** When peers or carriers last answered, see roots/reach.ts. */
export const REACH = 'reach'
/** Carriers beside those peers, as `encodeCarrierSettings` gives them; absent where there are none. */
export const CARRIERS = 'carriers'
/** Envelopes by which others put a signed root on its carriers again, see roots/attachments.ts. */
export const ATTACHMENTS = 'attachments'
/** Of an author whose key is elsewhere: what leads readers from it to the key that signs, see roots/attachments.ts. */
export const HOPS = 'hops'
/** The signed root that was handed on last, see pulling/delivery.ts. */
export const DELIVERED = 'delivered'
/** States that are kept from garbage collection: a CID and a note on each line. */
export const PINS = 'pins'
/** What was merged last from each other database: an address, its state's CID, and that of one's own in it on each line. */
export const BASES = 'bases'
/** What {@link BASES} was when that state was published, or left by a restore; absent where nothing had been merged. */
export function basesName(root: Link): string {
  return `${BASES}/${formatLink(root)}`
}

/** Of a replica that is being made into a fork; empty. */
export const FORKING = 'forking'
/** Where a fork came from: an address, then the CID of the state it began with. */
export const ORIGIN = 'origin'
/** The signed root of that state, where it was signed. */
export const ORIGIN_SIGNED = 'origin/signed'
/** Number of signed roots in the log; they stand under {@link logName}, from 0. */
export const LOG_LENGTH = 'log'

export function logName(position: number): string {
  return `log/${position}`
}

/** The hash of a complete subtree of the history (record.md, 5): 2^level payloads from sequence index * 2^level + 1 on. */
export function subtreeName(level: number, index: number): string {
  return `history/${level}/${index}`
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

export function encodeCount(count: number): Uint8Array {
  return encodeText(String(count))
}

/** 0 where there is none yet. @throws {CoppiceError} `STORE_CORRUPT`. */
export function decodeCount(name: string, bytes: Uint8Array | undefined): number {
  if (bytes === undefined) return 0
  const count = Number(decodeText(bytes))
  if (!Number.isSafeInteger(count) || count < 0) throw damaged(name)
  return count
}

/** @throws {CoppiceError} `STORE_CORRUPT` where it is absent. */
export async function requireMeta(store: Store, name: string): Promise<Uint8Array> {
  const bytes = await store.getMeta(name)
  if (bytes === undefined) throw damaged(name)
  return bytes
}

/** @throws {CoppiceError} `STORE_CORRUPT`. */
export function readRoot(store: Store): MaybePromise<Link> {
  const check = (bytes: Uint8Array | undefined): Link => {
    if (bytes === undefined || !isLink(bytes)) throw damaged(ROOT)
    return bytes
  }
  const bytes = store.getMeta(ROOT)
  return bytes instanceof Promise ? bytes.then(check) : check(bytes)
}

function damaged(name: string): CoppiceError {
  return new CoppiceError(
    'STORE_CORRUPT',
    `meta value '${name}': expected it in the store, got nothing or damage; restore a backup or clone again`,
    {
      details: { name },
    },
  )
}
